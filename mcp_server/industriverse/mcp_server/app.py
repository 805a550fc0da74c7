"""The MCP server and the web application around one platform."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mcp.server import MCPServer
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import Context, RequestStateSecurity

from industriverse.mcp_server.agent_resources import add_agent_resources
from industriverse.mcp_server.callers import CurrentCaller, local_caller
from industriverse.mcp_server.completing import add_completions
from industriverse.mcp_server.direct import DirectCalls
from industriverse.mcp_server.guard import ResponseGuard
from industriverse.mcp_server.icons import icon_of
from industriverse.mcp_server.legacy import add_log_level
from industriverse.mcp_server.notifying import TenantBus
from industriverse.mcp_server.prompts import PromptCheck, add_prompts
from industriverse.mcp_server.propagation import follow_trace
from industriverse.mcp_server.resources import add_resources
from industriverse.mcp_server.sessions import KnownSessions
from industriverse.mcp_server.subscribing import Subscriptions
from industriverse.mcp_server.surface import Surface, SurfaceFilter
from industriverse.mcp_server.task_store import TaskStore
from industriverse.mcp_server.tasks import Tasks
from industriverse.mcp_server.tools import add_operations
from industriverse.operations.platform import Platform
from industriverse.operations.registry import registry
from industriverse.operations.version import platform_version

if TYPE_CHECKING:
    from fastapi import FastAPI

    from industriverse.mcp_server.web import WebSettings

__all__ = ["McpParts", "create_mcp_server", "create_web_application", "mcp_parts"]

INSTRUCTIONS = (
    "Thermodynamic security of telemetry streams. Energies are in kT and entropies in nats of each stream's "
    "learned reference. Start with platform_status; shield_threats lists tickets, shield_explain says why, "
    "shield_plan proposes a response and agent_run carries one out, asking a person first. "
    "Plants served by sim_run are simulations."
)

CACHE_HINTS: dict[Any, CacheHint] = {
    "tools/list": CacheHint(ttl_ms=60_000, scope="private"),
    "prompts/list": CacheHint(ttl_ms=60_000, scope="private"),
    "resources/list": CacheHint(ttl_ms=60_000, scope="private"),
    "resources/templates/list": CacheHint(ttl_ms=60_000, scope="private"),
}


@dataclass(frozen=True, slots=True)
class McpParts:
    """One MCP server and what is served beside its tools."""

    server: MCPServer[Any]
    tasks: Tasks
    subscriptions: Subscriptions
    guard: ResponseGuard
    direct: DirectCalls
    sessions: KnownSessions
    shown: Surface


def mcp_parts(
    platform: Platform,
    *,
    surface: Surface | None = None,
    caller: CurrentCaller = local_caller,
    extend: Callable[[McpParts], None] | None = None,
) -> McpParts:
    """An MCP server over a platform, with its parts.

    Args:
        platform: Stores and services; the caller closes it.
        surface: Tools to show; None for the default tools.
        caller: Returns the caller of the request being served.
        extend: Registers more on the server before it is used.
    """
    shown = surface or Surface(read_only=platform.read_only)
    operations = registry.select(toolsets=frozenset({"all"}), read_only=platform.read_only)
    tasks = Tasks(
        {declared.name: "optional" for declared in operations if declared.task},
        TaskStore(platform.home.paths.tasks),
        caller,
    )
    bus, guard = TenantBus(caller), ResponseGuard()
    subscriptions = Subscriptions(platform, bus, caller)
    direct, prompt_check = DirectCalls(platform, operations, caller, guard), PromptCheck()
    sessions = KnownSessions()
    server: MCPServer[Any] = MCPServer(
        "industriverse",
        title="Industriverse",
        version=platform_version(),
        instructions=INSTRUCTIONS,
        icons=[icon_of("eil")],
        log_level="WARNING",
        request_state_security=RequestStateSecurity(keys=[platform.home.secret()]),
        subscriptions=bus,
        extensions=[tasks],
        middleware=[follow_trace, sessions, SurfaceFilter(shown, caller), prompt_check, direct],
        cache_hints=CACHE_HINTS,
    )
    direct.bind(server)
    prompt_check.bind(server)

    async def call_again(name: str, arguments: dict[str, Any], ctx: ServerRequestContext[Any, Any]) -> Any:
        return await server.call_tool(name, arguments, Context(request_context=ctx, mcp_server=server))

    tasks.calls_again(call_again)
    add_operations(server, platform, operations, principal=caller, guard=guard)
    add_resources(server, platform, principal=caller, guard=guard)
    add_agent_resources(server, platform)
    add_prompts(server)
    add_completions(server, platform, principal=caller)
    add_log_level(server)
    subscriptions.add_to(server)
    parts = McpParts(server, tasks, subscriptions, guard, direct, sessions, shown)
    if extend is not None:
        extend(parts)
    return parts


def create_mcp_server(
    platform: Platform, *, surface: Surface | None = None, toolsets: frozenset[str] | None = None
) -> MCPServer[Any]:
    """An MCP server for the person who started this process.

    Args:
        platform: Stores and services; the caller closes it.
        surface: Tools to show; None for the default tools.
        toolsets: Short for a surface of these toolsets.
    """
    chosen = surface or Surface(toolsets, read_only=platform.read_only)
    return mcp_parts(platform, surface=chosen).server


def create_web_application(
    platform: Platform,
    *,
    surface: Surface | None = None,
    toolsets: frozenset[str] | None = None,
    settings: "WebSettings | None" = None,
    extend: Callable[[McpParts], None] | None = None,
) -> "FastAPI":
    """MCP at ``/mcp``, REST at ``/v1``, events at ``/v1/stream`` and ``/v1/live``, health and metrics.

    Requests whose Host is not among the names of the server are refused, so a web page cannot rebind a name to
    reach it.

    Args:
        platform: Stores and services; the caller closes it.
        surface: Tools that MCP clients see; None for the default tools. REST has every operation.
        toolsets: Short for a surface of these toolsets.
        settings: How the server is reached and by whom; None for the loopback interface without authentication.
        extend: Registers more on the MCP server before it is used.
    """
    # A server on standard input and output answers sooner without the web framework.
    from industriverse.mcp_server.web import build_web_application

    chosen = surface or Surface(toolsets, read_only=platform.read_only)
    return build_web_application(platform, surface=chosen, settings=settings, extend=extend)
