"""Put the parts of one installation together."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mcp.server import MCPServer

from industriverse.mcp_server.tools import add_operations
from industriverse.operations.agents import ResponseRuns
from industriverse.operations.context import Principal
from industriverse.operations.home import Home
from industriverse.operations.platform import Platform
from industriverse.operations.registry import registry
from industriverse.operations.toolsets import load

__all__ = ["compose"]

RESPONSE_GRAPH = Principal(
    "response-graph",
    frozenset({"read", "forecast", "plan", "act", "simulate", "prove", "mint", "record"}),
)
"""The response graph calls tools under its own name; what it may do beyond plans needs a person's approval."""


def compose(home: Home, *, read_only: bool = False, clock: Callable[[], int] = time.time_ns) -> Platform:
    """A platform with every operation declared and its graphs connected.

    Args:
        home: The folder of the installation; the caller closes it after the platform.
        read_only: Refuse every operation that changes something.
        clock: Returns the present time in nanoseconds since 1970-01-01 UTC.
    """
    load()

    def connect_responses(platform: Platform) -> ResponseRuns:
        from industriverse.graphs.runtime import ResponseRunner

        def open_server() -> MCPServer[Any]:
            server: MCPServer[Any] = MCPServer("industriverse-graphs", log_level="WARNING")
            operations = registry.select(toolsets=frozenset({"all"}), read_only=read_only)
            graph = replace(RESPONSE_GRAPH, tenant=platform.tenant)
            add_operations(server, platform, operations, principal=lambda: graph)
            return server

        return ResponseRunner(platform.home.paths.checkpoints, open_server)

    return Platform(home, read_only=read_only, connect_responses=connect_responses, clock=clock)
