"""Completions: ids and names that exist, for arguments of prompts and of resource templates."""

from collections.abc import Callable
from typing import Any

from mcp.server import MCPServer
from mcp.types import (
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)

from industriverse.mcp_server.resources import page_names
from industriverse.operations.context import Principal
from industriverse.operations.platform import Platform
from industriverse.operations.services import Services

__all__ = ["add_completions"]

LIMIT = 100


def _streams(services: Services) -> list[str]:
    return list(services.streams.store.names())


def _incidents(services: Services) -> list[str]:
    return [incident.id for incident in services.shield.incidents()]


_SOURCES: dict[str, Callable[[Services], list[str]]] = {
    "stream": _streams,
    "incident_id": _incidents,
    "page": lambda services: page_names(),  # noqa: ARG005
}


def add_completions(
    server: MCPServer[Any], platform: Platform, *, principal: Callable[[], Principal]
) -> None:
    """Serve ``completion/complete``; what the caller may not read is not offered."""

    async def complete(
        ref: PromptReference | ResourceTemplateReference,  # noqa: ARG001
        argument: CompletionArgument,
        context: CompletionContext | None,  # noqa: ARG001
    ) -> Completion:
        caller = principal()
        values: list[str] = []
        if caller.holds("read"):
            own = platform.of_tenant(caller.tenant)
            if argument.name == "thread_id":
                values = await own.graphs.threads()
            elif argument.name in _SOURCES:
                values = await own.run(_SOURCES[argument.name], own.services)
        fitting = [value for value in values if value.startswith(argument.value)]
        return Completion(values=fitting[:LIMIT], total=len(fitting), has_more=len(fitting) > LIMIT)

    register: Callable[[Any], Any] = server.completion()  # type: ignore[no-untyped-call]
    register(complete)
