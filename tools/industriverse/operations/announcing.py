"""Incidents go out on the bus, so that other programs of this machine hear of them without asking.

A message bears the trace of the request that raised the incident (W3C ``traceparent`` and ``baggage`` as its headers),
so whoever takes it up goes on under the same id.
"""

import json
from dataclasses import asdict
from pathlib import Path

from industriverse.operations.times import time_text
from industriverse.operations.tracing import outgoing_headers
from industriverse.shield.telemetry.bus import BusTopic
from industriverse.signals import Incident

__all__ = ["INCIDENTS", "Announcements"]

INCIDENTS = "incidents"
"""Topic of incidents that began, grew or ended."""


class Announcements:
    """What the platform tells on its bus.

    Args:
        path: File of the bus, created with the first message.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._topic: BusTopic | None = None

    def announce(self, incident: Incident) -> None:
        """Publish an incident as it is now; after a crash the same may come twice."""
        if self._topic is None:
            self._topic = BusTopic(self._path, INCIDENTS)
        closed = incident.closed_ns
        told = {
            **asdict(incident),
            "opened": time_text(incident.opened_ns),
            "closed": None if closed is None else time_text(closed),
        }
        self._topic.publish(json.dumps(told).encode(), headers=outgoing_headers())

    def close(self) -> None:
        """Close the file."""
        if self._topic is not None:
            self._topic.close()
