"""Flows as a process: time bins of one entity, or of all, become the channels of a frame.

Channels of a bin, following Lakhina, Crovella & Diot (2005): log counts of flows, bytes and packets; entropies
of source and destination address and port, of flag and of service, by sketches in fixed memory; the mean
conditional surprise ``-ln p(flag | service)`` under the flows binned before; and as temperature the index of
dispersion of the counts in the tenths of the bin, 1 for a Poisson stream. The frame is read by
:class:`industriverse.eil.Detector` like that of any plant.
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from industriverse.eil.events.backoff import BackoffCounts, Context
from industriverse.eil.events.errors import EventFitError
from industriverse.eil.events.sketch import EntropySketch
from industriverse.signals import NANOSECONDS_PER_SECOND, Channel, Frame
from industriverse.signals.events import Event

__all__ = ["ENTROPY_FIELDS", "FLOW_CHANNELS", "FlowBins", "flow_frame"]

ENTROPY_FIELDS = ("src", "dst", "src_port", "dst_port", "flag", "service")
FLOW_CHANNELS = (
    "log_flows", "log_bytes", "log_packets",
    *(f"entropy_{name}" for name in ENTROPY_FIELDS),
    "flag_surprise", "temperature",
)  # fmt: skip
PARTS = 10
MAXIMUM_BINS = 1_000_000


class FlowBins:
    """Bins flows one by one in fixed memory: 48 KiB of sketches, and the counts of flags by service.

    Args:
        bin_s: Width of a bin, seconds.
        surprise: Counts of flags by service to judge by, such as those of the clean flows.
        learn: Whether each flow is learnt after it was judged; false keeps an attacker from teaching.
        seed: Seed of the sketches.

    Raises:
        EventFitError: If the width is not positive.
    """

    def __init__(
        self, bin_s: float, *, surprise: BackoffCounts | None = None, learn: bool = True, seed: int = 0
    ) -> None:
        if not math.isfinite(bin_s) or bin_s <= 0.0:
            raise EventFitError(f"bin_s is {bin_s}", hint="give a positive width in seconds")
        self.bin_ns = max(round(bin_s * NANOSECONDS_PER_SECOND), PARTS)
        if surprise is None:
            surprise = BackoffCounts(maximum_contexts=4096, maximum_symbols=256)
        self.surprise = surprise
        self._learn = learn
        self._sketches = {name: EntropySketch(seed=seed + index) for index, name in enumerate(ENTROPY_FIELDS)}
        self._start_ns: int | None = None
        self._clear()

    def _clear(self) -> None:
        self._parts = [0] * PARTS
        self._bytes = self._packets = self._surprise = 0.0
        for sketch in self._sketches.values():
            sketch.clear()

    def add(self, event: Event) -> Iterator[tuple[int, list[float]]]:
        """Count a flow; yields ``(start_ns, channels)`` of each bin that this ends, empty ones included.

        A flow older than the bin in hand is counted in it.

        Raises:
            EventFitError: If a gap would make more than a million empty bins.
        """
        start_ns = event.timestamp_ns // self.bin_ns * self.bin_ns
        if self._start_ns is None:
            self._start_ns = start_ns
        if (start_ns - self._start_ns) // self.bin_ns > MAXIMUM_BINS:
            raise EventFitError(
                f"a gap of {(start_ns - self._start_ns) / NANOSECONDS_PER_SECOND:.0f} s between flows",
                hint="split the events at the gap or widen bin_s",
            )
        while start_ns > self._start_ns:
            yield self.close()
        place_ns = max(event.timestamp_ns - self._start_ns, 0)
        self._parts[min(place_ns * PARTS // self.bin_ns, PARTS - 1)] += 1
        self._bytes += _number(event, "src_bytes") + _number(event, "dst_bytes")
        self._packets += _number(event, "src_packets") + _number(event, "dst_packets")
        for name, sketch in self._sketches.items():
            if name in event.fields:
                sketch.add(event.fields[name])
        contexts: list[Context] = [(), (str(event.fields.get("service", "-")),)]
        flag = str(event.fields.get("flag", "-"))
        self._surprise -= math.log(self.surprise.probability(contexts, flag))
        if self._learn:
            self.surprise.learn(contexts, flag)

    def close(self) -> tuple[int, list[float]]:
        """End the bin in hand and start the next.

        Raises:
            EventFitError: If no flow was ever counted.
        """
        from industriverse.physics.temperature import index_of_dispersion  # brings scipy, slow to import

        if self._start_ns is None:
            raise EventFitError("no flow was counted", hint="add flows before closing a bin")
        flows = sum(self._parts)
        channels = [
            math.log1p(flows),
            math.log1p(self._bytes),
            math.log1p(self._packets),
            *(sketch.entropy for sketch in self._sketches.values()),
            self._surprise / flows if flows else 0.0,
            index_of_dispersion(self._parts) if flows else 1.0,
        ]
        start_ns, self._start_ns = self._start_ns, self._start_ns + self.bin_ns
        self._clear()
        return start_ns, channels


def flow_frame(events: Iterable[Event], *, bin_s: float, entity: str | None = None, seed: int = 0) -> Frame:
    """Bin flows into a frame of :data:`FLOW_CHANNELS`; events without flow fields only count.

    Args:
        events: Flows in any order; they are sorted by time.
        bin_s: Width of a bin, seconds.
        entity: Only flows of this entity, or all.
        seed: Seed of the sketches.

    Returns:
        One row a bin, stamped with its start, from the first to the last that holds a flow.

    Raises:
        EventFitError: If there is no such flow or the bins would be too many.
    """
    chosen = sorted(
        (event for event in events if entity in (None, event.entity)), key=lambda event: event.timestamp_ns
    )
    if not chosen:
        raise EventFitError("there is no flow to bin", hint="give flows, or another entity")
    bins = FlowBins(bin_s, seed=seed)
    rows = [row for event in chosen for row in bins.add(event)]
    rows.append(bins.close())
    units = {"temperature": "1", "log_flows": "1", "log_bytes": "1", "log_packets": "1"}
    channels = tuple(
        Channel(name, unit=units.get(name, "nat"), entity=entity or "") for name in FLOW_CHANNELS
    )
    return Frame(
        np.array([start_ns for start_ns, _ in rows], dtype=np.int64),
        np.array([values for _, values in rows]),
        channels,
    )


def _number(event: Event, name: str) -> float:
    value = event.fields.get(name, 0)
    return 0.0 if isinstance(value, str) else max(float(value), 0.0)
