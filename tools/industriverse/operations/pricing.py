"""Prices of the pools as they change."""

import asyncio
from collections.abc import AsyncGenerator, Callable

from industriverse.operations.books import PoolItem, PoolName, pool_of
from industriverse.operations.platform import Platform
from industriverse.operations.services import Services

__all__ = ["LOOK_AGAIN_S", "prices"]

LOOK_AGAIN_S = 2.0
"""Other programs may trade on the same ledger; those in this process are heard at once."""


async def prices(
    platform: Platform, pool: PoolName, *, ended: Callable[[], bool] = lambda: False
) -> AsyncGenerator[PoolItem, None]:
    """What a pool holds and its price: once now, then after every trade, until it is ended.

    Args:
        platform: Stores and services.
        pool: The pool to follow.
        ended: Asked every few seconds whether to stop.
    """
    told: tuple[str, str, str] | None = None

    def look(services: Services) -> PoolItem:
        return pool_of(services.ledger, pool, services.clock())

    with platform.changed.listening() as changed:
        while not ended():
            changed.clear()
            item = await platform.run(look, platform.services)
            held = (item.ceu, item.other, item.shares)
            if held != told:
                told = held
                yield item
            try:
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await changed.wait()
            except TimeoutError:
                continue
