"""What clients of the handshake era ask for by requests of its own: subscriptions to resources and a log level."""

import logging
from typing import Any
from weakref import WeakKeyDictionary

from mcp.server import MCPServer
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.types import EmptyResult, SetLevelRequestParams, SubscribeRequestParams, UnsubscribeRequestParams
from prometheus_client import Gauge

__all__ = ["LegacySubscriptions", "add_legacy_requests"]

logger = logging.getLogger(__name__)

URIS_PER_SESSION = 100

_SUBSCRIBED = Gauge(
    "industriverse_mcp_legacy_subscriptions", "Resource subscriptions of handshake-era sessions"
)


class LegacySubscriptions:
    """Which session wants to hear of which resource; forgotten with the session."""

    def __init__(self) -> None:
        self._uris: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()

    def add(self, session: Any, uri: str) -> None:
        """Remember a subscription; a session has at most URIS_PER_SESSION."""
        uris = self._uris.setdefault(session, set())
        if len(uris) < URIS_PER_SESSION:
            uris.add(uri)
        _SUBSCRIBED.set(sum(len(known) for known in self._uris.values()))

    def remove(self, session: Any, uri: str) -> None:
        """Forget a subscription."""
        self._uris.get(session, set()).discard(uri)
        _SUBSCRIBED.set(sum(len(known) for known in self._uris.values()))

    def uris(self) -> frozenset[str]:
        """Resources that anybody subscribed to."""
        return frozenset[str]().union(*self._uris.values())

    async def tell(self, uri: str) -> None:
        """Tell every session that subscribed to a resource that it changed."""
        for session, uris in tuple(self._uris.items()):
            if uri not in uris:
                continue
            try:
                await session.send_resource_updated(uri)
            except Exception:
                # A client that went away without a word must not keep the others from hearing.
                logger.info("a session could not be told of %s and is forgotten", uri)
                self._uris.pop(session, None)


def _session_of(ctx: ServerRequestContext[Any, Any]) -> Connection:
    """What lives as long as the client's session: the object that every request makes anew does not."""
    connection: Connection = ctx.session._connection
    return connection


def add_legacy_requests(server: MCPServer[Any], subscriptions: LegacySubscriptions) -> None:
    """Serve ``resources/subscribe``, ``resources/unsubscribe`` and ``logging/setLevel``."""

    async def subscribe(ctx: ServerRequestContext[Any, Any], params: SubscribeRequestParams) -> EmptyResult:
        subscriptions.add(_session_of(ctx), str(params.uri))
        return EmptyResult()

    async def unsubscribe(
        ctx: ServerRequestContext[Any, Any], params: UnsubscribeRequestParams
    ) -> EmptyResult:
        subscriptions.remove(_session_of(ctx), str(params.uri))
        return EmptyResult()

    async def set_level(ctx: ServerRequestContext[Any, Any], params: SetLevelRequestParams) -> EmptyResult:  # noqa: ARG001
        # This server reports progress, not logs, to its clients; the level is accepted and changes nothing.
        return EmptyResult()

    lowlevel = server._lowlevel_server
    lowlevel.add_request_handler("resources/subscribe", SubscribeRequestParams, subscribe)
    lowlevel.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, unsubscribe)
    lowlevel.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)
