"""Resources and prompts: things that a client can open by name, and ways to begin."""

import json
from collections.abc import Callable
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError

from industriverse.operations.context import Principal
from industriverse.operations.errors import NotFoundError
from industriverse.operations.platform import Platform
from industriverse.operations.policy import invoke
from industriverse.physics import IndustriverseError

__all__ = ["add_resources"]

JSON = "application/json"


def add_resources(server: MCPServer[Any], platform: Platform, *, principal: Callable[[], Principal]) -> None:
    """Register resources, each read through the operation that answers the same question."""

    async def read(name: str, arguments: dict[str, Any]) -> str:
        try:
            result = await invoke(platform, name, arguments, principal=principal())
        except NotFoundError as error:
            raise ResourceNotFoundError(str(error)) from error
        except IndustriverseError as error:
            raise ResourceError(str(error)) from error
        return json.dumps(result.model_dump(mode="json"))

    @server.resource("shield://threats/active", title="Active threats", mime_type=JSON)
    async def active_threats() -> str:
        """Incidents that are open."""
        return await read("shield_threats", {"open_only": True})

    @server.resource("atlas://state/{state_id}", title="Energy state", mime_type=JSON)
    async def energy_state(state_id: str) -> str:
        """One energy state and its neighbourhood in the graph."""
        return await read("atlas_get", {"kind": "EnergyState", "id": state_id})

    @server.resource("eil://regime/{stream}", title="State of a stream", mime_type=JSON)
    async def regime(stream: str) -> str:
        """The thermodynamic state of a stream at its latest sample."""
        return await read("eil_regime", {"stream": stream})

    @server.resource("economy://pool/{pair}", title="Pool of the market", mime_type=JSON)
    async def pool(pair: str) -> str:
        """Reserves and prices of a pool, such as CEU-PFT."""
        return await read("economy_read", {"what": "pool", "pool": pair})

    @server.prompt(title="Triage a threat")
    def triage_threat(incident_id: str) -> str:
        """Walk through an incident: why, where it leads, what to do."""
        return (
            f"Explain incident {incident_id} with shield_explain, forecast its stream with nvp_forecast, then "
            "propose a plan with shield_plan. Quote numbers only from tool results, with their units. Do not "
            "act: ask the person whether agent_run should carry the response out."
        )
