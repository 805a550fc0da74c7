"""Which channel drives which: transfer entropy of linear processes, with its significance by surrogates.

For jointly Gaussian processes transfer entropy is half the logarithm of a ratio of residual variances
(Barnett, Barrett & Seth, Phys. Rev. Lett. 103, 238701, 2009), the same number as Granger causality:

    T(x -> y) = 1/2 ln( var(y' | y) / var(y' | y, x) )   nats per sample

Significance comes from surrogates that keep each channel's own dynamics and break the relation between the two:
the source is shifted circularly in time (Quian Quiroga et al., Phys. Rev. E 65, 041903, 2002). The largest value
over all pairs of each surrogate is the yardstick, so that the chance of naming even one false pair is alpha.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industriverse.eil.errors import DecisionError

__all__ = ["Transfer", "transfer_entropies", "transfer_entropy"]

_RIDGE = 1e-9


@dataclass(frozen=True, slots=True)
class Transfer:
    """What one channel tells about the next sample of another beyond what that channel's own past tells.

    Attributes:
        source: Name of the driving channel.
        target: Name of the driven channel.
        nats: Transfer entropy, nats per sample.
        p_value: Share of surrogates whose largest transfer over all pairs is at least as large.
    """

    source: str
    target: str
    nats: float
    p_value: float


def transfer_entropy(source: NDArray[np.float64], target: NDArray[np.float64], lags: int = 1) -> float:
    """Transfer entropy of two series of equal length, nats per sample, never negative.

    Args:
        source: Shape (n,).
        target: Shape (n,).
        lags: Past samples of each that count.
    """
    own = _past(target, lags)
    following = target[lags:] - target[lags:].mean()
    alone = _residual(own, following)
    both = _residual(np.concatenate([own, _past(source, lags)], axis=1), following)
    if alone <= 0 or both <= 0:
        return 0.0
    return max(0.5 * float(np.log(alone / both)), 0.0)


def transfer_entropies(
    values: NDArray[np.float64], names: Sequence[str], *, lags: int = 1, surrogates: int = 199, seed: int = 0
) -> tuple[Transfer, ...]:
    """All ordered pairs, the largest first.

    Args:
        values: Shape (n, d), without gaps; constant columns transfer nothing.
        names: d channel names.
        lags: Past samples that count.
        surrogates: Shifts; the least p-value is 1 / (surrogates + 1).
        seed: Of the shifts.

    Raises:
        DecisionError: If there are fewer than 16 samples per lag, or a value is not finite.
    """
    rows, width = values.shape
    if rows < 16 * (lags + 1) or not np.isfinite(values).all():
        raise DecisionError(
            f"{rows} samples of {width} channels, or a gap among them",
            hint=f"give {16 * (lags + 1)} whole rows",
        )
    pairs = [(i, j) for i in range(width) for j in range(width) if i != j]
    seen = {(i, j): transfer_entropy(values[:, i], values[:, j], lags) for i, j in pairs}
    generator = np.random.default_rng(seed)
    largest = np.zeros(surrogates)
    for k, shift in enumerate(generator.integers(rows // 8, rows - rows // 8, size=surrogates)):
        moved = np.roll(values, int(shift), axis=0)
        largest[k] = max((transfer_entropy(moved[:, i], values[:, j], lags) for i, j in pairs), default=0.0)
    found = [
        Transfer(names[i], names[j], nats, float((1 + (largest >= nats).sum()) / (surrogates + 1)))
        for (i, j), nats in seen.items()
    ]
    return tuple(sorted(found, key=lambda transfer: (-transfer.nats, transfer.source, transfer.target)))


def _past(series: NDArray[np.float64], lags: int) -> NDArray[np.float64]:
    centred = series - series.mean()
    return np.stack([centred[lags - 1 - lag : len(series) - 1 - lag] for lag in range(lags)], axis=1)


def _residual(past: NDArray[np.float64], following: NDArray[np.float64]) -> float:
    gram = past.T @ past
    gram[np.diag_indices_from(gram)] += _RIDGE * max(float(np.trace(gram)), 1e-300)
    coefficients = np.linalg.solve(gram, past.T @ following)
    return float(np.mean((following - past @ coefficients) ** 2))
