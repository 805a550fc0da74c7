"""Events become numbers: lines of Zeek, Suricata and syslog counted in bins of time, every line accounted for."""

import math
from collections import Counter

from industriverse.shield.telemetry.records import Record
from industriverse.signals.events.event import Event

__all__ = ["EventBins"]

MAXIMUM_SYMBOLS = 32  # channels of one source; what is rarer is counted together


class EventBins:
    """Counts events of one source in bins and yields a record when a bin is over.

    Channels: events, distinct entities and peers, logarithms of bytes and packets, entropy of the peers in nats,
    and the count of each frequent symbol. Symbols get a channel when first seen, in the order of their coming.

    Args:
        source: Name of the source.
        bin_s: Length of a bin, seconds.
    """

    def __init__(self, source: str, bin_s: float) -> None:
        self._source = source
        self._bin_ns = round(bin_s * 1e9)
        self._current: int | None = None
        self._symbols: dict[str, str] = {}
        self._clear()

    def _clear(self) -> None:
        self._events = 0
        self._entities: set[str] = set()
        self._peers: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._bytes = self._packets = 0.0

    def add(self, event: Event) -> list[Record]:
        """Count an event; the bin before it, if it is over. An event older than its bin counts in the present one."""
        index = event.timestamp_ns // self._bin_ns
        finished = []
        if self._current is not None and index > self._current:
            finished = self.flush()
        self._current = index if self._current is None else max(index, self._current)
        self._events += 1
        self._entities.add(event.entity)
        peer = event.fields.get("dst")
        if isinstance(peer, str):
            self._peers[peer] += 1
        for name, into in (
            ("src_bytes", "b"),
            ("dst_bytes", "b"),
            ("src_packets", "p"),
            ("dst_packets", "p"),
        ):
            number = event.fields.get(name)
            if isinstance(number, int | float):
                if into == "b":
                    self._bytes += max(float(number), 0.0)
                else:
                    self._packets += max(float(number), 0.0)
        self._counts[self._channel(event.symbol)] += 1
        return finished

    def _channel(self, symbol: str) -> str:
        if symbol not in self._symbols:
            full = len(self._symbols) >= MAXIMUM_SYMBOLS
            self._symbols[symbol] = "other" if full else symbol
        return self._symbols[symbol]

    def flush(self) -> list[Record]:
        """The present bin as a record, empty if nothing was counted."""
        if self._current is None or not self._events:
            return []
        total = sum(self._peers.values())
        entropy = -sum(n / total * math.log(n / total) for n in self._peers.values()) if total else 0.0
        values = {
            "events": float(self._events),
            "entities": float(len(self._entities)),
            "peers": float(len(self._peers)),
            "peer_entropy": entropy,
            "log_bytes": math.log1p(self._bytes),
            "log_packets": math.log1p(self._packets),
        }
        values |= {
            f"count:{name}": float(self._counts[name]) for name in dict.fromkeys(self._symbols.values())
        }
        record = Record(self._source, (self._current + 1) * self._bin_ns, values, records=self._events)
        self._clear()
        return [record]
