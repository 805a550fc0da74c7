"""Lower bounds on entropy production from measured currents: thermodynamic uncertainty relations."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industriverse.physics._arrays import cholesky_factor, covariance_matrix, finite_array
from industriverse.physics.errors import SampleError, ShapeError
from industriverse.physics.linear_process import stationary_covariance

__all__ = ["lag1_currents", "thermodynamic_uncertainty_bound", "var1_currents"]


def thermodynamic_uncertainty_bound(
    mean_current: ArrayLike,
    covariance: ArrayLike,
    *,
    steps: int = 1,
    continuous_time: bool = False,
) -> float:
    r"""Lower bound on the entropy production from the precision of currents.

    .. math:: \sigma \ge \frac1t \log\big(1 + 2\, J^\top \operatorname{Cov}(J)^{-1} J\big)

    for the currents J collected over t steps. This is the form that holds in discrete time (Hasegawa & Van
    Vu, PRL 123:110602, 2019, from the fluctuation theorem; taken over the best combination of several
    currents as in Dechant, J. Phys. A 52:035001, 2019). The better known
    ``2 J^T Cov(J)^-1 J / t`` (Barato & Seifert, PRL 114:158101, 2015) is its limit for small
    entropy production a step and a theorem for continuous-time Markov processes only: for a biased walk
    on a ring with one step a sample it exceeds the true value tenfold, so it has to be asked for.

    Args:
        mean_current: Mean of the currents, shape (m,). Each must change sign under time reversal.
        covariance: Their covariance over the same number of steps, shape (m, m), positive definite.
        steps: Number t of steps over which they were collected.
        continuous_time: Return the continuous-time form.

    Returns:
        The bound in nats per step, never negative.

    Raises:
        ShapeError: If shapes disagree or there are no steps.
        SampleError: If an input is not finite.
        CovarianceError: If the covariance is not positive definite.
    """
    currents = finite_array("mean_current", mean_current, dimensions=(1,))
    matrix = covariance_matrix("covariance", covariance, size=len(currents))
    if steps < 1:
        raise ShapeError(f"steps is {steps}", hint="give at least one step")
    whitened = np.linalg.solve(cholesky_factor("covariance", matrix), currents)
    precision = 2 * float(whitened @ whitened)
    return (precision if continuous_time else float(np.log1p(precision))) / steps


def lag1_currents(values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and one-step covariance of the lag-1 currents of a window.

    The current of channels i < j at step t is ``(x_i' x_j - x_j' x_i) / 2``, with x' the next state: the
    area swept in their plane, which changes sign when the record is played backward. With a finite window
    the bound computed from these is itself an estimate, too high by about m / n for m currents.

    Args:
        values: Samples in time order, shape (n, d), d >= 2, n >= 4; their mean is removed.

    Returns:
        Mean, shape (m,), and covariance, shape (m, m), of the m = d(d-1)/2 currents of one step, ordered
        as ``numpy.triu_indices(d, 1)``, in squared units of the channels.

    Raises:
        ShapeError: If values are not a matrix of two channels or more.
        SampleError: If values are not finite or fewer than four.
    """
    samples = finite_array("values", values, dimensions=(2,))
    if samples.shape[1] < 2:
        raise ShapeError("one channel has no currents", hint="give two channels or more")
    if len(samples) < 4:
        raise SampleError(f"{len(samples)} samples", hint="give at least four")
    centred = samples - samples.mean(axis=0)
    first, second = np.triu_indices(samples.shape[1], 1)
    past, future = centred[:-1], centred[1:]
    currents = 0.5 * (future[:, first] * past[:, second] - future[:, second] * past[:, first])
    return currents.mean(axis=0), np.atleast_2d(np.cov(currents, rowvar=False))


def var1_currents(
    A: ArrayLike, noise_covariance: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Exact mean and one-step covariance of the lag-1 currents of a stationary VAR(1).

    A current is the quadratic form ``y^T N y / 2`` of the pair ``y = (x, x')``, so by Wick's theorem two of
    them have covariance ``tr(N1 C N2 C) / 2`` with C the covariance of the pair.

    Args:
        A: Transition matrix, shape (d, d), stable, d >= 2.
        noise_covariance: Shape (d, d), positive definite.

    Returns:
        Mean, shape (m,), and covariance, shape (m, m), as in :func:`lag1_currents`.

    Raises:
        ShapeError: If shapes disagree.
        SampleError: If an input is not finite.
        CovarianceError: If the noise covariance is not positive definite.
        InstabilityError: If the process has no stationary state.
    """
    covariance = stationary_covariance(A, noise_covariance)
    size = len(covariance)
    lagged = np.asarray(A, dtype=np.float64) @ covariance
    pair = np.block([[covariance, lagged.T], [lagged, covariance]])
    forms = []
    for i, j in zip(*np.triu_indices(size, 1), strict=True):
        form = np.zeros((2 * size, 2 * size))
        form[size + i, j], form[size + j, i] = 0.5, -0.5
        forms.append((form + form.T) @ pair)
    products = np.array(forms)
    mean = 0.5 * np.trace(products, axis1=1, axis2=2)
    return mean, 0.5 * np.einsum("aij,bji->ab", products, products)
