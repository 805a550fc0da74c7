"""What a detector says of each sample: the thermodynamic readings."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

__all__ = ["ThermoReading", "ThermoReadings"]


@dataclass(frozen=True, slots=True)
class ThermoReading:
    """The thermodynamic state of one sample, relative to the fitted reference.

    Energies are in units of kT of the reference and entropies in nats, so a reading of one stream can be
    compared with that of another.

    Attributes:
        timestamp_ns: Time of the sample, nanoseconds since 1970-01-01 UTC.
        score: Fused evidence against equilibrium, nats (mean capped ``-log p`` of the components).
        p_value: Conformal probability of a score at least this large on clean data.
        alarm: Whether the stream is in alarm after this sample.
        energy: ``U(x) = -log pi(x)`` up to a constant, kT.
        innovation_energy: One-step innovation energy, kT.
        temperature: Mean over channels of EWMA(e^2)/sigma^2, dimensionless; above 1 hot, below 1 cold.
        entropy: Information entropy of the recent window minus that of the reference, nats.
        free_energy: Free-energy excess ``work + heat + structure``, kT.
        work: Part of the excess due to shifted means, kT.
        heat: Part of the excess due to changed variances, kT.
        structure: Part of the excess due to changed correlations, kT.
        entropy_production: Irreversibility of the recent window, nats per step.
        regime: Index of the reference regime in force.
    """

    timestamp_ns: int
    score: float
    p_value: float
    alarm: bool
    energy: float
    innovation_energy: float
    temperature: float
    entropy: float
    free_energy: float
    work: float
    heat: float
    structure: float
    entropy_production: float
    regime: int


@dataclass(frozen=True, slots=True, eq=False)
class ThermoReadings:
    """Readings of ``n`` samples as columns; each attribute has shape (n,).

    Meaning and units of each column are those of :class:`ThermoReading`.
    """

    timestamps_ns: NDArray[np.int64]
    score: NDArray[np.float64]
    p_value: NDArray[np.float64]
    alarm: NDArray[np.bool_]
    energy: NDArray[np.float64]
    innovation_energy: NDArray[np.float64]
    temperature: NDArray[np.float64]
    entropy: NDArray[np.float64]
    free_energy: NDArray[np.float64]
    work: NDArray[np.float64]
    heat: NDArray[np.float64]
    structure: NDArray[np.float64]
    entropy_production: NDArray[np.float64]
    regime: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.timestamps_ns)

    def __getitem__(self, row: int) -> ThermoReading:
        return ThermoReading(*(getattr(self, column.name)[row].item() for column in fields(self)))

    def rows(self, start: int, stop: int | None = None) -> "ThermoReadings":
        """The half-open range of rows ``start:stop``."""
        return ThermoReadings(*(getattr(self, column.name)[start:stop] for column in fields(self)))

    @staticmethod
    def concatenate(blocks: Sequence["ThermoReadings"]) -> "ThermoReadings":
        """Join at least one block of readings in the order given."""
        return ThermoReadings(
            *(
                np.concatenate([getattr(block, column.name) for block in blocks])
                for column in fields(ThermoReadings)
            )
        )
