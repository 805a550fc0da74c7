"""The structures that canonical systems are told apart by, from the most to the least specific."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["HYPOTHESES", "Hypothesis", "relaxation_times"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One verdict: whether the necessary conditions of a system hold, and how much its structure explains."""

    system: str
    holds: bool
    fit: float
    reason: str


def _explained(target: Array, predicted: Array) -> float:
    """Share of the target's movement that a prediction explains, at most 1."""
    return 1.0 - float(
        ((target - predicted) ** 2).sum() / max(((target - target.mean(0)) ** 2).sum(), 1e-300)
    )


def _halves(data: Array) -> tuple[Array, Array]:
    half = len(data) // 2
    return data[:half], data[half:]


def _transition(data: Array) -> Array:
    """Least-squares one-step map of standardised data, a little ridge against collinear sensors."""
    standard = (data - data.mean(axis=0)) / data.std(axis=0)
    before, after = standard[:-1], standard[1:]
    gram = before.T @ before + 1e-6 * len(before) * np.eye(data.shape[1])
    return np.asarray(np.linalg.solve(gram, before.T @ after).T)


def relaxation_times(data: Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Relaxation times of the one-step map, longest first, and periods of its oscillating modes, samples."""
    eigenvalues = np.linalg.eigvals(_transition(data))
    modulus = np.clip(np.abs(eigenvalues), 1e-9, 1.0 - 1e-9)
    times = sorted((-1.0 / np.log(modulus)).tolist(), reverse=True)
    angles = np.abs(np.angle(eigenvalues[eigenvalues.imag > 0.02]))
    return tuple(times), tuple(sorted((2.0 * np.pi / angles[angles > 0]).tolist(), reverse=True))


def _epidemic(data: Array) -> Hypothesis:
    """Two or three non-negative populations, one only falling, that obey mass action."""
    name = "epidemic"
    if data.shape[1] not in (2, 3) or data.min() < -0.05 * np.abs(data).max():
        return Hypothesis(name, False, 0.0, "needs two or three populations")
    scale = data.max()
    smooth = _smoothed(data / scale, max(3, len(data) // 40))
    rise = smooth[-1] - smooth[0]
    movement = np.abs(np.diff(smooth, axis=0)).sum(axis=0)
    susceptible = int(np.argmin(rise / np.maximum(movement, 1e-12)))
    falls = -float(rise[susceptible]) / max(float(movement[susceptible]), 1e-12)
    others = [j for j in range(data.shape[1]) if j != susceptible]
    infected = max(others, key=lambda j: smooth[:, j].max() - max(smooth[0, j], smooth[-1, j]))
    product = smooth[:, susceptible] * smooth[:, infected]
    loss = -np.gradient(smooth[:, susceptible])
    change = np.gradient(smooth[:, infected])
    contact = float(product @ loss) / max(float(product @ product), 1e-300)
    recovery = float(smooth[:, infected] @ (loss - change)) / max(
        float((smooth[:, infected] ** 2).sum()), 1e-300
    )
    spread = _explained(loss[:, None], (contact * product)[:, None])
    growth = _explained(change[:, None], (contact * product - recovery * smooth[:, infected])[:, None])
    fit = min(spread, growth)
    holds = falls > 0.97 and fit > 0.8 and contact > 0 and recovery > 0
    reason = f"one population falls for good and mass action explains {fit:.0%} of the spread"
    return Hypothesis(name, holds, max(fit, 0.0), reason)


def _smoothed(data: Array, width: int) -> Array:
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(data, width / 4.0, axis=0, mode="nearest"))


def _predator_prey(data: Array) -> Hypothesis:
    """Two positive populations: the growth rate of each follows the other, with opposite signs."""
    name = "predator_prey"
    if data.shape[1] != 2 or data.min() <= 0:
        return Hypothesis(name, False, 0.0, "needs two positive populations")
    logs = _smoothed(np.log(data), 6)
    levels = np.exp(logs)
    rates = np.gradient(logs, axis=0)
    fits, slopes = [], []
    for own, other in ((0, 1), (1, 0)):
        design = np.stack([np.ones(len(data)), levels[:, other]], axis=1)
        fit_design, held_design = _halves(design)
        fit_rate, held_rate = _halves(rates[:, own])
        coefficients = np.linalg.lstsq(fit_design, fit_rate, rcond=None)[0]
        fits.append(_explained(held_rate[:, None], (held_design @ coefficients)[:, None]))
        slopes.append(float(coefficients[1]))
    fit = min(fits)
    # In the linear regime this is an oscillator: the populations must swing by more than half their mean.
    swing = float((data.std(axis=0) / data.mean(axis=0)).min())
    holds = fit > 0.7 and slopes[0] * slopes[1] < 0 and swing > 0.15
    return Hypothesis(
        name, holds, max(fit, 0.0), f"growth rates follow the other population, {fit:.0%} explained"
    )


def _queue(data: Array) -> Hypothesis:
    """One non-negative level that drifts to an empty floor at a rate that does not grow with the level."""
    name = "queue"
    if data.shape[1] != 1:
        return Hypothesis(name, False, 0.0, "needs one level")
    level = data[:, 0]
    noise = 4.0 * float(np.median(np.abs(np.diff(np.sort(level)))[: len(level) // 10])) + 0.02 * level.std()
    floor = float(np.quantile(level, 0.01))
    empty = float((level < floor + noise + 1e-9 * level.std()).mean())
    above = level[:-1] > floor + 0.3 * level.std()
    steps = np.diff(level)
    if empty < 0.02 or abs(floor) > 0.2 * level.std() or above.sum() < 50:
        return Hypothesis(name, False, 0.0, f"empty {empty:.0%} of the time; a queue runs empty now and then")
    x, y = level[:-1][above], steps[above]
    slope, offset = np.polyfit(x, y, 1)
    drift_low, drift_high = offset + slope * np.quantile(x, 0.2), offset + slope * np.quantile(x, 0.8)
    error = float(y.std() / (x.std() * np.sqrt(len(x))))
    skewed = float(((level - level.mean()) ** 3).mean() / level.std() ** 3)
    # A level with a restoring force leaves the floor on the other side and falls faster the higher it is.
    lag1 = float(np.corrcoef(level[:-1], level[1:])[0, 1])
    holds = skewed > 0.5 and lag1 > 0.6 and slope > -0.12 - 2 * error
    reason = f"empty {empty:.0%} of the time, skewed {skewed:.2f}, drift {drift_low:.3g} low and {drift_high:.3g} high"
    return Hypothesis(name, holds, max(lag1, 0.0) ** 2, reason)


def _advection(data: Array) -> Hypothesis:
    """Each channel repeats the one before it after the same delay."""
    name = "advection"
    size = data.shape[1]
    if size < 3:
        return Hypothesis(name, False, 0.0, "needs three places or more")
    standard = (data - data.mean(axis=0)) / data.std(axis=0)
    limit = min(len(data) // 4, 60)
    lags, agreement, ahead = [], [], []
    for j in range(size - 1):
        correlations = [
            float((standard[max(0, -lag) : len(data) - max(0, lag), j]
                   * standard[max(0, lag) : len(data) - max(0, -lag), j + 1]).mean())
            for lag in range(-limit, limit + 1)
        ]  # fmt: skip
        best = int(np.argmax(correlations))
        lags.append(best - limit)
        agreement.append(correlations[best])
        ahead.append(correlations[best] - correlations[limit])
    delay = float(np.median(lags))
    same = float(np.mean([abs(lag - delay) <= 1 for lag in lags]))
    fit = float(np.clip(np.min(agreement), 0.0, 1.0)) ** 2
    # Neighbours that even out also agree best with a little delay; a pipe agrees much better with it.
    holds = abs(delay) >= 1 and same > 0.8 and fit > 0.5 and (fit > 0.9 or float(np.min(ahead)) > 0.15)
    return Hypothesis(
        name, holds, fit, f"each place repeats the one before after {delay:g} samples ({fit:.0%})"
    )


def _oscillator(data: Array) -> Hypothesis:
    """A damped rotation: a complex pair close to the unit circle that carries the movement."""
    name = "oscillator"
    if data.shape[1] > 4:
        return Hypothesis(name, False, 0.0, "needs one oscillating pair")
    standard = (data - data.mean(axis=0)) / data.std(axis=0)
    lagged = standard if data.shape[1] >= 2 else np.column_stack([standard[1:, 0], standard[:-1, 0]])
    fit_rows, held_rows = _halves(lagged)
    gram = fit_rows[:-1].T @ fit_rows[:-1] + 1e-6 * len(fit_rows) * np.eye(lagged.shape[1])
    step = np.asarray(np.linalg.solve(gram, fit_rows[:-1].T @ fit_rows[1:]).T, dtype=np.float64)
    eigenvalues = np.linalg.eigvals(step)
    pair = eigenvalues[np.argmax(np.abs(eigenvalues))]
    fit = max(_explained(held_rows[1:], held_rows[:-1] @ step.T), 0.0)
    turns = abs(float(np.angle(pair))) / max(-float(np.log(min(abs(pair), 1 - 1e-9))), 1e-9)
    holds = abs(pair.imag) > 0.03 and turns > 3.0 and fit > 0.7 and _linear_enough(held_rows, step)
    period = 2 * np.pi / max(abs(float(np.angle(pair))), 1e-9)
    return Hypothesis(
        name, holds, fit, f"rotates once in {period:.3g} samples, {turns:.3g} radians a decay time"
    )


def _linear_enough(rows: Array, step: Array) -> bool:
    """Whether what the linear step leaves is unrelated to squares of the state."""
    error = rows[1:] - rows[:-1] @ step.T
    upper = np.triu_indices(rows.shape[1])
    squares = (rows[:-1, :, None] * rows[:-1, None, :])[:, upper[0], upper[1]]
    squares = squares - squares.mean(axis=0)
    fitted = squares @ np.linalg.lstsq(squares, error, rcond=None)[0]
    return _explained(error, fitted) < 0.2


def _relaxation(data: Array) -> Hypothesis:
    """Neighbours on a line even out: a symmetric step with non-negative couplings and real relaxation times."""
    name = "relaxation"
    size = data.shape[1]
    if size < 3:
        return Hypothesis(name, False, 0.0, "needs three places or more")
    centred = data - data.mean(axis=0)
    scale = centred.std()
    gram = centred[:-1].T @ centred[:-1] + 1e-6 * len(data) * scale**2 * np.eye(size)
    step = np.linalg.solve(gram, centred[:-1].T @ centred[1:]).T
    eigenvalues = np.linalg.eigvals(step)
    turning = float(np.abs(eigenvalues.imag).max())
    distance = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    near, far = step[distance == 1], step[distance > 1]
    coupled = float(near.mean())
    asymmetry = float(np.abs(step - step.T)[distance == 1].mean()) / max(abs(coupled), 1e-9)
    fit = max(_explained(centred[1:], centred[:-1] @ step.T), 0.0)
    local = coupled - 3.0 * float(np.abs(far).mean()) if far.size else coupled
    holds = (
        turning < 0.1 and coupled > 0.03 and local > 0 and asymmetry < 0.6 and near.min() > 0 and fit > 0.2
    )
    reason = f"neighbours even out with coupling {coupled:.2f}, {fit:.0%} of the movement explained"
    return Hypothesis(name, holds, fit, reason)


def _restoring(data: Array) -> Hypothesis:
    """Each channel is pulled back to its mean in proportion to its distance, and hears of no other."""
    name = "restoring_walk"
    step = _transition(data)
    own = np.diag(step)
    cross = float(np.abs(step - np.diag(own)).max()) if len(step) > 1 else 0.0
    standard = (data - data.mean(axis=0)) / data.std(axis=0)
    innovation = standard[1:] - standard[:-1] * own
    fit = max(_explained(standard[1:], standard[:-1] * own), 0.0)
    lags = [
        float(np.abs((innovation[lag:] * innovation[:-lag]).mean(axis=0) / innovation.var(axis=0)).max())
        for lag in (1, 2, 3)
    ]
    kurtosis = float(np.abs((innovation**4).mean(axis=0) / innovation.var(axis=0) ** 2 - 3).max())
    limit = NOISE_LIMIT / np.sqrt(len(data))
    holds = (
        own.min() > 0.3
        and own.max() < 0.999
        and cross < limit
        and max(lags) < limit + 0.03
        and kurtosis < 1.5
    )
    holds = holds and _linear_enough(standard, np.diag(own))
    slowest = -1.0 / np.log(np.clip(own.max(), 1e-9, 1 - 1e-9))
    return Hypothesis(
        name, holds, fit, f"pulled back within {slowest:.3g} samples, couplings below {cross:.2g}"
    )


NOISE_LIMIT: Final = 4.0  # standard errors of a coefficient that is zero

HYPOTHESES: Final = (
    _epidemic,
    _predator_prey,
    _queue,
    _advection,
    _relaxation,
    _oscillator,
    _restoring,
)
