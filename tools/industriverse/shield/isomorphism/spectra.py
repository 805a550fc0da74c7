"""Spectral shapes compared by Whittle's likelihood: power laws and a low-pass filtered floor."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["SpectrumFit", "best_spectrum"]

Array = NDArray[np.float64]

EXPONENTS = np.linspace(-0.5, 2.6, 63)
WHITE_BELOW, PINK_BELOW, BROWN_BELOW = 0.5, 1.5, 2.45
CORNERS = np.geomspace(0.01, 0.25, 24)  # cycles per sample
FILTER_ORDERS = (1.0, 2.0, 4.0, 8.0)
NULL_FLOOR = 1e-6  # rounding and leakage fill the nulls of a filter
LOWEST_FIT_P = 1e-5
NEEDED_GAIN = 6.0  # nats by which a second parameter must raise the likelihood beyond the criterion


@dataclass(frozen=True, slots=True)
class SpectrumFit:
    """The shape that explains a spectrum best.

    Attributes:
        name: ``white``, ``pink``, ``brown`` or ``smoothed``.
        weight: Posterior weight among the shapes compared, from the information criterion.
        text: The shape with its parameters.
    """

    name: str
    weight: float
    text: str


def best_spectrum(values: Array) -> SpectrumFit | None:
    """The best shape for an equidistant series, shape (n,); None if none is acceptable."""
    frequency, power = _periodogram(values)
    if power is None:
        return None
    laws = [(_deviance(power, frequency ** (-exponent)), exponent) for exponent in EXPONENTS]
    law_deviance, exponent = min(laws)
    texts, shapes = _filters(len(values))
    deviances = np.log((power / shapes).mean(axis=1)) * len(power) + np.log(shapes).sum(axis=1) + len(power)
    chosen = int(np.argmin(deviances))
    filter_deviance, text, filtered = float(deviances[chosen]), texts[chosen], shapes[chosen]
    penalty = 0.5 * np.log(len(power))
    gain = law_deviance - filter_deviance - penalty
    smoothed = gain > NEEDED_GAIN
    shape = filtered if smoothed else frequency ** (-exponent)
    if _fit_p(power, shape) < LOWEST_FIT_P:
        return None
    weight = float(1.0 / (1.0 + np.exp(-min(abs(gain - NEEDED_GAIN), 50.0))))
    if smoothed:
        return SpectrumFit("smoothed", weight, f"a white floor through {text}")
    name = "white" if exponent < WHITE_BELOW else "pink" if exponent < PINK_BELOW else "brown"
    if exponent > BROWN_BELOW:
        return None
    return SpectrumFit(name, weight, f"power falls as frequency to the -{max(exponent, 0.0):.2f}")


@lru_cache(maxsize=8)
def _filters(samples: int) -> tuple[tuple[str, ...], Array]:
    """White noise through low-pass filters: recursive ones, and moving averages with their nulls."""
    frequency = np.fft.rfftfreq(samples)[_kept(samples // 2 + 1)]
    texts, shapes = [], []
    for corner in CORNERS:
        for order in FILTER_ORDERS:
            texts.append(f"a low-pass of order {order:g} at {corner:.3g} cycles per sample")
            shapes.append(1.0 / (1.0 + (frequency / corner) ** (2.0 * order)))
    for width in range(3, 41):
        phases = np.exp(-2j * np.pi * np.outer(frequency, np.arange(width)))
        for name, window in (("flat", np.ones(width)), ("Hann", np.hanning(width + 2)[1:-1])):
            texts.append(f"a {name} average over {width} samples")
            shapes.append(np.abs(phases @ (window / window.sum())) ** 2)
    return tuple(texts), np.asarray(shapes) + NULL_FLOOR


def _kept(count: int) -> slice:
    """The two lowest frequencies hold trends; a Hann taper ties neighbours, so every second one is nearly free."""
    return slice(3, count - 1, 2)


def _periodogram(values: Array) -> tuple[Array, Array | None]:
    """Periodogram with a taper against leakage."""
    centred = values - values.mean()
    power = np.abs(np.fft.rfft(centred * np.hanning(len(centred)))) ** 2
    frequency: Array = np.fft.rfftfreq(len(centred)).astype(np.float64)
    kept = _kept(len(power))
    if not float(power[kept].sum()) > 0.0:
        return frequency, None
    return frequency[kept], power[kept]


def _deviance(power: Array, shape: Array) -> float:
    """Whittle's negative log-likelihood with the level profiled out."""
    level = float((power / shape).mean())
    return float(np.log(level * shape).sum() + len(power))


def _fit_p(power: Array, shape: Array) -> float:
    """Kolmogorov-Smirnov p that the ratio of spectrum and shape is exponential, as it is for the true shape."""
    from scipy.stats import kstest

    ratio = power / shape
    return float(kstest(ratio / ratio.mean(), "expon").pvalue)
