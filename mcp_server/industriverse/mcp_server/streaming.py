"""Events as they happen: ``GET /v1/stream`` by server-sent events, with ids from which a client can go on."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Header, Query
from prometheus_client import Counter, Gauge
from sse_starlette import EventSourceResponse, ServerSentEvent

from industriverse.mcp_server.callers import CurrentCaller
from industriverse.mcp_server.leases import Lease, Leases
from industriverse.mcp_server.shutdown import Shutdown
from industriverse.operations.following import Happening, Position, happened_since, position_now
from industriverse.operations.platform import Platform
from industriverse.operations.policy import authorise
from industriverse.operations.registry import registry

__all__ = ["LAST_WORD_S", "followed", "stream_router"]

LOOK_AGAIN_S = 2.0
"""Another process may write to the stores only through this one, so this is for clocks and late work alone."""

PING_S = 15
SEND_TIMEOUT_S = 10
LAST_WORD_S = 5.0
"""How long an event stream has to end by itself when the server stops."""

_OPEN = Gauge("industriverse_sse_connections", "Open event streams")
_EVENTS = Counter("industriverse_sse_events", "Events sent", ["kind"])
_RESUMED = Counter("industriverse_sse_resumed", "Event streams that a client went on with")


async def followed(
    platform: Platform, streams: Sequence[str], position: Position, shutdown: Shutdown, lease: Lease
) -> AsyncIterator[Happening]:
    """What happens on streams from a position on, until the server stops or the token opens nothing any more."""
    with platform.changed.listening() as changed:
        while not shutdown.begun and lease():
            changed.clear()
            happened = await platform.run(happened_since, platform.services, streams, position)
            for happening in happened:
                position = happening.after
                yield happening
            if happened:
                continue
            try:
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await changed.wait()
            except TimeoutError:
                continue


def stream_router(
    platform: Platform, *, principal: CurrentCaller, shutdown: Shutdown, leases: Leases
) -> APIRouter:
    """The route of events."""
    router = APIRouter(prefix="/v1")

    @router.get(
        "/stream",
        tags=["events"],
        operation_id="stream_events",
        summary="Events as they happen",
        response_class=EventSourceResponse,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    )
    async def stream(
        stream: Annotated[
            list[Annotated[str, Query(max_length=80)]] | None,
            Query(description="Streams to follow; all if none is named", max_length=50),
        ] = None,
        last_event_id: Annotated[
            str | None, Header(description="Id of the last event heard; from now on if absent")
        ] = None,
    ) -> EventSourceResponse:
        """Readings and incidents as server-sent events; send Last-Event-ID to go on where a connection broke."""
        caller = principal()
        own = platform.of_tenant(caller.tenant)
        authorise(own, registry["eil_regime"], caller)
        streams = tuple(stream or ())
        if last_event_id:
            position = Position.of(last_event_id)
            _RESUMED.inc()
            # A stream that does not exist is told before the connection is taken.
            await own.run(happened_since, own.services, streams, position)
        else:
            position = await own.run(position_now, own.services, streams)
        return EventSourceResponse(
            _events(own, streams, position, shutdown, leases.taken()),
            ping=PING_S,
            send_timeout=SEND_TIMEOUT_S,
            shutdown_grace_period=LAST_WORD_S,
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    return router


async def _events(
    platform: Platform, streams: Sequence[str], position: Position, shutdown: Shutdown, lease: Lease
) -> AsyncIterator[ServerSentEvent]:
    _OPEN.inc()
    try:
        async for happening in followed(platform, streams, position, shutdown, lease):
            _EVENTS.labels(happening.kind).inc()
            yield ServerSentEvent(
                json.dumps(happening.data), event=happening.kind, id=happening.after.text(), retry=1000
            )
    finally:
        _OPEN.dec()
