"""Put the parts of one installation together."""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mcp.server import MCPServer

from industriverse.mcp_server.tools import add_operations
from industriverse.operations.agents import GraphRuns
from industriverse.operations.asking import Answers
from industriverse.operations.context import Principal
from industriverse.operations.home import Home
from industriverse.operations.platform import Platform
from industriverse.operations.registry import registry
from industriverse.operations.toolsets import load

if TYPE_CHECKING:
    from pydantic_ai.models import Model

__all__ = ["LANGUAGE_MODEL", "compose"]

CHECKPOINTS_VARIABLE = "INDUSTRIVERSE_CHECKPOINTS"
"""A URL ``postgresql://...`` for the checkpoints of the graphs; a SQLite file of the installation without it."""

RESPONSE_GRAPH = Principal(
    "response-graph",
    frozenset({"read", "forecast", "plan", "act", "simulate", "prove", "mint", "record"}),
)
"""The response graph calls tools under its own name; what it may do beyond plans needs a person's approval."""


LANGUAGE_MODEL = "INDUSTRIVERSE_LLM"
"""Names the language model that answers questions, as pydantic-ai knows it: ``openai:gpt-5.2``."""


def compose(
    home: Home,
    *,
    read_only: bool = False,
    clock: Callable[[], int] = time.time_ns,
    model: "str | Model" = "",
) -> Platform:
    """A platform with every operation declared and its graphs connected.

    Args:
        home: The folder of the installation; the caller closes it after the platform.
        read_only: Refuse every operation that changes something.
        clock: Returns the present time in nanoseconds since 1970-01-01 UTC.
        model: Language model that answers questions; that of INDUSTRIVERSE_LLM if empty.
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

    def connect_answers(platform: Platform) -> Answers:
        from industriverse.agents.answering.answers import PlatformAnswers

        def open_server(principal: Principal) -> MCPServer[Any]:
            server: MCPServer[Any] = MCPServer("industriverse-questions", log_level="WARNING")
            operations = registry.select(toolsets=frozenset({"all"}), read_only=read_only)
            # A question that asked a question could go on for ever.
            offered = [o for o in operations if principal.holds(o.scope) and o.name != "platform_ask"]
            add_operations(server, platform, offered, principal=lambda: principal)
            return server

        return PlatformAnswers(
            registry, open_server, platform.clock, model or os.environ.get(LANGUAGE_MODEL, "")
        )

    return Platform(
        home,
        read_only=read_only,
        connect_graphs=connect_graphs,
        connect_answers=connect_answers,
        clock=clock,
    )
