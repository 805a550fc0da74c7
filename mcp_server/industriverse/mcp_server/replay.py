"""What was sent to clients of the handshake era lately, so that one that lost its connection can go on."""

from collections import OrderedDict
from itertools import count

from mcp.server.streamable_http import EventCallback, EventId, EventMessage, EventStore, StreamId
from mcp.types import JSONRPCMessage

__all__ = ["RecentEvents"]


class RecentEvents(EventStore):
    """Keeps the newest messages of all streams together; older ones cannot be replayed.

    Args:
        limit: Messages to keep.
    """

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._numbers = count(1)
        self._events: OrderedDict[int, tuple[StreamId, JSONRPCMessage | None]] = OrderedDict()

    async def store_event(self, stream_id: StreamId, message: JSONRPCMessage | None) -> EventId:
        """Keep a message and return its id; None marks the beginning of a stream."""
        number = next(self._numbers)
        self._events[number] = (stream_id, message)
        while len(self._events) > self._limit:
            self._events.popitem(last=False)
        return str(number)

    async def replay_events_after(
        self, last_event_id: EventId, send_callback: EventCallback
    ) -> StreamId | None:
        """Send what came after an event on the same stream; None if the event is not known any more."""
        known = int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() else 0
        if known not in self._events:
            return None
        stream = self._events[known][0]
        for number, (owner, message) in tuple(self._events.items()):
            if number > known and owner == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream
