"""Forgeries of a clean window: what somebody between the process and the issuer could hand in."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FORGERIES", "Attempt", "Forger"]

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
        """Any recorded clean window."""
        return self.recorded[rng.integers(len(self.recorded))]


@dataclass(frozen=True, eq=False)
class Attempt:
    """One forgery to be made: the live window (n, d), the forger, and chance."""

    window: Array
    forger: Forger
    rng: np.random.Generator


def _clean(attempt: Attempt) -> Array:
    return attempt.window


def _bias(attempt: Attempt) -> Array:
    """Two clean standard deviations on a tenth of the channels."""
    forged = attempt.window.copy()
    chosen = attempt.forger.some_channels(0.1, attempt.rng)
    forged[:, chosen] += 2.0 * attempt.forger.deviation[chosen]
    return forged


def _freeze(attempt: Attempt) -> Array:
    forged = attempt.window.copy()
    chosen = attempt.forger.some_channels(0.1, attempt.rng)
    forged[:, chosen] = forged[0, chosen]
    return forged


def _partial_replay(attempt: Attempt) -> Array:
    forged = attempt.window.copy()
    chosen = attempt.forger.some_channels(0.25, attempt.rng)
    forged[:, chosen] = attempt.forger.other(attempt.rng)[:, chosen]
    return forged


def _full_replay(attempt: Attempt) -> Array:
    return attempt.forger.other(attempt.rng)


def _independent(attempt: Attempt) -> Array:
    return attempt.rng.multivariate_normal(
        attempt.forger.mean, attempt.forger.covariance, len(attempt.window), check_valid="ignore"
    )


def _shuffle(attempt: Attempt) -> Array:
    return attempt.rng.permutation(attempt.window)


def _independent_phases(attempt: Attempt) -> Array:
    return _phases(
        attempt.window,
        attempt.rng.uniform(0, 2 * np.pi, (len(attempt.window) // 2 + 1, attempt.window.shape[1])),
    )


def _joint_phases(attempt: Attempt) -> Array:
    return _phases(attempt.window, attempt.rng.uniform(0, 2 * np.pi, (len(attempt.window) // 2 + 1, 1)))


def _phases(window: Array, phases: Array) -> Array:
    """Phase-randomised surrogate: Theiler et al., Physica D 58 (1992); joint: Prichard & Theiler, PRL 73 (1994)."""
    turn = np.exp(1j * phases)
    turn[0] = 1.0
    if len(window) % 2 == 0:
        turn[-1] = 1.0
    return np.asarray(np.fft.irfft(np.fft.rfft(window, axis=0) * turn, len(window), axis=0))


def _reversible(attempt: Attempt) -> Array:
    """A process of the right covariance whose one-step dynamics are symmetrised: no currents."""
    dimension = len(attempt.forger.mean)
    values, modes = np.linalg.eigh(attempt.forger.symmetric)
    noise = attempt.rng.normal(size=(len(attempt.window) + 100, dimension)) * np.sqrt(1.0 - values**2)
    state, states = attempt.rng.normal(size=dimension), np.empty_like(noise)
    for row, shock in enumerate(noise):
        state = values * state + shock
        states[row] = state
    whitened: Array = states[100:] @ modes.T
    return whitened @ attempt.forger.unwhiten + attempt.forger.mean


def _reversal(attempt: Attempt) -> Array:
    return np.ascontiguousarray(attempt.window[::-1])


FORGERIES: dict[str, Callable[[Attempt], Array]] = {
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
