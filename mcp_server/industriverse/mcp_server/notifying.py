"""Tells subscribers when a resource that they follow has changed, on both eras of the protocol, tenant by tenant."""

import asyncio
import contextvars
import hashlib
import json
import logging
from collections.abc import Callable

from mcp.server.subscriptions import InMemorySubscriptionBus, ResourceUpdated, ServerEvent
from prometheus_client import Counter

from industriverse.mcp_server.callers import CurrentCaller
from industriverse.mcp_server.legacy import LegacySubscriptions
from industriverse.operations.platform import Platform
from industriverse.operations.services import Services

__all__ = ["THREATS", "ResourceWatch", "TenantBus", "regime_uri"]

logger = logging.getLogger(__name__)

THREATS = "shield://threats/active"
PAUSE_S = 0.1
"""Many changes in a row are told once."""

_TOLD = Counter("industriverse_mcp_resource_updates", "Changes of resources that subscribers were told of")


def regime_uri(stream: str) -> str:
    """The resource of a stream's state."""
    return f"eil://regime/{stream}"


def _fingerprints(services: Services) -> dict[str, str]:
    """A short text for each resource that changes when the resource does."""
    shown = [
        (incident.id, incident.closed_ns, len(incident.tickets))
        for incident in services.shield.incidents(open_only=True)
    ]
    prints = {THREATS: hashlib.sha256(json.dumps(shown).encode()).hexdigest()}
    for name in services.streams.store.names():
        live = services.streams.live(name)
        readings = None if live is None else live.readings
        if readings is not None and len(readings):
            prints[regime_uri(name)] = f"{int(readings.timestamps_ns[-1])}"
    return prints


class TenantBus:
    """Events of each tenant's stores, which callers of that tenant alone can hear.

    Args:
        caller: Returns the caller of the request being served.
    """

    def __init__(self, caller: CurrentCaller) -> None:
        self._caller = caller
        self._buses: dict[str, InMemorySubscriptionBus] = {}
        self._listeners: dict[str, int] = {}

    async def publish(self, event: ServerEvent) -> None:
        """Deliver an event to the tenant of the caller who is being served."""
        await self.publish_to(self._caller().tenant, event)

    async def publish_to(self, tenant: str, event: ServerEvent) -> None:
        """Deliver an event to the listeners of a tenant."""
        bus = self._buses.get(tenant)
        if bus is not None:
            await bus.publish(event)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Register a listener of the caller's tenant; returns what takes it away again."""
        tenant = self._caller().tenant
        leave = self._buses.setdefault(tenant, InMemorySubscriptionBus()).subscribe(listener)
        self._listeners[tenant] = self._listeners.get(tenant, 0) + 1
        left = False

        def unsubscribe() -> None:
            nonlocal left
            if left:
                return
            left = True
            leave()
            self._listeners[tenant] -= 1
            if not self._listeners[tenant]:
                del self._listeners[tenant], self._buses[tenant]

        return unsubscribe

    def is_heard(self, tenant: str) -> bool:
        """Whether anybody listens to a tenant's events."""
        return tenant in self._listeners


class ResourceWatch:
    """Looks after every change of a tenant's stores what of it subscribers can see, while there are subscribers.

    Args:
        platform: The installation's own; it opens those of its tenants.
        bus: How listeners of 2026-07-28 are told.
        legacy: How sessions of the handshake era are told.
    """

    def __init__(self, platform: Platform, bus: TenantBus, legacy: LegacySubscriptions) -> None:
        self._platform = platform
        self._bus = bus
        self._legacy = legacy
        self._watches: dict[str, tuple[asyncio.Task[None], asyncio.Event]] = {}

    async def follow(self, tenant: str) -> None:
        """Watch a tenant's stores from now on; what changes after this has returned is told."""
        known = self._watches.get(tenant)
        if known is None or known[0].done():
            begun = asyncio.Event()
            # Whoever subscribes first lends the watch neither token nor trace.
            task = asyncio.create_task(self._watch(tenant, begun), context=contextvars.Context())
            self._watches[tenant] = known = (task, begun)
        task, begun = known
        waiting = asyncio.ensure_future(begun.wait())
        try:
            await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if task.done():
            task.result()

    async def stop(self) -> None:
        """Watch nothing any more."""
        tasks = [task for task, _ in self._watches.values()]
        self._watches.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, tenant: str, begun: asyncio.Event) -> None:
        own = self._platform.of_tenant(tenant)
        with own.changed.listening() as changed:
            known = await own.run(_fingerprints, own.services)
            begun.set()
            while True:
                await changed.wait()
                changed.clear()
                if not self._bus.is_heard(tenant) and not self._legacy.is_heard(tenant):
                    return
                try:
                    now = await own.run(_fingerprints, own.services)
                except Exception:
                    # Subscribers hear of the next change; a watch that died would leave them waiting for ever.
                    logger.exception("could not look at what changed")
                    continue
                for uri in [uri for uri, text in now.items() if known.get(uri) != text]:
                    await self._bus.publish_to(tenant, ResourceUpdated(uri))
                    await self._legacy.tell(tenant, uri)
                    _TOLD.inc()
                known = now
                await asyncio.sleep(PAUSE_S)
