"""Tells whoever listens in this process that an operation changed something."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Changes"]


class Changes:
    """Wakes listeners; what changed they look up themselves, so that a slow one misses nothing."""

    def __init__(self) -> None:
        self._listeners: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self.count = 0

    def tell(self) -> None:
        """Wake every listener; from any thread."""
        self.count += 1
        for event, loop in tuple(self._listeners.items()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """An event that is set at every change until the block ends; clear it before looking things up."""
        event = asyncio.Event()
        self._listeners[event] = asyncio.get_running_loop()
        try:
            yield event
        finally:
            del self._listeners[event]
