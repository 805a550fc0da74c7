"""Prices as they change: ``GET /v1/economy/prices/stream`` by server-sent events."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Query
from sse_starlette import EventSourceResponse, ServerSentEvent

from industriverse.mcp_server.callers import CurrentCaller
from industriverse.mcp_server.leases import Lease, Leases
from industriverse.mcp_server.shutdown import Shutdown
from industriverse.mcp_server.streaming import LAST_WORD_S
from industriverse.operations.books import PoolName
from industriverse.operations.platform import Platform
from industriverse.operations.policy import authorise
from industriverse.operations.pricing import prices
from industriverse.operations.registry import registry

__all__ = ["price_router"]

PING_S = 15
SEND_TIMEOUT_S = 10
EVENT_SCHEMA = {
    "type": "object",
    "properties": {
        "event": {"type": "string"},
        "data": {"type": "string", "description": "Reserves and prices of the pool, JSON"},
        "retry": {"type": "integer", "description": "Milliseconds to wait before connecting again"},
    },
}


def price_router(
    platform: Platform, *, principal: CurrentCaller, shutdown: Shutdown, leases: Leases
) -> APIRouter:
    """The route of prices."""
    router = APIRouter(prefix="/v1/economy")

    @router.get(
        "/prices/stream",
        tags=["events"],
        operation_id="stream_prices",
        summary="Prices of a pool as they change",
        response_class=EventSourceResponse,
        responses={200: {"content": {"text/event-stream": {"schema": EVENT_SCHEMA}}}},
    )
    async def stream(
        pool: Annotated[PoolName, Query(description="Pool to follow")] = "CEU-PFT",
    ) -> EventSourceResponse:
        """Reserves and price of a pool, once now and after every trade."""
        caller = principal()
        own = platform.of_tenant(caller.tenant)
        authorise(own, registry["economy_read"], caller)
        return EventSourceResponse(
            _events(own, pool, shutdown, leases.taken()),
            ping=PING_S,
            send_timeout=SEND_TIMEOUT_S,
            shutdown_grace_period=LAST_WORD_S,
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    return router


async def _events(
    platform: Platform, pool: PoolName, shutdown: Shutdown, lease: Lease
) -> AsyncIterator[ServerSentEvent]:
    async with aclosing(prices(platform, pool, ended=lambda: shutdown.begun or not lease())) as found:
        async for item in found:
            yield ServerSentEvent(item.model_dump_json(), event="price", retry=1000)
