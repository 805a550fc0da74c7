"""What a tool answers: terse text beside structured content, cut to fit, with trace and energy."""

from typing import Any

from mcp.types import CallToolResult, TextContent
from pydantic import BaseModel
from pydantic_core import to_json

from industriverse.mcp_server.guard import ResponseGuard
from industriverse.operations.context import Principal
from industriverse.operations.kept_reads import document_of
from industriverse.operations.tracing import current_energy, outgoing_headers

__all__ = ["ENERGY_META", "TRUNCATED_META", "Answer", "answered", "answered_as_json"]

ENERGY_META = "io.industriverse/energy"
"""Where a result's ``_meta`` says what the request cost and what it learned of the plant."""

TRUNCATED_META = "io.industriverse/truncated"

TEXT_CHARACTERS = 8_000
"""How much of a text is kept when a result is cut."""


class Answer:
    """The parts of a result, and the two forms in which it is handed on.

    Attributes:
        text: For a person or a model to read.
        structured: Data that fit the tool's output schema.
        meta: Trace, energy and what was cut.
    """

    __slots__ = ("meta", "structured", "text")

    def __init__(self, text: str, structured: dict[str, Any], meta: dict[str, Any]) -> None:
        self.text = text
        self.structured = structured
        self.meta = meta

    def model(self) -> CallToolResult:
        """As the SDK's own type."""
        return CallToolResult(
            content=[TextContent(type="text", text=self.text)],
            structured_content=self.structured,
            _meta=self.meta,
        )

    def wire(self) -> dict[str, Any]:
        """As it goes over the wire."""
        return {
            "_meta": self.meta,
            "content": [{"text": self.text, "type": "text"}],
            "isError": False,
            "structuredContent": self.structured,
        }


def answered(tool: str, result: BaseModel, guard: ResponseGuard, caller: Principal) -> Answer:
    """The answer to a call.

    Args:
        tool: What was called.
        result: What came of it.
        guard: Cuts results that are too long.
        caller: Who may read the rest.
    """
    structured = result.model_dump(mode="json")
    guarded = guard.fit(tool, structured, len(result.model_dump_json()), caller)
    meta: dict[str, Any] = {**outgoing_headers(), ENERGY_META: current_energy().fields()}
    text = str(result)
    if guarded.hint:
        text = f"{text[:TEXT_CHARACTERS]}\n{guarded.hint}"
        meta[TRUNCATED_META] = {"hint": guarded.hint, "cursor": guarded.cursor}
    return Answer(text, guarded.structured, meta)


def answered_as_json(
    tool: str, result: BaseModel, guard: ResponseGuard, caller: Principal, stamp: dict[str, Any] | None
) -> bytes:
    """The answer to a call as it goes over the wire, without taking the result apart first.

    Args:
        tool: What was called.
        result: What came of it.
        guard: Cuts results that are too long.
        caller: Who may read the rest.
        stamp: What the stateless era has in ``_meta`` beside trace and energy, None on the other.
    """
    document = document_of(result)
    complete = b"" if stamp is None else b',"resultType":"complete"'
    if len(document) > guard.limit:
        answer = answered(tool, result, guard, caller)
        meta, text, document = answer.meta, answer.text, to_json(answer.structured)
    else:
        meta, text = {**outgoing_headers(), ENERGY_META: current_energy().fields()}, str(result)
    return b'{"_meta":%b,"content":[{"text":%b,"type":"text"}],"isError":false,"structuredContent":%b%b}' % (
        to_json(meta if stamp is None else {**meta, **stamp}),
        to_json(text),
        document,
        complete,
    )
