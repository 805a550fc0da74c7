"""Forgeries of a clean window: what somebody between the process and the issuer could hand in."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FORGERIES", "Forger"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Forger:
    """What the forger has: recorded clean windows and the law that can be estimated from them.

    Attributes:
        recorded: Clean windows from before the test, each (n, d).
        mean: Shape (d,).
        deviation: Shape (d,), zero where a channel never varied.
        covariance: Shape (d, d).
        symmetric: Shape (d, d); reversible one-step dynamics in whitened coordinates.
        unwhiten: Shape (d, d); whitened times this gives the channels' units.
    """

    recorded: tuple[Array, ...]
    mean: Array
    deviation: Array
    covariance: Array
    symmetric: Array
    unwhiten: Array

    @classmethod
    def watching(cls, clean: Array, recorded: tuple[Array, ...]) -> "Forger":
        """Estimate the law from clean samples, shape (n, d)."""
        mean, covariance = clean.mean(axis=0), np.atleast_2d(np.cov(clean, rowvar=False))
        scale = np.maximum(clean.std(axis=0), 1e-12)
        correlation = covariance / np.outer(scale, scale)
        variance, vectors = np.linalg.eigh(correlation)
        variance = np.maximum(variance, 1e-6)
        white = (clean - mean) / scale @ (vectors / np.sqrt(variance))
        lagged = white[1:].T @ white[:-1] / (len(white) - 1)
        values, modes = np.linalg.eigh(0.5 * (lagged + lagged.T))
        symmetric = (modes * np.clip(values, -0.999, 0.999)) @ modes.T
        return cls(
            recorded,
            mean,
            clean.std(axis=0),
            covariance,
            symmetric,
            (np.sqrt(variance)[:, None] * vectors.T) * scale,
        )

    def some_channels(self, share: float, rng: np.random.Generator) -> NDArray[np.intp]:
        """A share of the channels that vary, at least one."""
        moving = np.flatnonzero(self.deviation > 0)
        return rng.choice(moving, max(1, round(share * len(moving))), replace=False)

    def other(self, rng: np.random.Generator) -> Array:
        return self.recorded[rng.integers(len(self.recorded))]


def _clean(window: Array, forger: Forger, rng: np.random.Generator) -> Array:
    return window


def _bias(window: Array, forger: Forger, rng: np.random.Generator) -> Array:
    """Two clean standard deviations on a tenth of the channels."""
    forged = window.copy()
    chosen = forger.some_channels(0.1, rng)
    forged[:, chosen] += 2.0 * forger.deviation[chosen]
    return forged


def _freeze(window: Array, forger: Forger, rng: np.random.Generator) -> Array:
    forged = window.copy()
    chosen = forger.some_channels(0.1, rng)
    forged[:, chosen] = forged[0, chosen]
    return forged


def _partial_replay(window: Array, forger: Forger, rng: np.random.Generator) -> Array:
    forged = window.copy()
    chosen = forger.some_channels(0.25, rng)
    forged[:, chosen] = forger.other(rng)[:, chosen]
    return forged


def _full_replay(window: Array, forger: Forger, rng: np.random.Generator) -> Array:
    return forger.other(rng)


def _independent(window: Array, forger: Forger, rng: np.random.Generator) -> Array:
    return rng.multivariate_normal(forger.mean, forger.covariance, len(window), check_valid="ignore")


def _shuffle(window: Array, forger: Forger, rng: np.random.Generator) -> Array:
    return rng.permutation(window)


def _independent_phases(window: Array, forger: Forger, rng: np.random.Generator) -> Array:
    return _phases(window, rng.uniform(0, 2 * np.pi, (len(window) // 2 + 1, window.shape[1])))


def _joint_phases(window: Array, forger: Forger, rng: np.random.Generator) -> Array:
    return _phases(window, rng.uniform(0, 2 * np.pi, (len(window) // 2 + 1, 1)))


def _phases(window: Array, phases: Array) -> Array:
    """Phase-randomised surrogate: Theiler et al., Physica D 58 (1992); joint: Prichard & Theiler, PRL 73 (1994)."""
    turn = np.exp(1j * phases)
    turn[0] = 1.0
    if len(window) % 2 == 0:
        turn[-1] = 1.0
    return np.asarray(np.fft.irfft(np.fft.rfft(window, axis=0) * turn, len(window), axis=0))


def _reversible(window: Array, forger: Forger, rng: np.random.Generator) -> Array:
    """A process of the right covariance whose one-step dynamics are symmetrised: no currents."""
    dimension = len(forger.mean)
    values, modes = np.linalg.eigh(forger.symmetric)
    noise = rng.normal(size=(len(window) + 100, dimension)) * np.sqrt(1.0 - values**2)
    state, states = rng.normal(size=dimension), np.empty_like(noise)
    for row, shock in enumerate(noise):
        state = values * state + shock
        states[row] = state
    return states[100:] @ modes.T @ forger.unwhiten + forger.mean


def _reversal(window: Array, forger: Forger, rng: np.random.Generator) -> Array:
    return np.ascontiguousarray(window[::-1])


FORGERIES: dict[str, Callable[[Array, Forger, np.random.Generator], Array]] = {
    "clean": _clean,
    "bias": _bias,
    "freeze": _freeze,
    "partial replay": _partial_replay,
    "full replay": _full_replay,
    "iid forgery": _independent,
    "time shuffle": _shuffle,
    "independent phases": _independent_phases,
    "joint phases": _joint_phases,
    "reversible surrogate": _reversible,
    "time reversal": _reversal,
}
