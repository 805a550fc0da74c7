"""Which canonical system a stream behaves like, by relaxation spectrum and structural fit, or "unknown".

Every hypothesis is a small model with a structure that the others lack; each states how much of the movement
it explains on rows that it was not fitted on, and which necessary conditions hold. The simplest hypothesis
whose conditions hold and that explains as much as the best one wins. A stream that none explains, or whose
conditions fail, is unknown: a wrong name would be worse than none.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from industriverse.shield.errors import AnalysisError
from industriverse.shield.isomorphism.structures import HYPOTHESES, Hypothesis, relaxation_times

__all__ = ["MINIMUM_ROWS", "SystemMatch", "match_system"]

MINIMUM_ROWS = 200


@dataclass(frozen=True, slots=True)
class SystemMatch:
    """What a stream behaves like.

    Attributes:
        system: A canonical system, or ``unknown``.
        fit: Share of the movement that the structure explains on held-out rows, 0 to 1.
        reason: What decided, with numbers.
        relaxation_samples: Relaxation times of the fitted linear dynamics, longest first, samples.
        periods_samples: Periods of its oscillating modes, samples.
        considered: Every hypothesis with its verdict, for those who doubt.
    """

    system: str
    fit: float
    reason: str
    relaxation_samples: tuple[float, ...]
    periods_samples: tuple[float, ...]
    considered: tuple[Hypothesis, ...]


def match_system(values: ArrayLike) -> SystemMatch:
    """Map observed dynamics to a canonical system.

    Args:
        values: Equidistant samples, shape (n, d), n >= 200, channels in spatial order where there is one.
            Rows with a missing value are left out at the ends and refused in between.

    Raises:
        AnalysisError: If the samples are no such matrix.
    """
    data = np.asarray(values, dtype=np.float64)
    data = data[:, None] if data.ndim == 1 else data
    if data.ndim != 2 or len(data) < MINIMUM_ROWS:
        raise AnalysisError(f"values have shape {data.shape}", hint=f"give at least {MINIMUM_ROWS} rows")
    if not np.isfinite(data).all():
        raise AnalysisError("the window holds missing values", hint="rebuild them first or cut the window")
    data = data[:, data.std(axis=0) > 1e-9 * np.maximum(np.abs(data).max(axis=0), 1e-300)]
    if not data.shape[1]:
        return SystemMatch("unknown", 0.0, "nothing moves in this window", (), (), ())
    times, periods = relaxation_times(data)
    considered = tuple(test(data) for test in HYPOTHESES)
    holding = [entry for entry in considered if entry.holds]
    if not holding:
        nearest = max(considered, key=lambda entry: entry.fit)
        reason = f"no structure holds; the nearest is {nearest.system}: {nearest.reason}"
        return SystemMatch("unknown", 0.0, reason, times, periods, considered)
    # Hypotheses come from the most to the least specific: the first that holds excludes chance the most.
    chosen = holding[0]
    return SystemMatch(chosen.system, chosen.fit, chosen.reason, times, periods, considered)
