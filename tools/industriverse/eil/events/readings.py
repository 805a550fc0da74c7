"""What an event detector says of each event."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industriverse.eil.events.model import COMPONENTS

__all__ = ["EventReading", "EventReadings"]


@dataclass(frozen=True, slots=True)
class EventReading:
    """One event against its reference.

    Attributes:
        timestamp_ns: Time of the event, nanoseconds since 1970-01-01 UTC.
        entity: Entity of the event.
        score: Surprise of the event itself, nats: mean capped ``-ln p`` of its components.
        p_value: Conformal probability of a score at least this large on clean events.
        entity_score: Surprise of the recent course of its entity, nats.
        entity_p_value: Conformal probability of that.
        alarm: Whether either reaches the threshold of the ticket budget.
        energies: Energy of each component in the order of ``COMPONENTS``, nats; None where it says nothing.
    """

    timestamp_ns: int
    entity: str
    score: float
    p_value: float
    entity_score: float
    entity_p_value: float
    alarm: bool
    energies: tuple[float | None, ...]

    def energy(self, component: str) -> float | None:
        """Energy of one component by name, nats."""
        return self.energies[COMPONENTS.index(component)]


@dataclass(frozen=True, slots=True, eq=False)
class EventReadings:
    """Readings of ``n`` events as columns of shape (n,), energies (n, components) with NaN for None."""

    timestamps_ns: NDArray[np.int64]
    entities: tuple[str, ...]
    score: NDArray[np.float64]
    p_value: NDArray[np.float64]
    entity_score: NDArray[np.float64]
    entity_p_value: NDArray[np.float64]
    alarm: NDArray[np.bool_]
    energies: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.timestamps_ns)

    @classmethod
    def of(cls, readings: Sequence[EventReading]) -> "EventReadings":
        """Columns of single readings."""
        energies = np.array([r.energies for r in readings], dtype=np.float64).reshape(-1, len(COMPONENTS))
        return cls(
            np.array([r.timestamp_ns for r in readings], dtype=np.int64),
            tuple(r.entity for r in readings),
            np.array([r.score for r in readings], dtype=np.float64),
            np.array([r.p_value for r in readings], dtype=np.float64),
            np.array([r.entity_score for r in readings], dtype=np.float64),
            np.array([r.entity_p_value for r in readings], dtype=np.float64),
            np.array([r.alarm for r in readings], dtype=np.bool_),
            energies,
        )
