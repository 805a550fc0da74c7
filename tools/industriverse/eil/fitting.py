"""Fit of the detection core's constants on clean telemetry: scale, level, VAR, modes and MSPC.

Sources: ridge VAR by Hoerl & Kennard's ridge regression; the principal dimension from the Marchenko-Pastur
edge at the effective sample size; T2/SPE control charts as in Jackson & Mudholkar (1979) with limits taken
from clean quantiles rather than from a Gaussian formula.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industriverse.eil import layout
from industriverse.eil.cycle import Cycle, angles, cyclic_mean, fit_coefficients
from industriverse.eil.errors import FitError
from industriverse.eil.model import KernelModel
from industriverse.eil.slow_chart import fit_slow_chart, slow_rows
from industriverse.eil.state import KernelState

__all__ = [
    "MINIMUM_CLEAN_ROWS",
    "FittedCore",
    "channel_scale",
    "fit_core",
    "independent_rows",
    "usable_scales",
]

Array = NDArray[np.float64]

MINIMUM_CLEAN_ROWS = 100
FULL_RANK_CHANNELS = 100  # above this, lags and modes live in a subspace
MODE_LIMIT = 50  # size of that subspace, as far as memory allows
STREAM_BYTES = 2**20  # what a wide stream may keep
CHANNEL_BYTES = 216  # of a channel without modes: constants, cycle, level, filters, intercept
MODE_BYTES = 24  # of a channel and mode: two lags, lag basis, two whitenings and MSPC in single precision
# Ridge as a share of the rows, like noise on the lags of 5 % of their spread and more: without it the VAR of
# collinear channels amplifies the rounding of their sensors.
PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3)
LEVEL_TIMES = (64, 128, 256, 512, 1024, 2048, 4096)  # samples
LEVEL_GAIN = 0.8  # a moving level must cut the ahead error by a fifth, or the level stays put
INDEPENDENT_ROWS = (
    20.0  # a channel of fewer independent clean values has no known mean: its level moves in any case
)
MSPC_VARIANCE = 0.99
MSPC_QUANTILE = 0.99


@dataclass(frozen=True, slots=True, eq=False)
class FittedCore:
    """A model without tails or threshold, and the state of the stream at the end of its clean rows."""

    model: KernelModel
    state: KernelState


def usable_scales(scales: tuple[int, ...], clean_rows: int) -> tuple[int, ...]:
    """Filter scales in samples that ``clean_rows`` can calibrate: those up to a twentieth, at least one."""
    return tuple(scale for scale in scales if scale <= clean_rows / 20) or scales[:1]


def channel_scale(values: Array) -> tuple[Array, Array, Array]:
    """Centre, scale and kind of each channel, each of shape (d,); NaN is ignored."""
    d = values.shape[1]
    center, scale = np.zeros(d), np.ones(d)
    kind = np.full(d, layout.UNOBSERVED)
    for j in range(d):
        seen = values[~np.isnan(values[:, j]), j]
        if len(seen) == 0:
            continue
        center[j] = np.median(seen)
        kind[j] = layout.CONSTANT
        if np.ptp(seen) > 1e-9 * np.abs(seen).max() and len(seen) > 1:
            kind[j] = layout.MOVING
            scale[j] = seen.std()
    return center, scale, kind


def fit_core(
    values: Array,
    scales: tuple[int, ...],
    *,
    timestamps_ns: NDArray[np.int64],
    cycle: Cycle | None = None,
    order: int = 2,
) -> FittedCore:
    """Fit the core on clean rows.

    Args:
        values: Clean samples, NaN where missing, shape (n, d).
        scales: Filter scales in samples, fastest first.
        timestamps_ns: Times of the samples, shape (n,).
        cycle: Cycle of the stream, None if it has none.
        order: Order p of the VAR.

    Raises:
        FitError: If no channel was ever observed.
    """
    amplitudes, mean = np.zeros((0, values.shape[1])), np.zeros(values.shape)
    if cycle is not None:
        amplitudes = fit_coefficients(values, timestamps_ns, cycle)
        mean = cyclic_mean(angles(timestamps_ns, cycle.period_ns), amplitudes)
    center, scale, kind = channel_scale(values - mean)
    if (kind == layout.UNOBSERVED).all():
        raise FitError("no channel holds a single clean value", hint="give rows with telemetry in them")
    scaled = np.clip((values - mean - center) / scale, -layout.CLIP_VALUE, layout.CLIP_VALUE)
    scaled[:, kind != layout.MOVING] = 0.0
    independent = independent_rows(np.nan_to_num(scaled))
    rates = _level_rates(scaled, max(scales), independent)
    remembered = slow_rows(timestamps_ns, None if cycle is None else cycle.period_ns)
    slow_center, slow_limit = fit_slow_chart(scaled, remembered, independent)
    level = np.zeros(values.shape[1])
    residuals = _level_residuals(scaled, rates, level)
    basis = _lag_basis(residuals)
    coefficients, innovations = _fit_var(residuals, basis, order)
    deviations, whitening, kinetic_variance, kinetic_rest = _innovation_modes(innovations, kind)
    equilibrium, equilibrium_variance, principal, rest = _equilibrium_modes(residuals)
    mspc = _fit_mspc(scaled, kind)
    width = max(len(kinetic_variance), len(equilibrium_variance), len(mspc.variance))
    variances = np.ones((3, width))
    for row, entry in enumerate((kinetic_variance, equilibrium_variance, mspc.variance)):
        variances[row, : len(entry)] = entry
    scalars = np.zeros(layout.SCALAR_COUNT)
    scalars[layout.CLIP], scalars[layout.SLEW] = layout.CLIP_VALUE, layout.SLEW_VALUE
    scalars[layout.PRINCIPAL], scalars[layout.REPORT_SCALE] = principal, min(1, len(scales) - 1)
    scalars[layout.INNOVATION_RESIDUAL], scalars[layout.EQUILIBRIUM_RESIDUAL] = kinetic_rest, rest
    scalars[layout.T2_LIMIT], scalars[layout.SPE_LIMIT] = mspc.t2_limit, mspc.spe_limit
    scalars[layout.CALM_INNOVATION] = scalars[layout.CALM_SMOOTH] = -1.0
    scalars[layout.STIRRED_INNOVATION] = scalars[layout.STIRRED_SMOOTH] = np.inf
    scalars[layout.THRESHOLD] = np.inf
    scalars[layout.REFRACTORY_ROWS] = 1.0
    scalars[layout.CYCLE_NS] = 0.0 if cycle is None else cycle.period_ns
    scalars[layout.WINDOW_RATE] = 1.0 / max(scales)
    scalars[layout.DRIFT_RATE] = 1.0 / (layout.DRIFT_SCALES * max(scales))
    scalars[layout.SLOW_RATE] = 1.0 / remembered
    components = layout.STATIC_COMPONENTS + layout.SCALE_COMPONENTS * len(scales)
    tails = np.zeros((components + 1, 3 + layout.KNOTS))
    tails[:, :2] = 1.0
    wide = values.shape[1] > FULL_RANK_CHANNELS
    model = KernelModel(
        channel=np.vstack(
            [
                center,
                scale,
                rates,
                deviations,
                kind,
                mspc.center,
                slow_center,
                slow_limit,
                amplitudes / scale,
            ]
        ),
        coefficients=_stored(coefficients, wide),
        lag_basis=_stored(basis, wide),
        innovation_modes=_stored(whitening, wide),
        equilibrium_modes=_stored(equilibrium, wide),
        mspc_modes=_stored(mspc.modes, wide),
        mode_variance=variances,
        tails=tails,
        weights=np.full(components, 1.0 / components),
        rates=1.0 / np.asarray(scales, dtype=np.float64),
        scalars=scalars,
    )
    return FittedCore(model, _warm_state(model, values, timestamps_ns, level, max(scales)))


def _mode_limit(channels: int) -> int:
    """Modes kept of each kind: all that there are, or a subspace that the memory of a stream can hold."""
    if channels <= FULL_RANK_CHANNELS:
        return channels
    return int(np.clip((STREAM_BYTES / channels - CHANNEL_BYTES) / MODE_BYTES, 8, MODE_LIMIT))


def _stored(matrix: Array, wide: bool) -> Array:
    """A matrix of one row or column a channel as the kernel keeps it: of wide streams in single precision."""
    if not wide:
        return matrix
    single: Array = np.ascontiguousarray(matrix, dtype=np.float32)
    return single


def _warm_state(
    model: KernelModel, values: Array, timestamps_ns: NDArray[np.int64], level: Array, longest: int
) -> KernelState:
    """Fill the filters from the last clean rows without moving the level any further."""
    state = model.neutral_state()
    state.channel[layout.LEVEL] = level
    rows = slice(-min(len(values), 2 * longest), None)
    model.with_frozen_level().run(values[rows], state, timestamps_ns[rows])
    state.drift[:] = 1.0  # these rows were scored without tails
    return state


def _level_residuals(scaled: Array, rates: Array, level: Array) -> Array:
    from industriverse.eil.kernel_moments import level_residuals

    residuals: Array = level_residuals(np.ascontiguousarray(scaled), rates, layout.SLEW_VALUE, level)
    return residuals


def _level_rates(scaled: Array, longest: int, independent: Array) -> Array:
    """Per-channel level rate, 1/samples: the one that best predicts ``longest`` ahead, 0 if none helps."""
    from scipy.signal import lfilter

    n, d = scaled.shape
    ahead = min(longest, n // 8)
    filled = np.where(np.isnan(scaled), 0.0, scaled)
    rates = np.zeros(d)
    best = LEVEL_GAIN * ((filled[ahead:] - filled.mean(axis=0)) ** 2).mean(axis=0)
    wandering = independent < INDEPENDENT_ROWS
    best[wandering & (best > 0.0)] = np.inf
    for time in LEVEL_TIMES:
        skipped = min(n // 4, time)
        if time > n or n - ahead <= skipped + 5:
            break
        rate = 1.0 / time
        level = lfilter([rate], [1.0, rate - 1.0], filled, axis=0, zi=(1.0 - rate) * filled[:1])[0]
        error = ((filled[ahead:] - level[:-ahead]) ** 2)[skipped:].mean(axis=0)
        rates = np.where(error < best, rate, rates)
        best = np.minimum(best, error)
    return rates


def independent_rows(values: Array) -> Array:
    """Effective number of independent samples of each channel, shape (d,).

    n over the integrated autocorrelation time (Sokal), cut where the autocorrelation first falls below 0.05.
    """
    n, d = values.shape
    centred = values - values.mean(axis=0)
    size = 1 << (2 * n - 1).bit_length()
    independent = np.full(d, float(n))
    for j in range(d):
        correlation = np.fft.irfft(np.abs(np.fft.rfft(centred[:, j], size)) ** 2, size)[:n]
        if correlation[0] > 1e-9:
            correlation /= correlation[0]
            below = np.flatnonzero(correlation < 0.05)
            cut = int(below[0]) if below.size else n
            independent[j] = n / (1.0 + 2.0 * float(correlation[1:cut].sum()))
    return independent


def _descending_modes(covariance: Array) -> tuple[Array, Array]:
    """Variances (m,) and modes (d, m), largest first: all of them, or of a wide stream those that may be kept."""
    d = len(covariance)
    if d <= FULL_RANK_CHANNELS:
        variance, modes = np.linalg.eigh(covariance)
    else:
        from scipy.linalg import eigh

        variance, modes = eigh(covariance, subset_by_index=[d - _mode_limit(d), d - 1])
    return variance[::-1].copy(), np.ascontiguousarray(modes[:, ::-1])


def _covariance(values: Array) -> Array:
    return np.atleast_2d(np.cov(values.T))


def _lag_basis(residuals: Array) -> Array:
    if residuals.shape[1] <= FULL_RANK_CHANNELS:
        return np.zeros((0, 0))
    return _descending_modes(_covariance(residuals))[1]


def _fit_var(residuals: Array, basis: Array, order: int) -> tuple[Array, Array]:
    """Ridge VAR coefficients and out-of-sample innovations of the last quarter, penalty chosen there."""
    n = len(residuals)
    features = residuals @ basis if basis.size else residuals
    blocks = [np.ones((n, 1))]
    for lag in range(1, order + 1):
        shifted = np.empty_like(features)
        shifted[lag:], shifted[:lag] = features[:-lag], features[0]
        blocks.append(shifted)
    design = np.hstack(blocks)
    held = int(n * 0.75)
    best_error, penalty, innovations = np.inf, PENALTIES[0], residuals[held:]
    for candidate in PENALTIES:
        coefficients = _ridge(design[order:held], residuals[order:held], candidate)
        errors = residuals[held:] - design[held:] @ coefficients
        if float((errors**2).mean()) < best_error:
            best_error, penalty, innovations = float((errors**2).mean()), candidate, errors
    return np.ascontiguousarray(_ridge(design[order:], residuals[order:], penalty)), innovations


def _ridge(design: Array, target: Array, penalty: float) -> Array:
    gram = design.T @ design
    ridge = penalty * len(design) * np.eye(len(gram))
    ridge[0, 0] = 1e-9
    return np.asarray(np.linalg.solve(gram + ridge, design.T @ target), dtype=np.float64)


def _innovation_modes(innovations: Array, kind: Array) -> tuple[Array, Array, Array, float]:
    """Standard deviations (d,), whitening (d, m), mode variances (m,), inverse residual variance."""
    d = innovations.shape[1]
    covariance = _covariance(innovations)
    deviations = np.sqrt(np.maximum(np.diag(covariance), 1e-4))
    deviations[kind != layout.MOVING] = 1.0
    correlation = covariance / np.outer(deviations, deviations)
    shrinkage = min(0.9, d / len(innovations) + 0.05)
    correlation *= 1.0 - shrinkage
    np.fill_diagonal(correlation, 1.0)
    variance, modes = _descending_modes(correlation)
    return deviations, *_whiten(variance, modes, total=float(d), floor=1e-4)


def _whiten(variance: Array, modes: Array, *, total: float, floor: float) -> tuple[Array, Array, float]:
    """Whitening columns, their variances and the inverse mean variance of what they leave of ``total``."""
    bounded = np.maximum(variance, floor)
    left_out = modes.shape[0] - len(variance)
    rest = 0.0
    if left_out:
        rest = 1.0 / max((total - float(variance.sum())) / left_out, floor)
    return np.ascontiguousarray(modes / np.sqrt(bounded)), bounded, rest


def _equilibrium_modes(residuals: Array) -> tuple[Array, Array, int, float]:
    """Whitening (d, m), variances (m,), number of principal modes, inverse residual variance."""
    n, d = residuals.shape
    covariance = _covariance(residuals)
    covariance = 0.98 * covariance + 0.02 * np.diag(np.diag(covariance)) + 1e-4 * np.eye(d)
    variance, modes = _descending_modes(covariance)
    memory = float(np.clip(_mean_lag_one(residuals), 0.0, 0.995))
    effective = max(2.0 * d, n * (1.0 - memory) / (1.0 + memory))
    total = float(np.trace(covariance))
    edge = (1.0 + np.sqrt(d / effective)) ** 2 * total / d
    whitening, kept, rest = _whiten(variance, modes, total=total, floor=1e-3)
    principal = int(np.clip((variance > edge).sum(), 1, max(1, min(d - 1, len(kept)))))
    return whitening, kept, principal, rest


def _mean_lag_one(residuals: Array) -> float:
    centred = residuals - residuals.mean(axis=0)
    power = (centred**2).sum(axis=0)
    moving = power > 1e-12
    if not moving.any():
        return 0.0
    products = (centred[1:] * centred[:-1]).sum(axis=0)
    return float((products[moving] / power[moving]).mean())


@dataclass(frozen=True, slots=True, eq=False)
class _Mspc:
    center: Array
    modes: Array
    variance: Array
    t2_limit: float
    spe_limit: float


def _fit_mspc(scaled: Array, kind: Array) -> _Mspc:
    """PCA at 99 % of the variance with limits at the clean 99 % quantile."""
    filled = np.where(np.isnan(scaled), 0.0, scaled)
    center = filled.mean(axis=0)
    deviation = filled - center
    covariance = _covariance(deviation)
    variance, modes = _descending_modes(covariance)
    share = np.cumsum(np.maximum(variance, 0.0)) / max(float(np.trace(covariance)), 1e-12)
    kept = min(int(np.searchsorted(share, MSPC_VARIANCE)) + 1, len(variance))
    modes, variance = np.ascontiguousarray(modes[:, :kept]), np.maximum(variance[:kept], 1e-9)
    projected = deviation @ modes
    t2 = (projected**2 / variance).sum(axis=1)
    spe = np.maximum((deviation**2).sum(axis=1) - (projected**2).sum(axis=1), 0.0)
    floor = 1e-6 * max(1.0, float((kind == layout.MOVING).sum()))
    return _Mspc(
        center=center,
        modes=modes,
        variance=variance,
        t2_limit=max(float(np.quantile(t2, MSPC_QUANTILE)), 1e-9),
        spe_limit=max(float(np.quantile(spe, MSPC_QUANTILE)), floor),
    )
