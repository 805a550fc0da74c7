"""Telemetry of a small linear process, for streams that belong to no simulated plant."""

import numpy as np

from industriverse.signals import NANOSECONDS_PER_SECOND, Channel, Frame

MINUTE_NS = 60 * NANOSECONDS_PER_SECOND


def wandering(rows: int, *, seed: int = 1, fault_from: int | None = None) -> Frame:
    """Two coupled channels a minute apart; from ``fault_from`` on the first one is displaced by ten sigmas."""
    generator = np.random.default_rng(seed)
    values = np.zeros((rows, 2))
    for row in range(1, rows):
        drive = 0.9 * values[row - 1] + 0.3 * values[row - 1, ::-1] * np.array([1.0, -1.0])
        values[row] = 0.8 * drive + generator.normal(size=2)
    if fault_from is not None:
        values[fault_from:, 0] += 25.0
    return Frame(np.arange(rows, dtype=np.int64) * MINUTE_NS, values, (Channel("a"), Channel("b")))
