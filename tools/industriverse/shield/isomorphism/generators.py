"""Signals of known kind, to measure with: one generator a noise profile. Simulated, and called so."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from industriverse.shield.isomorphism.noise_profiles import NoiseProfile

__all__ = ["GENERATORS", "generate_noise"]

Array = NDArray[np.float64]


def generate_noise(profile: NoiseProfile, samples: int, rng: np.random.Generator) -> Array:
    """A simulated signal of a profile with random parameters, shape (samples,), of random level and size."""
    signal = GENERATORS[profile](samples, rng)
    return np.asarray(rng.normal(0.0, 10.0) + rng.lognormal(0.0, 1.0) * signal)


def _power_law(samples: int, exponent: float, rng: np.random.Generator) -> Array:
    # Four times the length, cut from the middle: a periodic series would be too easy.
    count = 4 * samples
    frequency = np.fft.rfftfreq(count)
    frequency[0] = frequency[1]
    spectrum = np.fft.rfft(rng.standard_normal(count)) * frequency ** (-0.5 * exponent)
    long = np.fft.irfft(spectrum, count)
    return np.asarray(long[samples : 2 * samples] / long.std())


def _white(samples: int, rng: np.random.Generator) -> Array:
    return rng.standard_normal(samples)


def _pink(samples: int, rng: np.random.Generator) -> Array:
    return _power_law(samples, rng.uniform(0.85, 1.15), rng)


def _brown(samples: int, rng: np.random.Generator) -> Array:
    return np.asarray(np.cumsum(rng.standard_normal(samples)))


def _shot(samples: int, rng: np.random.Generator) -> Array:
    from scipy.signal import lfilter

    rate, memory = rng.uniform(0.005, 0.05), rng.uniform(0.0, 0.9)
    pulses = (rng.random(samples) < rate) * rng.exponential(1.0, samples)
    pulses[samples // 3] = 1.0
    return np.asarray(lfilter([1.0], [1.0, -memory], pulses)) + 0.02 * rng.standard_normal(samples)


def _quantised(samples: int, rng: np.random.Generator) -> Array:
    memory = rng.uniform(0.0, 0.98)
    walk = np.zeros(samples)
    shocks = rng.standard_normal(samples) * np.sqrt(1.0 - memory**2)
    for row in range(1, samples):
        walk[row] = memory * walk[row - 1] + shocks[row]
    return np.asarray(np.round(walk / rng.uniform(0.2, 0.9)))


def _telegraph(samples: int, rng: np.random.Generator) -> Array:
    state = np.cumsum(rng.random(samples) < rng.uniform(0.02, 0.2)) % 2
    return state + rng.uniform(0.0, 0.08) * rng.standard_normal(samples)


def _periodic(samples: int, rng: np.random.Generator) -> Array:
    phase = 2 * np.pi * np.arange(samples) / rng.uniform(5.0, samples / 8)
    wave = np.sin(phase) + rng.uniform(0.0, 0.5) * np.sin(2 * phase + rng.uniform(0, 6))
    return np.asarray(wave + rng.uniform(0.05, 0.5) * rng.standard_normal(samples))


def _frozen(samples: int, rng: np.random.Generator) -> Array:
    signal = _power_law(samples, rng.uniform(0.0, 2.0), rng)
    start = int(rng.integers(0, samples // 2))
    signal[start : start + int(rng.uniform(0.3, 0.5) * samples)] = signal[start]
    return signal


def _smoothed(samples: int, rng: np.random.Generator) -> Array:
    width = int(rng.integers(5, 20))
    raw = rng.standard_normal(samples + 4 * width)
    window = np.hanning(width + 2)[1:-1] if rng.random() < 0.5 else np.ones(width)
    return np.asarray(np.convolve(raw, window / window.sum(), mode="valid")[:samples])


def _replayed(samples: int, rng: np.random.Generator) -> Array:
    signal = _power_law(samples, rng.uniform(0.0, 1.5), rng)
    length = int(rng.uniform(0.15, 0.4) * samples)
    start = int(rng.integers(0, samples - 2 * length))
    target = int(rng.integers(start + length, samples - length + 1))
    signal[target : target + length] = signal[start : start + length]
    return signal


GENERATORS: dict[NoiseProfile, Callable[[int, np.random.Generator], Array]] = {
    NoiseProfile.WHITE: _white,
    NoiseProfile.PINK: _pink,
    NoiseProfile.BROWN: _brown,
    NoiseProfile.SHOT: _shot,
    NoiseProfile.QUANTISATION: _quantised,
    NoiseProfile.TELEGRAPH: _telegraph,
    NoiseProfile.PERIODIC: _periodic,
    NoiseProfile.FROZEN: _frozen,
    NoiseProfile.SMOOTHED: _smoothed,
    NoiseProfile.REPLAYED: _replayed,
}
