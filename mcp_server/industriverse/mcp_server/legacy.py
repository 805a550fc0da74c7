"""What clients of the handshake era ask for by requests of its own: subscriptions to resources and a log level."""

import logging
from typing import Any
from weakref import WeakKeyDictionary

from mcp.server import MCPServer
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.types import EmptyResult, SetLevelRequestParams
from prometheus_client import Gauge

__all__ = ["LegacySubscriptions", "add_log_level", "session_of"]

logger = logging.getLogger(__name__)

URIS_PER_SESSION = 100

_SUBSCRIBED = Gauge(
    "industriverse_mcp_legacy_subscriptions", "Resource subscriptions of handshake-era sessions"
)


class LegacySubscriptions:
    """Which session of which tenant wants to hear of which resource; forgotten with the session."""

    def __init__(self) -> None:
        self._uris: WeakKeyDictionary[Any, tuple[str, set[str]]] = WeakKeyDictionary()

    def add(self, session: Any, tenant: str, uri: str) -> bool:
        """Remember a subscription; False if the session has URIS_PER_SESSION of them already."""
        owner, uris = self._uris.setdefault(session, (tenant, set()))
        if owner != tenant or (uri not in uris and len(uris) >= URIS_PER_SESSION):
            return False
        uris.add(uri)
        self._count()
        return True

    def remove(self, session: Any, uri: str) -> None:
        """Forget a subscription."""
        _, uris = self._uris.get(session, ("", set()))
        uris.discard(uri)
        self._count()

    def is_heard(self, tenant: str) -> bool:
        """Whether a session of a tenant subscribed to anything."""
        return any(owner == tenant and uris for owner, uris in self._uris.values())

    async def tell(self, tenant: str, uri: str) -> None:
        """Tell every session of a tenant that subscribed to a resource that it changed."""
        for session, (owner, uris) in tuple(self._uris.items()):
            if owner != tenant or uri not in uris:
                continue
            try:
                await session.send_resource_updated(uri)
            except Exception:
                # A client that went away without a word must not keep the others from hearing.
                logger.info("a session could not be told of a change and is forgotten")
                self._uris.pop(session, None)

    def _count(self) -> None:
        _SUBSCRIBED.set(sum(len(uris) for _, uris in self._uris.values()))


def session_of(ctx: ServerRequestContext[Any, Any]) -> Connection:
    """What lives as long as the client's session: the object that every request makes anew does not."""
    connection: Connection = ctx.session._connection
    return connection


def add_log_level(server: MCPServer[Any]) -> None:
    """Serve ``logging/setLevel``."""

    async def set_level(ctx: ServerRequestContext[Any, Any], params: SetLevelRequestParams) -> EmptyResult:  # noqa: ARG001
        # This server reports progress, not logs, to its clients; the level is accepted and changes nothing.
        return EmptyResult()

    server._lowlevel_server.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)
