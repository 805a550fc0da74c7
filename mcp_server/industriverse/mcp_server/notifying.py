"""Tells subscribers when a resource that they follow has changed, on both eras of the protocol."""

import asyncio
import hashlib
import json

from mcp.server.subscriptions import InMemorySubscriptionBus, ResourceUpdated
from prometheus_client import Counter

from industriverse.mcp_server.legacy import LegacySubscriptions
from industriverse.mcp_server.shutdown import Shutdown
from industriverse.operations.platform import Platform
from industriverse.operations.services import Services

__all__ = ["THREATS", "notify_changes", "regime_uri"]

THREATS = "shield://threats/active"
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


async def notify_changes(
    platform: Platform, bus: InMemorySubscriptionBus, legacy: LegacySubscriptions, shutdown: Shutdown
) -> None:
    """Look after every change what of it subscribers can see, until the server stops."""
    known = await platform.run(_fingerprints, platform.services)
    with platform.changed.listening() as changed:
        while not shutdown.begun:
            await changed.wait()
            changed.clear()
            now = await platform.run(_fingerprints, platform.services)
            for uri in [uri for uri, text in now.items() if known.get(uri) != text]:
                await bus.publish(ResourceUpdated(uri))
                await legacy.tell(uri)
                _TOLD.inc()
            known = now
            # Many changes in a row are told once.
            await asyncio.sleep(0.1)
