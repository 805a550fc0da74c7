"""Questions to the graph that no other verb of the atlas toolset answers, off unless somebody switches it on."""

import json
import os
from datetime import date, datetime, time
from typing import Any

from pydantic import BaseModel, Field

from industriverse.operations.context import OperationContext
from industriverse.operations.errors import InvalidArgumentsError, NotAllowedError
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.services import Services
from industriverse.operations.toolsets.atlas import reading

__all__ = ["CypherInput", "CypherOutput", "atlas_cypher"]

SWITCH = "INDUSTRIVERSE_ATLAS_CYPHER"
LIMIT_S = 10.0
MAX_BYTES = 1_000_000
MAX_PARAMETERS = 50
MAX_PARAMETER_BYTES = 100_000

Value = str | int | float | bool | None | list[str | int | float | bool | None]


class CypherInput(OperationInput):
    """A read-only query; every value goes into parameters."""

    query: str = Field(max_length=10_000, description="Cypher, MATCH … RETURN only, values as $name")
    parameters: dict[str, Value] = Field(default={}, description="Values by name")
    limit: int = Field(default=100, ge=1, le=1_000, description="Rows at most")


class CypherOutput(BaseModel):
    """Rows of a query."""

    rows: list[dict[str, Any]]
    truncated: bool

    def __str__(self) -> str:
        lines = [json.dumps(row, ensure_ascii=False) for row in self.rows]
        return "\n".join([f"{len(lines)} rows{', cut off' if self.truncated else ''}", *lines])


def _plain(value: Any) -> Any:
    """A value of the graph as JSON has it."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and value - value == 0:
        return value
    return str(value)


def _query(services: Services, request: CypherInput) -> CypherOutput:
    result = services.atlas.query(
        request.query, request.parameters, row_limit=request.limit, timeout_s=LIMIT_S
    )
    rows: list[dict[str, Any]] = []
    size = 0
    for row in result.rows:
        plain = _plain(dict(row))
        size += len(json.dumps(plain))
        if size > MAX_BYTES:
            return CypherOutput(rows=rows, truncated=True)
        rows.append(plain)
    return CypherOutput(rows=rows, truncated=result.truncated)


@operation(
    "atlas_cypher",
    toolset="atlas",
    scope="read",
    title="Ask the Energy Atlas in Cypher",
    read_only=True,
)
async def atlas_cypher(request: CypherInput, context: OperationContext) -> CypherOutput:
    """Run a read-only Cypher query with parameters: no writes, files or procedures; 10 s, 1,000 rows, 1 MB.

    Raises:
        NotAllowedError: If the installation has not switched it on.
        AtlasError: If the query is not plainly a read, fails or takes too long.
    """
    if os.environ.get(SWITCH) != "1":
        raise NotAllowedError(
            "atlas_cypher is switched off", hint=f"start the server with {SWITCH}=1 to allow read-only Cypher"
        )
    given = len(json.dumps(request.parameters))
    if len(request.parameters) > MAX_PARAMETERS or given > MAX_PARAMETER_BYTES:
        raise InvalidArgumentsError(
            f"parameters: {len(request.parameters)} values of {given} bytes",
            hint=f"give at most {MAX_PARAMETERS} and {MAX_PARAMETER_BYTES} bytes",
        )
    return await reading(context, lambda services: _query(services, request))
