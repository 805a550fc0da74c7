"""Entropy production of stationary linear processes: the arrow of time in telemetry, in nats per step."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_solve, eigh
from scipy.stats import chi2

from industriverse.physics._arrays import cholesky_factor, covariance_matrix, finite_array, square_matrix
from industriverse.physics.errors import CovarianceError, SampleError, ShapeError
from industriverse.physics.linear_process import whitened_transition

__all__ = [
    "EntropyProductionEstimate",
    "entropy_production_from_currents",
    "reversed_process",
    "var1_entropy_production",
]


@dataclass(frozen=True, slots=True, eq=False)
class EntropyProductionEstimate:
    """Entropy production estimated from one window of samples.

    Attributes:
        plug_in: Closed form at the sample covariances, nats per step; never negative.
        bias: ``k (k - 1) / pairs``, the mean of ``plug_in`` under a reversible process, nats per step.
        corrected: ``plug_in - bias``, nats per step; may be negative, which means no evidence of an arrow.
        p_value: Probability of a ``plug_in`` at least this large if the process were a reversible VAR(1).
        currents: Antisymmetric part of the whitened lag-1 covariance, shape (k, k).
        modes: Number k of leading modes used; fewer than asked for where fewer move.
        pairs: Number of consecutive pairs of samples used.
    """

    plug_in: float
    bias: float
    corrected: float
    p_value: float
    currents: NDArray[np.float64]
    modes: int
    pairs: int


def var1_entropy_production(A: ArrayLike, noise_covariance: ArrayLike) -> float:
    r"""Entropy production of the stationary process ``x' = A x + w``, ``w ~ N(0, Q)``, with even variables.

    .. math:: \sigma = \Big\langle \log\frac{p(x_t, x_{t+1})}{p(x_{t+1}, x_t)} \Big\rangle
        = \tfrac12 \operatorname{tr}(C_b^{-1} C_f) - d, \quad
        C_f = \begin{pmatrix} S & S A^\top \\ A S & S \end{pmatrix},
        C_b = \begin{pmatrix} S & A S \\ S A^\top & S \end{pmatrix}

    the relative entropy between forward and backward pairs (Gaspard, J. Stat. Phys. 117:599, 2004; Seifert,
    Rep. Prog. Phys. 75:126001, 2012). Evaluated in whitened coordinates, where with ``M = L^-1 A L`` it is
    ``tr[(I - M^T M)^-1 (M^T - M) M]``: the large equal terms have cancelled, so a reversible process gives
    zero to rounding. Unchanged by any invertible linear map of the channels.

    Args:
        A: Transition matrix, shape (d, d), stable.
        noise_covariance: Q, shape (d, d), positive definite.

    Returns:
        Entropy production, nats per step, zero if and only if the process is time-reversible.

    Raises:
        ShapeError: If shapes disagree.
        SampleError: If an input is not finite.
        CovarianceError: If Q is not positive definite: without noise in every direction it is infinite.
        InstabilityError: If the process has no stationary state.
    """
    return _whitened_entropy_production(whitened_transition(A, noise_covariance))


def reversed_process(A: ArrayLike, covariance: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""The stationary VAR(1) seen backward in time.

    .. math:: A_b = S A^\top S^{-1}, \qquad Q_b = S - A_b S A_b^\top

    (Anderson & Kailath, IEEE Trans. Inf. Theory 25:451, 1979.) It has the same stationary covariance,
    spectrum and entropy production as the forward process, and equals it if that is reversible.

    Args:
        A: Transition matrix, shape (d, d), stable.
        covariance: Its stationary covariance S, shape (d, d), positive definite.

    Returns:
        Transition matrix and noise covariance of the backward process, each of shape (d, d).

    Raises:
        ShapeError: If shapes disagree.
        SampleError: If an input is not finite.
        CovarianceError: If S is not positive definite.
    """
    transition = square_matrix("A", A)
    stationary = covariance_matrix("covariance", covariance, size=len(transition))
    factor = (cholesky_factor("covariance", stationary), True)
    backward: NDArray[np.float64] = cho_solve(factor, transition @ stationary).T
    noise = stationary - backward @ stationary @ backward.T
    return backward, (noise + noise.T) / 2


def entropy_production_from_currents(
    values: ArrayLike, *, modes: int | None = None, ridge: float = 1e-9
) -> EntropyProductionEstimate:
    r"""Estimate the entropy production of a window from its antisymmetric lag-1 covariance.

    The window is projected on its k leading principal modes and whitened there; the lag-1 covariance M of
    the result gives the closed form of :func:`var1_entropy_production`, and the currents
    ``J = (M - M^T)/2`` say which modes circulate. Under a reversible VAR(1) the k(k-1)/2 currents have
    independent sampling errors that make ``pairs * plug_in / 2`` chi-squared with k(k-1)/2 degrees of
    freedom to leading order in 1/pairs, whatever the relaxation times: hence the bias and the p-value.

    Away from reversibility the bias differs at the same order. Fewer modes can only lower the true value
    (hidden modes hide currents), so the estimate is of a lower bound when ``modes < d``. It presumes
    even variables, a linear Gaussian process, lag-1 memory and equal sampling intervals.

    Args:
        values: Samples in time order, shape (n, d), no missing values.
        modes: Number k of leading modes, 2 to d; all d where left out.
        ridge: Added to the covariance, as a share of its mean variance. Modes with less variance than that
            (a constant channel, an exact linear dependence) are not used.

    Returns:
        The estimate with bias and p-value.

    Raises:
        ShapeError: If values are not a matrix or the number of modes is outside 2 to d.
        SampleError: If values are not finite, fewer than ``2 k + 2`` or move in fewer than two directions.
    """
    samples = finite_array("values", values, dimensions=(2,))
    count, channels = samples.shape
    chosen = channels if modes is None else modes
    if not 2 <= chosen <= channels:
        raise ShapeError(
            f"{chosen} mode(s) of {channels} channel(s)",
            hint="currents need 2 modes or more, at most one a channel",
        )
    if count < 2 * chosen + 2:
        raise SampleError(
            f"{count} samples for {chosen} modes", hint=f"give at least {2 * chosen + 2} samples"
        )
    whitened = _leading_modes(samples, chosen, ridge)
    chosen = whitened.shape[1]
    pairs = count - 1
    lagged = whitened[1:].T @ whitened[:-1] / pairs
    plug_in = _whitened_entropy_production(lagged)
    freedom = chosen * (chosen - 1) // 2
    bias = 2 * freedom / pairs
    return EntropyProductionEstimate(
        plug_in=plug_in,
        bias=bias,
        corrected=plug_in - bias,
        p_value=float(chi2.sf(pairs * plug_in / 2, freedom)),
        currents=(lagged - lagged.T) / 2,
        modes=chosen,
        pairs=pairs,
    )


def _leading_modes(samples: NDArray[np.float64], modes: int, ridge: float) -> NDArray[np.float64]:
    centred = samples - samples.mean(axis=0)
    # Past and future halves of the pairs share one covariance, so that the end points do not make an arrow.
    covariance = (centred[1:].T @ centred[1:] + centred[:-1].T @ centred[:-1]) / (2 * (len(samples) - 1))
    mean_variance = float(np.trace(covariance)) / len(covariance)
    if mean_variance <= 0:
        raise SampleError("every channel is constant", hint="give a window in which something moves")
    eigenvalues, vectors = eigh(covariance, check_finite=False)
    moving = int((eigenvalues > ridge * mean_variance).sum())
    if moving < 2:
        raise SampleError("fewer than two directions move", hint="give channels that are not copies of one")
    leading = slice(len(eigenvalues) - min(modes, moving), None)
    scale = np.sqrt(np.maximum(eigenvalues[leading], 0) + ridge * mean_variance)
    whitened: NDArray[np.float64] = centred @ (vectors[:, leading] / scale)
    return whitened


def _whitened_entropy_production(M: NDArray[np.float64]) -> float:
    left, singular, right = np.linalg.svd(M)
    if singular[0] >= 1:
        raise CovarianceError(
            f"a mode predicts itself without noise (canonical correlation {singular[0]:.6g})",
            hint="drop the redundant channel, use fewer modes or a larger ridge",
        )
    # M = U s V^T, so (I - M^T M)^-1 = V (1 - s^2)^-1 V^T and M V = U s.
    rotated = right @ (M.T - M) @ left
    total = float((np.diag(rotated) * singular / (1 - singular**2)).sum())
    return max(total, 0.0)
