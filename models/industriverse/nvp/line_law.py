"""Fields on a line whose equation nobody told: a conservative law from a small library, then its solver."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industriverse.nvp.field_errors import FieldShapeError, FieldValueError

__all__ = ["TERMS", "LineForecast", "LineLaw", "forecast_line", "infer_line_law", "modal_line"]

Array = NDArray[np.float64]
Spectrum = NDArray[np.complex128]

TERMS: Final = ("u_x", "(u2/2)_x", "(u3/3)_x", "u_xx", "u_xxx", "u_xxxx")
"""Terms of u_t, every one the derivative of a flux: whatever the coefficients, the integral of u is kept."""

_SUBSTEP_SHARE = 0.5
_MOST_SUBSTEPS = 2_000
_PAIRS = 16
_PARSIMONY = 1.05
# Below this share of the field's fluctuation a smaller error is no evidence for another term.
_NEGLIGIBLE = 1e-5


@dataclass(frozen=True)
class LineLaw:
    """u_t = sum of c_i term_i on a periodic line.

    Args:
        coefficients: By term; absent ones are zero.
        length: Period in metres.
        misfit: Relative one-frame error on frames kept from the fit.
    """

    coefficients: dict[str, float]
    length: float
    misfit: float = math.nan

    def _values(self) -> Array:
        return np.array([self.coefficients.get(term, 0.0) for term in TERMS])

    def advance(self, states: ArrayLike, frame_s: float) -> Array:
        """States (..., n) one frame later, by ETDRK4 with three-halves padding."""
        found = np.asarray(states, dtype=np.float64)
        return _advance(self._values(), found, frame_s, self.length)


@dataclass(frozen=True)
class LineForecast:
    """Frames ahead of a field on a line.

    Args:
        mean: (horizon, n).
        track: "persistence", "vector" (every Fourier mode on its own) or "law".
        residuals: Relative one-frame error on the last frames seen, by track.
        law: The law found, whichever track was taken.
    """

    mean: Array = field(repr=False)
    track: str
    residuals: dict[str, float]
    law: LineLaw


def _wavenumbers(cells: int, length: float) -> Array:
    return np.asarray(2 * np.pi * np.arange(cells // 2 + 1) / length, dtype=np.float64)


def _etd(z: Spectrum, step_s: float) -> tuple[Spectrum, ...]:
    """Coefficients of ETDRK4 by means over a circle (Kassam and Trefethen, SIAM J. Sci. Comput. 26, 2005)."""
    roots = np.exp(2j * np.pi * (np.arange(32) + 0.5) / 32)
    w = z[..., None] + roots
    e = np.exp(w)
    q = step_s * ((np.exp(w / 2) - 1) / w).mean(-1)
    f1 = step_s * ((-4 - w + e * (4 - 3 * w + w**2)) / w**3).mean(-1)
    f2 = step_s * ((2 + w + e * (-2 + w)) / w**3).mean(-1)
    f3 = step_s * ((-4 - 3 * w - w**2 + e * (4 - w)) / w**3).mean(-1)
    return np.exp(z), np.exp(z / 2), q, f1, f2, f3


def _advance(values: Array, states: Array, frame_s: float, length: float) -> Array:
    cells = states.shape[-1]
    k = _wavenumbers(cells, length)
    c1, c2, c3, c4, c5, c6 = values
    symbol = 1j * c1 * k - c4 * k**2 - 1j * c5 * k**3 + c6 * k**4
    # An ill-posed trial law must lose the comparison, not overflow.
    symbol = np.minimum(symbol.real, 5.0 / frame_s) + 1j * symbol.imag
    largest = float(np.abs(states).max())
    speed = abs(c2) * largest + abs(c3) * largest**2
    steps = int(np.clip(math.ceil(speed * frame_s * k[-1] / _SUBSTEP_SHARE / 2.8), 4, _MOST_SUBSTEPS))
    full, half, q, f1, f2, f3 = _etd(symbol * frame_s / steps, frame_s / steps)
    padded = 3 * cells // 2 + (3 * cells // 2) % 2

    def rate(s: Spectrum) -> Spectrum:
        wide = np.zeros((*s.shape[:-1], padded // 2 + 1), dtype=complex)
        wide[..., : cells // 2] = s[..., : cells // 2]
        u = np.fft.irfft(wide, n=padded) * (padded / cells)
        flux = np.fft.rfft(c2 * u * u / 2 + c3 * u**3 / 3)[..., : cells // 2 + 1] * (cells / padded)
        flux[..., cells // 2 :] = 0
        found: Spectrum = 1j * k * flux
        return found

    spectrum = np.fft.rfft(states)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            a = rate(spectrum)
            first = half * spectrum + q * a
            b = rate(first)
            second = half * spectrum + q * b
            c = rate(second)
            third = half * first + q * (2 * c - a)
            spectrum = full * spectrum + f1 * a + 2 * f2 * (b + c) + f3 * rate(third)
        moved: Array = np.fft.irfft(spectrum, n=cells)
    # A trial law that explodes loses the comparison; squares of its error must still be numbers.
    bound = 1e3 * (largest + 1.0)
    return np.clip(np.nan_to_num(moved, nan=bound, posinf=bound, neginf=-bound), -bound, bound)


def _checked(frames: ArrayLike, length: float, frame_s: float) -> Array:
    found = np.asarray(frames, dtype=np.float64)
    if found.ndim != 2 or found.shape[0] < 8 or found.shape[1] < 16 or found.shape[1] % 2:
        raise FieldShapeError(
            f"frames have the shape {found.shape}", hint="give (time >= 8, cells >= 16 and even)"
        )
    if not np.isfinite(found).all():
        raise FieldValueError("frames hold NaN or infinite values", hint="reconstruct them first")
    for name, value in (("length", length), ("frame_s", frame_s)):
        if not (math.isfinite(value) and value > 0):
            raise FieldValueError(f"{name} is {value}", hint="give a positive number")
    return found


def _library(frames: Array, length: float, kept: int) -> Spectrum:
    """Spectra of the terms below mode `kept`, (terms, time, kept)."""
    k = _wavenumbers(frames.shape[1], length)[:kept]
    one, two, three = (np.fft.rfft(power)[:, :kept] for power in (frames, frames**2 / 2, frames**3 / 3))
    return np.stack([1j * k * one, 1j * k * two, 1j * k * three, -(k**2) * one, -1j * k**3 * one, k**4 * one])


def _band(frames: Array) -> int:
    """Modes that stand above the floor of the spectrum: sensor noise and rounding live beyond."""
    power = (np.abs(np.fft.rfft(frames)) ** 2).mean(axis=0)[1:]
    floor = np.median(power[-len(power) // 4 :])
    above = np.nonzero(power > max(100 * floor, 1e-10 * power.max()))[0]
    return int(np.clip(above[-1] + 2 if len(above) else 8, 8, frames.shape[1] // 3))


def _weak(frames: Array, length: float, frame_s: float, kept: int) -> tuple[Array, Array]:
    """Integrated regression: u(t + 2 dt) - u(t) against Simpson's integral of each term."""
    terms = _library(frames, length, kept)
    integral = frame_s / 3 * (terms[:, :-2] + 4 * terms[:, 1:-1] + terms[:, 2:])
    spectrum = np.fft.rfft(frames)[:, :kept]
    target = (spectrum[2:] - spectrum[:-2]).ravel()
    columns = integral.reshape(len(TERMS), -1).T
    return np.vstack([columns.real, columns.imag]), np.concatenate([target.real, target.imag])


def _supports(matrix: Array, target: Array) -> list[tuple[list[int], Array]]:
    """Nested sets of terms by backward elimination, with their coefficients."""
    active, found = list(range(matrix.shape[1])), []
    while active:
        part = matrix[:, active]
        scale = np.linalg.norm(part, axis=0) + 1e-300
        solution = np.linalg.lstsq(part / scale, target, rcond=1e-12)[0]
        values = np.zeros(matrix.shape[1])
        values[active] = solution / scale
        found.append((list(active), values))
        losses = []
        for index in range(len(active)):
            rest = [a for k, a in enumerate(active) if k != index]
            sub = matrix[:, rest]
            fit = np.linalg.lstsq(sub, target, rcond=1e-12)[0] if rest else np.zeros(0)
            losses.append(float(np.linalg.norm(target - sub @ fit)))
        active.pop(int(np.argmin(losses)))
    return found


def _misfit(values: Array, before: Array, after: Array, frame_s: float, length: float, kept: int) -> Array:
    error = np.fft.rfft(_advance(values, before, frame_s, length) - after)[:, :kept].ravel()
    return np.concatenate([error.real, error.imag])


def _refined(
    values: Array,
    active: Sequence[int],
    before: Array,
    after: Array,
    frame_s: float,
    length: float,
    kept: int,
) -> Array:
    """Levenberg-Marquardt on the one-frame misfit of the solver over the active coefficients."""
    cost, damping = math.inf, 1e-3
    residual = _misfit(values, before, after, frame_s, length, kept)
    cost = float(residual @ residual)
    for _ in range(12):
        columns = []
        for index in active:
            moved = values.copy()
            step = 1e-5 * max(abs(values[index]), 1e-6)
            moved[index] += step
            columns.append((_misfit(moved, before, after, frame_s, length, kept) - residual) / step)
        jacobian = np.stack(columns, axis=1)
        scale = np.linalg.norm(jacobian, axis=0) + 1e-300
        normal = (jacobian / scale).T @ (jacobian / scale) + damping * np.eye(len(active))
        change = np.linalg.solve(normal, (jacobian / scale).T @ residual) / scale
        trial = values.copy()
        trial[list(active)] -= change
        following = _misfit(trial, before, after, frame_s, length, kept)
        reached = float(following @ following)
        if reached < cost:
            small = cost - reached < 1e-8 * cost
            values, residual, cost, damping = trial, following, reached, damping / 5
            if small:
                break
        else:
            damping *= 10
            if damping > 1e4:
                break
    return values


def _relative(predicted: Array, truth: Array) -> float:
    spread = float(np.linalg.norm(truth - truth.mean(axis=-1, keepdims=True)))
    return float(np.linalg.norm(predicted - truth)) / max(spread, 1e-300)


def infer_line_law(frames: ArrayLike, length: float, frame_s: float) -> LineLaw:
    """Finds a conservative law: weak regression, backward elimination, refinement by the solver itself.

    Sets of terms are nested; each is refined on the first three quarters of the frames and judged by its
    one-frame error on the rest. The smallest set within 5 % of the best wins.

    Args:
        frames: (time >= 8, cells), evenly spaced in time and on a periodic line, oldest first.
        length: Period of the line, metres.
        frame_s: Seconds between frames.

    Raises:
        FieldShapeError: Too few frames or an odd number of cells.
        FieldValueError: Values that are not finite, or a length or time step that is not positive.
    """
    seen = _checked(frames, length, frame_s)
    kept = _band(seen)
    cut = max(4, 3 * len(seen) // 4)
    pairs = np.unique(np.linspace(0, cut - 2, min(_PAIRS, cut - 1)).round().astype(int))
    judged = np.arange(cut - 1, len(seen) - 1)
    matrix, target = _weak(seen[:cut], length, frame_s, kept)
    found: list[tuple[int, float, Array]] = []
    for active, start in _supports(matrix, target):
        values = _refined(start, active, seen[pairs], seen[pairs + 1], frame_s, length, kept)
        error = _relative(_advance(values, seen[judged], frame_s, length), seen[judged + 1])
        found.append((len(active), error, values))
    allowed = max(_PARSIMONY * min(error for _, error, _ in found), _NEGLIGIBLE)
    _, error, values = min((item for item in found if item[1] <= allowed), key=lambda item: item[0])
    chosen = {term: float(value) for term, value in zip(TERMS, values, strict=True) if value != 0.0}
    return LineLaw(chosen, length, error)


def modal_line(frames: ArrayLike) -> NDArray[np.complex128]:
    """Factor of every Fourier mode from frame to frame by least squares, none growing, (cells/2 + 1,)."""
    spectra = np.fft.rfft(np.asarray(frames, dtype=np.float64))
    power = (np.abs(spectra[:-1]) ** 2).sum(axis=0)
    factor: NDArray[np.complex128] = (spectra[:-1].conj() * spectra[1:]).sum(axis=0) / (
        power + 1e-8 * power.max() + 1e-300
    )
    factor = factor / np.maximum(np.abs(factor), 1.0)
    factor[0] = 1.0
    return factor


def forecast_line(frames: ArrayLike, length: float, frame_s: float, horizon: int) -> LineForecast:
    """Forecasts a field on a line by persistence, dynamic modes or the law found, whichever last did best.

    Args:
        frames: (time >= 8, cells), oldest first, periodic.
        length: Period, metres.
        frame_s: Seconds between frames.
        horizon: Frames ahead.

    Raises:
        FieldError: As `infer_line_law`; or a horizon below 1.
    """
    seen = _checked(frames, length, frame_s)
    if horizon < 1:
        raise FieldValueError(f"horizon is {horizon}", hint="give at least 1 frame")
    law = infer_line_law(seen, length, frame_s)
    cut = max(4, 3 * len(seen) // 4)
    factor, cells = modal_line(seen[:cut]), seen.shape[1]
    before, after = seen[cut - 1 : -1], seen[cut:]
    residuals = {
        "persistence": _relative(before, after),
        "vector": _relative(np.fft.irfft(factor * np.fft.rfft(before), n=cells), after),
        "law": law.misfit,
    }
    track = min(residuals, key=lambda name: residuals[name])
    state, states = seen[-1], []
    factor = modal_line(seen)
    for _ in range(horizon):
        if track == "law":
            state = law.advance(state, frame_s)
        elif track == "vector":
            state = np.fft.irfft(factor * np.fft.rfft(state), n=cells)
        states.append(state)
    return LineForecast(np.stack(states), track, residuals, law)
