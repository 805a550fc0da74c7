"""Requests to be told of changes: ``subscriptions/listen`` (2026-07-28), ``resources/subscribe`` (before it)."""

from typing import Any

from mcp.server import MCPServer
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    EmptyResult,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from industriverse.mcp_server.callers import CurrentCaller
from industriverse.mcp_server.legacy import URIS_PER_SESSION, LegacySubscriptions, session_of
from industriverse.mcp_server.notifying import THREATS, ResourceWatch, TenantBus, regime_uri
from industriverse.operations.platform import Platform

__all__ = ["Subscriptions"]

SCOPE = "read"


class Subscriptions:
    """Serves subscriptions of both eras; a caller hears of its own tenant's resources alone.

    Args:
        platform: The installation's own.
        bus: What listeners of 2026-07-28 hear.
        caller: Returns the caller of the request being served.
    """

    def __init__(self, platform: Platform, bus: TenantBus, caller: CurrentCaller) -> None:
        self._caller = caller
        self._legacy = LegacySubscriptions()
        self._watch = ResourceWatch(platform, bus, self._legacy)
        self._listen = ListenHandler(bus)
        self._server: MCPServer[Any] | None = None

    def add_to(self, server: MCPServer[Any]) -> None:
        """Serve the requests of both eras."""
        self._server = server
        lowlevel = server._lowlevel_server
        lowlevel.add_request_handler("resources/subscribe", SubscribeRequestParams, self._subscribe)
        lowlevel.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, self._unsubscribe)
        lowlevel.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, self._listened)

    def end(self) -> None:
        """End every stream with its last word."""
        self._listen.close()

    async def stop(self) -> None:
        """End every stream, and watch nothing any more."""
        self.end()
        await self._watch.stop()

    async def _followed(self) -> str:
        caller = self._caller()
        if not caller.holds(SCOPE):
            raise MCPError(
                code=INVALID_REQUEST, message=f"subscribing needs a token with the scope {SCOPE!r}"
            )
        await self._watch.follow(caller.tenant)
        return caller.tenant

    async def _tells_of(self, uri: str) -> bool:
        """Whether changes of a resource are ever told."""
        if uri.startswith(regime_uri("")) and uri != regime_uri(""):
            return True
        listed = [] if self._server is None else await self._server.list_resources()
        return uri in {str(resource.uri) for resource in listed}

    async def _subscribe(
        self, ctx: ServerRequestContext[Any, Any], params: SubscribeRequestParams
    ) -> EmptyResult:
        tenant = await self._followed()
        if not await self._tells_of(str(params.uri)):
            raise MCPError(
                code=INVALID_PARAMS,
                message=f"no changes of this resource are told; follow {THREATS} or {regime_uri('{stream}')}",
            )
        if not self._legacy.add(session_of(ctx), tenant, str(params.uri)):
            raise MCPError(
                code=INVALID_REQUEST,
                message=f"a session may follow {URIS_PER_SESSION} resources; unsubscribe from one first",
            )
        return EmptyResult()

    async def _unsubscribe(
        self, ctx: ServerRequestContext[Any, Any], params: UnsubscribeRequestParams
    ) -> EmptyResult:
        self._legacy.remove(session_of(ctx), str(params.uri))
        return EmptyResult()

    async def _listened(
        self, ctx: ServerRequestContext[Any, Any], params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        await self._followed()
        asked = params.notifications
        # What is acknowledged is what will be told.
        told = [uri for uri in asked.resource_subscriptions or () if await self._tells_of(str(uri))]
        heard = asked.model_copy(update={"resource_subscriptions": told or None})
        return await self._listen(ctx, params.model_copy(update={"notifications": heard}))
