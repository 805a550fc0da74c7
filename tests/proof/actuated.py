"""A simulation of a tank in closed loop: level and outflow, and a valve that can be excited."""

import numpy as np
from numpy.typing import NDArray

from industriverse.eil.proof import Actuator, Challenge, Watermark, WatermarkModel
from industriverse.signals import Frame
from proof.irreversible import SECOND, frame_of

VALVE = Actuator("valve", low=0.0, high=100.0, share=0.02)
SECRET = bytes(range(32))
NONCE = b"drawn by the verifier"


def challenge_of(nonce: bytes = NONCE, *, start_s: int = 0, actuator: Actuator = VALVE) -> Challenge:
    return Challenge.from_secret(SECRET, nonce, actuator, start_ns=start_s * SECOND, interval_s=1.0)


def tank(excitation: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Level (m), outflow (l/s) and an unrelated temperature under a proportional controller, shape (n, 3)."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(len(excitation) + 100, 3))
    level, outflow, room, samples = 0.0, 0.0, 0.0, []
    for row, shock in enumerate(noise):
        extra = excitation[row - 100] if row >= 100 else 0.0
        samples.append([level + 0.02 * shock[1], outflow, room])
        valve = -40.0 * level + extra
        outflow += 0.5 * (level - outflow)
        level += 0.01 * valve + 0.02 * shock[0]
        room = 0.9 * room + shock[2]
    run: NDArray[np.float64] = np.array(samples[100:]) * np.array([1.0, 30.0, 0.5])
    run += np.array([2.0, 50.0, 20.0])
    return run


def marked(challenge: Challenge, rows: int, seed: int, *, first: int = 0) -> Frame:
    """Live samples of the tank from a sample of the challenge on."""
    start_s = challenge.start_ns // SECOND + first
    return frame_of(tank(challenge.excitation(first, rows), seed), start_s=start_s)


def commissioned(rows: int = 6000) -> WatermarkModel:
    challenge = challenge_of(b"commissioning")
    return WatermarkModel.fit(marked(challenge, rows, seed=1), challenge)


def watermark(model: WatermarkModel, nonce: bytes = NONCE, *, start_s: int = 0) -> Watermark:
    return Watermark(model, challenge_of(nonce, start_s=start_s))
