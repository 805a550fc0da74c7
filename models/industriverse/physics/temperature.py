"""Temperature of channels: how much their innovations fluctuate compared with the clean reference."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industriverse.physics._arrays import finite_array
from industriverse.physics.errors import SampleError, ShapeError

__all__ = ["channel_temperature", "index_of_dispersion"]


def channel_temperature(
    innovations: ArrayLike,
    standard_deviation: ArrayLike,
    *,
    scale_samples: float,
    start: ArrayLike | None = None,
) -> NDArray[np.float64]:
    r"""Running temperature of each channel relative to the clean reference.

    .. math:: T_t = T_{t-1} + \tfrac1\tau\,(e_t^2/\sigma^2 - T_{t-1}), \qquad T_{-1} = 1

    By equipartition ``<e^2>/2 = sigma^2 T/2``, so T is 1 at equilibrium, above 1 where noise was injected,
    and below 1 where a signal is frozen, smoothed or replayed. On clean white Gaussian innovations it
    fluctuates with variance ``2/(2 tau - 1)``. A missing innovation (NaN) leaves the temperature as it was.

    Args:
        innovations: One-step errors in time order, shape (n, d); NaN marks a missing one.
        standard_deviation: Clean standard deviations, shape (d,), positive.
        scale_samples: Time constant tau in samples, at least 1.
        start: Temperatures before the first sample, shape (d,); ones where left out. Passing the last row
            of one block continues it exactly in the next.

    Returns:
        Temperatures, shape (n, d), dimensionless, never negative.

    Raises:
        ShapeError: If shapes disagree or the time constant is below 1.
        SampleError: If a standard deviation is not positive and finite or an innovation is infinite.
    """
    errors = np.asarray(innovations, dtype=np.float64)
    deviation = finite_array("standard_deviation", standard_deviation, dimensions=(1,))
    if errors.ndim != 2 or errors.shape[1] != len(deviation):
        raise ShapeError(f"innovations have shape {errors.shape}", hint=f"give (n, {len(deviation)})")
    if np.isinf(errors).any():
        raise SampleError("innovations contain infinite values", hint="mark missing values with NaN")
    if len(deviation) and deviation.min() <= 0:
        raise SampleError(
            f"standard deviation {deviation.min():.3g} at index {int(deviation.argmin())}",
            hint="leave constant channels out",
        )
    if not scale_samples >= 1:
        raise ShapeError(
            f"scale_samples is {scale_samples}", hint="give a time constant of at least 1 sample"
        )
    state = np.ones(len(deviation)) if start is None else finite_array("start", start, dimensions=(1,)).copy()
    if len(state) != len(deviation):
        raise ShapeError(f"start has {len(state)} values", hint=f"give {len(deviation)}")
    ratios = (errors / deviation) ** 2
    gains = np.where(np.isnan(ratios), 0.0, 1 / scale_samples)
    ratios = np.nan_to_num(ratios)
    temperatures = np.empty_like(ratios)
    for row in range(len(ratios)):
        state += gains[row] * (ratios[row] - state)
        temperatures[row] = state
    return temperatures


def index_of_dispersion(counts: ArrayLike) -> float:
    """Temperature of a stream of counts: variance over mean, 1 for a Poisson stream.

    (Cox & Lewis, The Statistical Analysis of Series of Events, 1966.)

    Args:
        counts: Events in equal time bins, shape (n,), n >= 2, non-negative.

    Returns:
        The index, dimensionless; NaN where there were no events at all.

    Raises:
        ShapeError: If counts are not a vector.
        SampleError: If there are fewer than two bins, or a count is negative or not finite.
    """
    bins = finite_array("counts", counts, dimensions=(1,))
    if len(bins) < 2 or bins.min() < 0:
        raise SampleError("counts need two bins or more and no negative value", hint="count events per bin")
    mean = float(bins.mean())
    return float(bins.var(ddof=1)) / mean if mean else float("nan")
