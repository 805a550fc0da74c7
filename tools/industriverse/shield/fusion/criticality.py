"""The Industriverse Criticality Index: one number for how bad it is, on calibrated evidence.

``ICI = 100 max(s) (1 + 0.75 (C - 0.5))``, clipped to 0..100, with s the calibrated evidence of each domain and C the
share of witnesses that agree. Evidence is calibrated by its clean tail: s follows the decades of the probability
p that clean telemetry shows as much, so that a benign stream scores below 20 in more than 99 of 100 samples by
construction of p, and a stream that no clean data could look like scores 100 whatever its units.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industriverse.shield.errors import AnalysisError

__all__ = ["BANDS", "Band", "band_of", "criticality_index", "evidence_share"]

Array = NDArray[np.float64]

# Decades of p and the evidence that they stand for; linear in between. At p = 0.01 and no agreement ICI is 16.
_DECADES = np.array([0.3, 2.0, 2.5, 4.0, 6.0, 8.0])
_SHARES = np.array([0.0, 0.25, 0.32, 0.55, 0.8, 1.0])
CONSENSUS_WEIGHT = 0.75


class Band(StrEnum):
    """What an index calls for."""

    MONITOR = "monitor"
    LOG = "log"
    ALERT = "alert"
    MITIGATE = "mitigate"
    ISOLATE = "isolate"


@dataclass(frozen=True, slots=True)
class BandLimit:
    """A band and the index from which it holds."""

    band: Band
    from_index: float


BANDS: tuple[BandLimit, ...] = (
    BandLimit(Band.MONITOR, 0.0),
    BandLimit(Band.LOG, 20.0),
    BandLimit(Band.ALERT, 40.0),
    BandLimit(Band.MITIGATE, 60.0),
    BandLimit(Band.ISOLATE, 80.0),
)


def evidence_share(p_value: ArrayLike) -> Array:
    """Calibrated evidence s in 0..1 of a clean-tail probability; any shape."""
    p = np.asarray(p_value, dtype=np.float64)
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise AnalysisError("a p-value lies outside 0..1", hint="give the clean tail probability")
    return np.asarray(np.interp(-np.log10(np.maximum(p, 1e-12)), _DECADES, _SHARES))


def criticality_index(evidence: ArrayLike, consensus: ArrayLike) -> Array:
    """The index of samples.

    Args:
        evidence: Calibrated evidence of each domain in 0..1, shape (n, domains) or (n,).
        consensus: Share of witnesses that agree, 0..1, shape (n,).

    Raises:
        AnalysisError: If a value lies outside 0..1.
    """
    shares = np.asarray(evidence, dtype=np.float64)
    strongest = shares if shares.ndim == 1 else shares.max(axis=1)
    agreement = np.asarray(consensus, dtype=np.float64)
    for name, values in (("evidence", strongest), ("consensus", agreement)):
        if not ((values >= 0.0) & (values <= 1.0)).all():
            raise AnalysisError(f"{name} lies outside 0..1", hint="calibrate it first")
    return np.clip(100.0 * strongest * (1.0 + CONSENSUS_WEIGHT * (agreement - 0.5)), 0.0, 100.0)


def band_of(index: float) -> Band:
    """The band of an index."""
    return max(
        (limit for limit in BANDS if index >= limit.from_index), key=lambda limit: limit.from_index
    ).band
