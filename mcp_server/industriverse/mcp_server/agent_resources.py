"""The graphs as resources: their pictures."""

from typing import Any, get_args

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError

from industriverse.operations.agents import GraphName
from industriverse.operations.platform import Platform

__all__ = ["add_agent_resources"]


def add_agent_resources(server: MCPServer[Any], platform: Platform) -> None:
    """Register ``agents://graph/{name}``: a graph as a Mermaid flowchart."""

    @server.resource("agents://graph/{name}", title="Picture of a graph", mime_type="text/vnd.mermaid")
    async def picture(name: str) -> str:
        """A graph as a Mermaid flowchart: ace, til or response."""
        for known in get_args(GraphName):
            if known == name:
                return platform.graphs.picture(known)
        raise ResourceNotFoundError(f"no such graph; graphs are {', '.join(get_args(GraphName))}")
