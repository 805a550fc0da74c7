"""A server that stops finishes what runs, tells its load balancer, and parks what takes longer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from prometheus_client import REGISTRY, Gauge

__all__ = ["Shutdown"]

logger = logging.getLogger(__name__)

_STOPPING = Gauge("industriverse_stopping", "1 while the server finishes its work before it stops")


class Shutdown:
    """Whether the server is stopping, and how it waits for its work.

    Args:
        grace_s: How long operations that run may take to end.
    """

    def __init__(self, grace_s: float = 20.0) -> None:
        self.begun = False
        self._hearing: list[Callable[[], object]] = []
        self._grace_s = grace_s

    def begin(self) -> None:
        """From now on the server is not ready for new work; for a signal handler too."""
        if self.begun:
            return
        self.begun = True
        _STOPPING.set(1)
        for hear in self._hearing:
            hear()

    def when_begun(self, hear: Callable[[], object]) -> None:
        """Have something called as soon as the server is told to stop."""
        self._hearing.append(hear)

    async def finish(self, park: Callable[[], Awaitable[None]]) -> None:
        """Park tasks, then wait for operations that still run."""
        self.begin()
        await park()
        deadline = asyncio.get_running_loop().time() + self._grace_s
        while _running_operations() and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)
        left = _running_operations()
        if left:
            logger.warning("%d operations did not end within %g s", left, self._grace_s)
        _STOPPING.set(0)


def _running_operations() -> int:
    total = 0.0
    for metric in REGISTRY.collect():
        if metric.name == "industriverse_operation_running":
            total += sum(sample.value for sample in metric.samples)
    return int(total)
