"""The graphs as resources: their pictures, and where a run stands."""

import json
from collections.abc import Callable
from typing import Any, get_args

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError

from industriverse.operations.agents import GraphName
from industriverse.operations.context import Principal
from industriverse.operations.errors import NotFoundError
from industriverse.operations.platform import Platform
from industriverse.operations.policy import invoke
from industriverse.physics import IndustriverseError

__all__ = ["add_agent_resources"]


def add_agent_resources(
    server: MCPServer[Any], platform: Platform, *, principal: Callable[[], Principal]
) -> None:
    """Register ``agents://graph/{name}`` (Mermaid) and ``agents://thread/{thread_id}`` (JSON)."""

    @server.resource("agents://graph/{name}", title="Picture of a graph", mime_type="text/vnd.mermaid")
    async def picture(name: str) -> str:
        """A graph as a Mermaid flowchart: ace, til or response."""
        for known in get_args(GraphName):
            if known == name:
                return platform.graphs.picture(known)
        raise ResourceNotFoundError(f"no graph {name[:40]!r}; graphs are {', '.join(get_args(GraphName))}")

    @server.resource("agents://thread/{thread_id}", title="A run of a graph", mime_type="application/json")
    async def thread(thread_id: str) -> str:
        """Where a run stands, as of its last checkpoint."""
        try:
            result = await invoke(platform, "agent_state", {"thread_id": thread_id}, principal=principal())
        except NotFoundError as error:
            raise ResourceNotFoundError(str(error)) from error
        except IndustriverseError as error:
            raise ResourceError(str(error)) from error
        return json.dumps(result.model_dump(mode="json"))
