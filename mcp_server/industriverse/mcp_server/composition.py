"""Put the parts of one installation together."""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mcp.server import MCPServer

from industriverse.mcp_server.tools import add_operations
from industriverse.operations.agents import GraphRuns
from industriverse.operations.context import Principal
from industriverse.operations.home import Home
from industriverse.operations.platform import Platform
from industriverse.operations.registry import registry
from industriverse.operations.toolsets import load

__all__ = ["compose"]

CHECKPOINTS_VARIABLE = "INDUSTRIVERSE_CHECKPOINTS"
"""A URL ``postgresql://...`` for the checkpoints of the graphs; a SQLite file of the installation without it."""

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

    def connect_graphs(platform: Platform) -> GraphRuns:
        from industriverse.graphs.checkpoints import Checkpoints
        from industriverse.graphs.runtime import GraphRunner

        def open_server() -> MCPServer[Any]:
            server: MCPServer[Any] = MCPServer("industriverse-graphs", log_level="WARNING")
            operations = registry.select(toolsets=frozenset({"all"}), read_only=read_only)
            graph = replace(RESPONSE_GRAPH, tenant=platform.tenant)
            add_operations(server, platform, operations, principal=lambda: graph)
            return server

        place = os.environ.get(CHECKPOINTS_VARIABLE) if not platform.tenant else None
        return GraphRunner(Checkpoints(place or platform.home.paths.checkpoints), open_server)

    return Platform(home, read_only=read_only, connect_graphs=connect_graphs, clock=clock)
