"""Resources: things that a client can open by name, each read through the operation that answers the same question."""

import json
from collections.abc import Awaitable, Callable
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError

from industriverse.agents.answering.pages import documentation
from industriverse.mcp_server.guard import ResponseGuard
from industriverse.operations.context import Principal
from industriverse.operations.errors import NotFoundError
from industriverse.operations.platform import Platform
from industriverse.operations.policy import invoke
from industriverse.operations.registry import registry
from industriverse.physics import IndustriverseError

__all__ = ["DOCUMENTS", "add_resources", "page_names"]

JSON = "application/json"
MARKDOWN = "text/markdown"

Read = Callable[[str, dict[str, Any]], Awaitable[str]]


def _about() -> str:
    try:
        return str(metadata("industriverse")["Summary"])
    except PackageNotFoundError:
        return "Thermodynamic cybersecurity driven through an MCP server."


def _tool_table() -> str:
    lines = ["# Tools", "", "| tool | scope | what it does |", "|---|---|---|"]
    lines += [f"| `{declared.name}` | {declared.scope} | {declared.summary} |" for declared in registry]
    return "\n".join(lines)


def _scope_table() -> str:
    lines = ["# Scopes", ""]
    for scope in sorted({declared.scope for declared in registry}):
        names = ", ".join(f"`{declared.name}`" for declared in registry if declared.scope == scope)
        lines.append(f"- **{scope}**: {names}")
    return "\n".join(lines)


def _words() -> str:
    return (
        "# Words\n\n"
        "- **kT, nats**: units of a stream's own learned reference; two streams can be compared in them.\n"
        "- **free-energy excess**: work (shifted means) + heat (changed variances) "
        "+ structure (changed correlations).\n"
        "- **alarm**: the calibrated score of a sample crossed what the ticket budget allows.\n"
        "- **certificate**: a signed statement that a window is consistent with equilibrium, with its error rate.\n"
        "- **CEU**: 1,000 evaluations of a model on one sample; what calls are paid in."
    )


DOCUMENTS: dict[str, Callable[[], str]] = {
    "about": _about,
    "tools": _tool_table,
    "scopes": _scope_table,
    "words": _words,
}
"""Pages of ``docs://{page}``, made from the declarations themselves."""


def page_names() -> list[str]:
    """Names of all pages of ``docs://{page}``."""
    return [*DOCUMENTS, *sorted(documentation().keys() - DOCUMENTS.keys())]


def add_resources(
    server: MCPServer[Any],
    platform: Platform,
    *,
    principal: Callable[[], Principal],
    guard: ResponseGuard,
) -> None:
    """Register resources.

    Args:
        server: The server to extend.
        platform: Stores and services.
        principal: Returns the caller of the request being served.
        guard: Holds the whole of results that were cut.
    """

    async def read(name: str, arguments: dict[str, Any]) -> str:
        try:
            result = await invoke(platform, name, arguments, principal=principal())
        except NotFoundError as error:
            raise ResourceNotFoundError(str(error)) from error
        except IndustriverseError as error:
            raise ResourceError(str(error)) from error
        return json.dumps(result.model_dump(mode="json"))

    _add_security(server, read)
    _add_records(server, read)

    @server.resource("docs://{page}", title="Documentation", mime_type=MARKDOWN)
    async def document(page: str) -> str:
        """A page about this server (about, tools, scopes, words) or of its documentation."""
        name = page.casefold()
        if name in DOCUMENTS:
            return DOCUMENTS[name]()
        # A name is looked up among the pages that there are; it never becomes a path.
        if name not in documentation():
            raise ResourceNotFoundError(f"no such page; pages are {', '.join(page_names())}")
        return documentation()[name]

    @server.resource("result://{cursor}/{page}", title="Rest of a long result", mime_type="text/plain")
    async def page_of_result(cursor: str, page: str) -> str:
        """A page of a result that was cut to fit; the pages put together are JSON."""
        try:
            return guard.page(cursor, int(page) if page.isascii() and page.isdigit() else 0, principal())
        except NotFoundError as error:
            raise ResourceNotFoundError(str(error)) from error


def _add_security(server: MCPServer[Any], read: Read) -> None:
    @server.resource("shield://threats/active", title="Active threats", mime_type=JSON)
    async def active_threats() -> str:
        """Incidents that are open."""
        return await read("shield_threats", {"open_only": True})

    @server.resource("shield://alert/{incident_id}", title="An alert explained", mime_type=JSON)
    async def alert(incident_id: str) -> str:
        """Why an incident was raised: sensors and their shares."""
        return await read("shield_explain", {"incident_id": incident_id})

    @server.resource("eil://regime/{stream}", title="State of a stream", mime_type=JSON)
    async def regime(stream: str) -> str:
        """The thermodynamic state of a stream at its latest sample."""
        return await read("eil_regime", {"stream": stream})


def _add_record(server: MCPServer[Any], read: Read, kind: str, name: str, what: str) -> None:
    async def record(record_id: str) -> str:
        return await read("atlas_get", {"kind": kind, "id": record_id})

    described = f"{what} of the Atlas and its neighbourhood in the graph."
    server.resource(f"atlas://{name}/{{record_id}}", title=what, description=described, mime_type=JSON)(
        record
    )


def _add_records(server: MCPServer[Any], read: Read) -> None:
    @server.resource("atlas://state/{state_id}", title="Energy state", mime_type=JSON)
    async def energy_state(state_id: str) -> str:
        """One energy state and its neighbourhood in the graph."""
        return await read("atlas_get", {"kind": "EnergyState", "id": state_id})

    for kind, name, what in (
        ("RegimeShift", "shift", "Regime shift"),
        ("Incident", "incident", "Incident"),
        ("Proof", "proof", "Proof of equilibrium"),
    ):
        _add_record(server, read, kind, name, what)

    @server.resource("agents://thread/{thread_id}", title="Response run", mime_type=JSON)
    async def thread(thread_id: str) -> str:
        """Where a response run stands."""
        return await read("agent_state", {"thread_id": thread_id})

    @server.resource("economy://account/{account}", title="An account", mime_type=JSON)
    async def account(account: str) -> str:
        """Balance and newest entries of an account, in proof tokens."""
        return await read("economy_read", {"account": account})

    @server.resource("economy://pool/{pair}", title="Pool of the market", mime_type=JSON)
    async def pool(pair: str) -> str:
        """Reserves and prices of a pool, such as CEU-PFT."""
        return await read("economy_read", {"what": "pool", "pool": pair})
