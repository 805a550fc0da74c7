"""A driven, irreversible linear process: the smallest thing with an equilibrium, a spectrum and currents."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from industriverse.eil.proof import EquilibriumReference, prove
from industriverse.signals import Channel, Frame

SECOND = 1_000_000_000
DIMENSION = 4
WINDOW = 96
ALPHA = 0.05


def simulate(rows: int, seed: int) -> NDArray[np.float64]:
    """Two damped rotations, mixed: a stationary VAR(1) whose currents do not vanish."""
    rng = np.random.default_rng(seed)
    turn = 0.85 * np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    dynamics = np.block([[turn, 0.2 * np.eye(2)], [np.zeros((2, 2)), 0.9 * turn.T]])
    state, samples = np.zeros(DIMENSION), np.empty((rows + 50, DIMENSION))
    for row in range(rows + 50):
        state = dynamics @ state + rng.normal(size=DIMENSION)
        samples[row] = state
    scaled: NDArray[np.float64] = samples[50:] * np.array([1.0, 20.0, 0.05, 3.0])
    scaled += np.array([0.0, 100.0, -1.0, 7.0])
    return scaled


def frame_of(values: NDArray[np.float64], start_s: int = 0) -> Frame:
    times = (np.arange(len(values)) + start_s) * SECOND
    channels = tuple(Channel(f"sensor-{i}", unit="m") for i in range(values.shape[1]))
    return Frame(times, values, channels)


def windows(count: int, seed: int) -> Iterator[NDArray[np.float64]]:
    samples = simulate(count * WINDOW, seed)
    return (samples[i * WINDOW : (i + 1) * WINDOW] for i in range(count))


@dataclass(frozen=True)
class Issuer:
    """A signing key with the reference it signs for."""

    reference: EquilibriumReference
    key: Ed25519PrivateKey
    public_pem: bytes
    calm: tuple[Frame, ...]

    def issue(
        self, window: Frame, *, nonce: bytes | None = None, previous: str | None = None
    ) -> dict[str, object]:
        return prove(
            window,
            self.reference,
            stream="tank-1",
            alpha=ALPHA,
            nonce=nonce,
            previous_digest=previous,
            signing_key=self.key,
            clock=lambda: 1_700_000_000 * SECOND,
        )
