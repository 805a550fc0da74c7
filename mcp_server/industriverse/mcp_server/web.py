"""The web application: MCP, REST, health and metrics behind one chain of guards."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Response
from mcp.server.transport_security import TransportSecuritySettings
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.middleware.trustedhost import TrustedHostMiddleware

from industriverse.mcp_server.app import McpParts, mcp_parts
from industriverse.mcp_server.callers import local_caller
from industriverse.mcp_server.origins import OriginGuard
from industriverse.mcp_server.replay import RecentEvents
from industriverse.mcp_server.rest import add_problem_handlers, operation_router
from industriverse.mcp_server.surface import Surface
from industriverse.operations.platform import Platform
from industriverse.operations.registry import registry
from industriverse.operations.version import platform_version

__all__ = ["LOOPBACK_NAMES", "build_web_application"]

LOOPBACK_NAMES = ("127.0.0.1", "localhost")


def build_web_application(
    platform: Platform, *, surface: Surface, extend: Callable[[McpParts], None] | None = None
) -> FastAPI:
    """See :func:`industriverse.mcp_server.app.create_web_application`."""
    parts = mcp_parts(platform, surface=surface, caller=local_caller, extend=extend)
    hosts = [f"{name}:*" for name in LOOPBACK_NAMES]
    mcp_application = parts.server.streamable_http_app(
        streamable_http_path="/mcp",
        event_store=RecentEvents(),
        retry_interval=500,
        transport_security=TransportSecuritySettings(
            allowed_hosts=hosts, allowed_origins=[f"http://{host}" for host in hosts]
        ),
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001
        async with parts.server.session_manager.run():
            yield
        await parts.tasks.park()

    app = FastAPI(title="Industriverse Bridge API", version=platform_version(), lifespan=lifespan)
    app.add_middleware(OriginGuard, allowed_names=LOOPBACK_NAMES)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(LOOPBACK_NAMES), www_redirect=False)
    add_problem_handlers(app)
    shown = registry.select(toolsets=frozenset({"all"}), read_only=platform.read_only)
    app.include_router(operation_router(platform, shown, principal=local_caller))

    @app.get("/healthz", tags=["operations"])
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metrics", tags=["operations"])
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    app.mount("/", mcp_application)
    return app
