"""The web application: MCP, REST, events, health and metrics behind one chain of guards."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fastapi import FastAPI
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyHttpUrl
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.routing import BaseRoute, Route

from industriverse.mcp_server.addressing import Addresses
from industriverse.mcp_server.app import McpParts, mcp_parts
from industriverse.mcp_server.authentication import (
    JwtVerifier,
    OAuthSettings,
    StaticVerifier,
    VerifierChain,
    known_scopes,
)
from industriverse.mcp_server.callers import CurrentCaller, local_caller, token_caller
from industriverse.mcp_server.edge import Edge, Limits
from industriverse.mcp_server.errors import AuthenticationSettingsError
from industriverse.mcp_server.gate import ScopeGate
from industriverse.mcp_server.health import health_router
from industriverse.mcp_server.idempotency import IdempotencyKeys
from industriverse.mcp_server.leases import Leases
from industriverse.mcp_server.live import live_router
from industriverse.mcp_server.overview import add_overview
from industriverse.mcp_server.prices import price_router
from industriverse.mcp_server.quick import QuickCalls
from industriverse.mcp_server.replay import RecentEvents
from industriverse.mcp_server.rest import add_operation_routes, add_problem_handlers, describe_problems
from industriverse.mcp_server.shutdown import Shutdown
from industriverse.mcp_server.streaming import stream_router
from industriverse.mcp_server.surface import Surface
from industriverse.operations.platform import Platform
from industriverse.operations.registry import registry
from industriverse.operations.tokens import TokenStore
from industriverse.operations.version import platform_version

__all__ = ["LOOPBACK_NAMES", "WebSettings", "build_web_application", "names_of"]

LOOPBACK_NAMES = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True)
class WebSettings:
    """How a server is reached, and by whom.

    Attributes:
        names: Host names that requests may be addressed to, and that pages may come from.
        tokens: Ask for a bearer token; without, the server must be on the loopback interface alone.
        oauth: Also take JWTs of this authorization server.
        limits: How large and how slow requests may be.
        stateless: Keep no sessions of the handshake era, so that several processes may stand behind one name.
    """

    names: tuple[str, ...] = LOOPBACK_NAMES
    tokens: bool = False
    oauth: OAuthSettings | None = None
    limits: Limits = field(default_factory=Limits)
    stateless: bool = False

    def __post_init__(self) -> None:
        if not self.asks and not set(self.names) <= set(LOOPBACK_NAMES):
            raise AuthenticationSettingsError(
                "a server without authentication is reached on the loopback interface alone",
                hint="add --auth token, or --auth oauth with --issuer, --resource and --jwks",
            )

    @property
    def asks(self) -> bool:
        """Whether callers must show who they are."""
        return self.tokens or self.oauth is not None


def build_web_application(
    platform: Platform,
    *,
    surface: Surface,
    settings: WebSettings | None = None,
    extend: Callable[[McpParts], None] | None = None,
) -> FastAPI:
    """See :func:`industriverse.mcp_server.app.create_web_application`."""
    chosen = settings or WebSettings()
    caller: CurrentCaller = token_caller if chosen.asks else local_caller
    parts = mcp_parts(platform, surface=surface, caller=caller, extend=extend)
    shutdown = Shutdown()
    routes = _mcp_routes(parts, chosen)
    app = FastAPI(
        title="Industriverse Bridge API",
        version=platform_version(),
        lifespan=_lifespan(parts, shutdown),
        docs_url=None,
        redoc_url=None,
    )
    app.state.shutdown = shutdown
    add_problem_handlers(app, platform.clock)
    tokens = TokenStore(platform.home.paths.tokens) if chosen.asks else None
    _add_routes(app, platform, caller, shutdown, Leases(tokens, platform.clock))
    describe_problems(app)
    add_overview(app)
    if chosen.oauth is not None:
        app.router.routes.extend(
            create_protected_resource_routes(
                resource_url=AnyHttpUrl(chosen.oauth.resource),
                authorization_servers=[AnyHttpUrl(chosen.oauth.issuer)],
                scopes_supported=sorted(known_scopes()),
            )
        )
    # First of all routes: looking through those of REST would cost every MCP request a tenth of its time.
    app.router.routes[:0] = routes
    _add_guards(app, platform, chosen, tokens)
    return app


def _mcp_routes(parts: McpParts, settings: WebSettings) -> list[BaseRoute]:
    """The routes of MCP, with what answers the quick calls among its requests before them."""
    hosts = [host for name in settings.names for host in (name, f"{name}:*")]
    origins = [f"{scheme}://{host}" for host in hosts for scheme in ("http", "https")]
    security = TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=origins)
    served = parts.server.streamable_http_app(
        streamable_http_path="/mcp",
        event_store=None if settings.stateless else RecentEvents(),
        retry_interval=500,
        stateless_http=settings.stateless,
        transport_security=security,
    )
    route = next(route for route in served.routes if isinstance(route, Route) and route.path == "/mcp")
    manager, shown = parts.server.session_manager, parts.shown.names()
    route.app = QuickCalls(
        route.app, manager, parts.sessions, parts.direct, (registry[name] for name in sorted(shown))
    )
    return served.routes


def _add_routes(
    app: FastAPI, platform: Platform, caller: CurrentCaller, shutdown: Shutdown, leases: Leases
) -> None:
    keys = IdempotencyKeys(platform.home.paths.requests)
    shown = registry.select(toolsets=frozenset({"all"}), read_only=platform.read_only)
    add_operation_routes(app.router, platform, shown, principal=caller, keys=keys)
    app.include_router(stream_router(platform, principal=caller, shutdown=shutdown, leases=leases))
    app.include_router(price_router(platform, principal=caller, shutdown=shutdown, leases=leases))
    app.include_router(live_router(platform, principal=caller, shutdown=shutdown, leases=leases))
    app.include_router(health_router(platform, shutdown))


def _add_guards(app: FastAPI, platform: Platform, settings: WebSettings, tokens: TokenStore | None) -> None:
    """The chain, innermost first: what comes last is asked first."""
    if tokens is not None:
        resource = None if settings.oauth is None else settings.oauth.resource
        metadata = None if resource is None else str(build_resource_metadata_url(AnyHttpUrl(resource)))
        static = StaticVerifier(tokens, platform.clock, resource)
        oauth = None if settings.oauth is None else JwtVerifier(settings.oauth)
        verifier = VerifierChain(static, oauth)
        app.add_middleware(ScopeGate, metadata_url=metadata)
        app.add_middleware(AuthContextMiddleware)
        app.add_middleware(
            AuthenticationMiddleware,
            backend=BearerAuthBackend(
                verifier, resource_server_url=None if resource is None else AnyHttpUrl(resource)
            ),
        )
    app.add_middleware(
        Edge,
        addresses=Addresses(settings.names),
        limits=settings.limits,
        looks_into=lambda path: path.startswith("/v1/"),
    )


def _lifespan(parts: McpParts, shutdown: Shutdown) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:  # noqa: ARG001
        gc.collect()
        loop = asyncio.get_running_loop()
        # Those who only listen would hold up the end until they are cut off.
        shutdown.when_begun(lambda: loop.call_soon_threadsafe(parts.subscriptions.end))
        gc.freeze()  # what lives as long as the server need not be walked in the middle of requests
        async with parts.server.session_manager.run():
            yield
            await shutdown.finish(parts.tasks.park)
            await parts.subscriptions.stop()
        gc.unfreeze()

    return lifespan


def names_of(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """Host names of public addresses, beside those of the loopback interface."""
    named = [urlsplit(address).hostname or address for address in addresses]
    return tuple(dict.fromkeys([*LOOPBACK_NAMES, *named]))
