"""The MCP server and the web application around one platform."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from mcp.server import MCPServer
from mcp.server.mcpserver import RequestStateSecurity

from industriverse.mcp_server.agent_resources import add_agent_resources
from industriverse.mcp_server.resources import add_resources
from industriverse.mcp_server.tools import add_operations
from industriverse.operations.context import LOCAL_OPERATOR, Principal
from industriverse.operations.platform import Platform
from industriverse.operations.registry import registry
from industriverse.operations.version import platform_version

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["LOOPBACK_NAMES", "create_mcp_server", "create_web_application"]

LOOPBACK_NAMES = ("127.0.0.1", "localhost")

INSTRUCTIONS = (
    "Thermodynamic security of telemetry streams. Energies are in kT and entropies in nats of each stream's "
    "learned reference. Start with platform_status; shield_threats lists tickets, shield_explain says why, "
    "shield_plan proposes a response and agent_run carries one out, asking a person first. "
    "Plants served by sim_run are simulations."
)


def _local_operator() -> Principal:
    return LOCAL_OPERATOR


def create_mcp_server(platform: Platform, *, toolsets: frozenset[str] | None = None) -> MCPServer[Any]:
    """An MCP server over a platform.

    Args:
        platform: Stores and services; the caller closes it.
        toolsets: Toolsets to show; None for the default surface, ``{"all"}`` for everything.
    """
    server: MCPServer[Any] = MCPServer(
        "industriverse",
        title="Industriverse",
        version=platform_version(),
        instructions=INSTRUCTIONS,
        log_level="WARNING",
        request_state_security=RequestStateSecurity(keys=[platform.home.secret()]),
    )
    operations = registry.select(toolsets=toolsets, read_only=platform.read_only)
    add_operations(server, platform, operations, principal=_local_operator)
    add_resources(server, platform, principal=_local_operator)
    add_agent_resources(server, platform, principal=_local_operator)
    return server


def create_web_application(platform: Platform, *, toolsets: frozenset[str] | None = None) -> "FastAPI":
    """MCP at ``/mcp``, REST at ``/v1``, ``/healthz`` and ``/metrics``, for the loopback interface only.

    Requests whose Host is not a loopback name are refused, so a web page cannot rebind a name to reach it.
    """
    # A server on standard input and output answers sooner without the web framework.
    from fastapi import FastAPI, Response
    from mcp.server.transport_security import TransportSecuritySettings
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from industriverse.mcp_server.origins import OriginGuard
    from industriverse.mcp_server.rest import add_problem_handlers, operation_router

    server = create_mcp_server(platform, toolsets=toolsets)
    hosts = [f"{name}:*" for name in LOOPBACK_NAMES]
    mcp_application = server.streamable_http_app(
        streamable_http_path="/mcp",
        transport_security=TransportSecuritySettings(
            allowed_hosts=hosts, allowed_origins=[f"http://{host}" for host in hosts]
        ),
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001
        async with server.session_manager.run():
            yield

    app = FastAPI(title="Industriverse Bridge API", version=platform_version(), lifespan=lifespan)
    app.add_middleware(OriginGuard, allowed_names=LOOPBACK_NAMES)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(LOOPBACK_NAMES), www_redirect=False)
    add_problem_handlers(app)
    surface = registry.select(toolsets=frozenset({"all"}), read_only=platform.read_only)
    app.include_router(operation_router(platform, surface, principal=_local_operator))

    @app.get("/healthz", tags=["operations"])
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metrics", tags=["operations"])
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    app.mount("/", mcp_application)
    return app
