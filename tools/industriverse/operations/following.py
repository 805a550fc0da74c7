"""What happened on streams since a client last heard: readings and incidents, from the stores themselves.

A position says how far a client has heard. It is made of times of samples, not of numbers of messages, so it means
the same after a restart, and nothing has to be kept for clients that are away.
"""

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from industriverse.operations.errors import InvalidArgumentsError
from industriverse.operations.services import Services
from industriverse.operations.times import time_text

__all__ = ["Happening", "Position", "happened_since", "position_now"]

READINGS_AT_ONCE = 500
_POSITION_LIMIT = 16_384


@dataclass(frozen=True, slots=True)
class Position:
    """How far a client has heard.

    Attributes:
        heard_ns: Time of the last reading, by stream.
        incidents: Digest of the incidents as they were last told.
    """

    heard_ns: dict[str, int] = field(default_factory=dict)
    incidents: str = ""

    def text(self) -> str:
        """As an opaque text that is the id of an event."""
        document = json.dumps([self.heard_ns, self.incidents], separators=(",", ":"))
        return urlsafe_b64encode(document.encode()).decode().rstrip("=")

    @staticmethod
    def of(text: str) -> "Position":
        """The position that an event's id names.

        Raises:
            InvalidArgumentsError: If it is no id of an event.
        """
        try:
            if len(text) > _POSITION_LIMIT:
                raise ValueError
            heard, incidents = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            known = {str(stream): int(ns) for stream, ns in heard.items()}
            if not isinstance(incidents, str) or any(abs(ns) >= 2**63 for ns in known.values()):
                raise ValueError
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise InvalidArgumentsError(
                "Last-Event-ID: is no id of this stream of events", hint="send one that you got, or none"
            ) from None
        return Position(known, incidents)


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened, and the position after it."""

    kind: Literal["reading", "incident"]
    data: dict[str, Any]
    after: Position


def _names(services: Services, streams: Sequence[str]) -> Sequence[str]:
    if not streams:
        return services.streams.store.names()
    for stream in streams:
        services.streams.store.channels(stream)
    return streams


def _incidents(services: Services, streams: Sequence[str]) -> tuple[list[dict[str, Any]], str]:
    shown = [
        {
            "id": incident.id,
            "stream": incident.stream,
            "open": incident.closed_ns is None,
            "tickets": len(incident.tickets),
        }
        for incident in services.shield.incidents()
        if incident.stream in streams
    ]
    digest = hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:16] if shown else ""
    return shown, digest


def position_now(services: Services, streams: Sequence[str]) -> Position:
    """The position of a client that has heard everything but the latest reading of each stream."""
    heard: dict[str, int] = {}
    for name in _names(services, streams):
        live = services.streams.live(name)
        readings = None if live is None else live.readings
        if readings is not None and len(readings):
            heard[name] = int(readings.timestamps_ns[-1]) - 1
    return Position(heard)


def happened_since(services: Services, streams: Sequence[str], since: Position) -> list[Happening]:
    """What happened after a position, readings by stream in the order of time, then incidents.

    Args:
        services: The stores.
        streams: Which streams; all if empty.
        since: How far the client has heard.

    Raises:
        NotFoundError: If there is no such stream.
    """
    told: list[Happening] = []
    position = since
    names = _names(services, streams)
    for name in names:
        live = services.streams.live(name)
        readings = None if live is None else live.readings
        if readings is None:
            continue
        heard = position.heard_ns.get(name, -(2**63))
        first = int(np.searchsorted(readings.timestamps_ns, heard, side="right"))
        for row in range(first, min(len(readings), first + READINGS_AT_ONCE)):
            reading = readings[row]
            position = Position({**position.heard_ns, name: reading.timestamp_ns}, position.incidents)
            data = {
                "stream": name,
                "time": time_text(reading.timestamp_ns),
                "alarm": bool(reading.alarm),
                "free_energy_kt": float(reading.free_energy),
                "entropy_nats": float(reading.entropy),
                "temperature": float(reading.temperature),
                "p_value": float(reading.p_value),
            }
            told.append(Happening("reading", data, position))
    shown, digest = _incidents(services, names)
    if digest != position.incidents:
        position = Position(position.heard_ns, digest)
        told.append(Happening("incident", {"incidents": shown}, position))
    return told
