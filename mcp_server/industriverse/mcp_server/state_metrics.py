"""What the stores hold, as metrics; looked up when somebody asks for them."""

import shutil
import time
from pathlib import Path

from prometheus_client import Gauge

from industriverse.operations.home import paths_of
from industriverse.operations.platform import Platform
from industriverse.operations.services import Services
from industriverse.operations.tokens import TokenStore

__all__ = ["refresh_state"]

_STARTED = time.time()

_UPTIME = Gauge("industriverse_uptime_seconds", "Seconds since the process loaded the server")
_STREAMS = Gauge("industriverse_streams", "Telemetry streams")
_LEARNED = Gauge("industriverse_streams_learned", "Streams with a reference")
_ALARMED = Gauge("industriverse_streams_in_alarm", "Streams in alarm at their latest sample")
_SAMPLES = Gauge("industriverse_stream_samples", "Samples of all streams")
_OPEN_INCIDENTS = Gauge("industriverse_incidents_open", "Incidents that are open")
_INCIDENTS = Gauge("industriverse_incidents", "Incidents that were ever raised")
_PLANTS = Gauge("industriverse_simulated_plants", "Simulated plants")
_NODES = Gauge("industriverse_atlas_nodes", "Nodes of the Energy Atlas")
_TENANTS = Gauge("industriverse_tenants_open", "Tenants whose stores are open")
_TOKENS = Gauge("industriverse_tokens_good", "Static tokens that open something now")
_BYTES = Gauge("industriverse_home_bytes", "Bytes on disk", ["store"])
_FREE = Gauge("industriverse_home_free_bytes", "Bytes left on the disk of the home")


def _read(services: Services) -> None:
    names = services.streams.store.names()
    states = [services.streams.live(name) for name in names]
    readings = [live.readings for live in states if live is not None]
    incidents = services.shield.incidents()
    _STREAMS.set(len(names))
    _LEARNED.set(sum(live is not None for live in states))
    _ALARMED.set(sum(bool(found.alarm[-1]) for found in readings if found is not None and len(found)))
    _SAMPLES.set(sum(services.streams.store.count(name) for name in names))
    _OPEN_INCIDENTS.set(sum(incident.closed_ns is None for incident in incidents))
    _INCIDENTS.set(len(incidents))
    _PLANTS.set(len(list(services.plants.entries())))
    _NODES.set(sum(services.atlas.counts().nodes.values()))


def _bytes_of(path: Path) -> int:
    if path.is_dir():
        return sum(item.stat().st_size for item in path.rglob("*") if item.is_file())
    return sum(item.stat().st_size for item in path.parent.glob(f"{path.name}*") if item.is_file())


def _disk(folder: Path, now_ns: int) -> None:
    paths = paths_of(folder)
    stores = {
        "atlas": paths.atlas,
        "audit": paths.audit,
        "ledger": paths.ledger,
        "objects": paths.objects,
        "plants": paths.plants,
        "shield": paths.shield,
        "streams": paths.streams,
        "tasks": paths.tasks,
    }
    for name, path in stores.items():
        _BYTES.labels(name).set(_bytes_of(path))
    _FREE.set(shutil.disk_usage(folder).free)
    if paths.tokens.exists():
        tokens = TokenStore(paths.tokens)
        try:
            _TOKENS.set(sum(record.good(now_ns) for record in tokens.records()))
        finally:
            tokens.close()


async def refresh_state(platform: Platform) -> None:
    """Bring the metrics of the stores up to date; of the installation's own, not of its tenants."""
    _UPTIME.set(time.time() - _STARTED)
    _TENANTS.set(len(platform.tenants()) - 1)
    await platform.run(_read, platform.services)
    await platform.run(_disk, platform.home.paths.folder, platform.clock())
