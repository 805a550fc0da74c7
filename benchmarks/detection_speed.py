"""CPU time of one sample: in blocks, one by one through ``update``, and beside what people would use instead."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from industriverse.eil.detector import Detector
from industriverse.signals import NANOSECONDS_PER_SECOND, Channel, Frame

__all__ = ["SpeedLine", "measure_speed"]

Array = NDArray[np.float64]

CLEAN_ROWS = 2000
BLOCK_ROWS = 5000
SINGLE_ROWS = 2000
REPEATS = 5
CHANNELS = (50, 200, 1000)
RIVALS_AT = 50


@dataclass(frozen=True, slots=True)
class SpeedLine:
    """Time and memory of one method at one width.

    Attributes:
        method: Name of the method and how it is called.
        channels: Number of channels.
        us_per_sample: CPU time a sample, best of the repeats, microseconds.
        stream_kib: Memory that one stream keeps between samples, KiB; NaN where unknown.
        target_us: Target, microseconds; NaN where there is none.
    """

    method: str
    channels: int
    us_per_sample: float
    stream_kib: float = float("nan")
    target_us: float = float("nan")

    def text(self) -> str:
        """The line for a terminal."""
        target = "" if np.isnan(self.target_us) else f"  target {self.target_us:g}"
        memory = "" if np.isnan(self.stream_kib) else f"  {self.stream_kib:.0f} KiB a stream"
        return f"{self.method:32}{self.channels:6} channels{self.us_per_sample:12.2f} us{target}{memory}"


def _stream(rows: int, channels: int) -> Array:
    """A stable VAR(1), shape (rows, channels)."""
    generator = np.random.default_rng(7)
    values = np.zeros((rows, channels))
    for t in range(1, rows):
        values[t] = 0.6 * values[t - 1] + 0.1 * np.roll(values[t - 1], 1) + generator.normal(size=channels)
    return values


def _best(work: Callable[[], None], samples: int) -> float:
    spent = []
    for _ in range(REPEATS):
        started = time.process_time()
        work()
        spent.append(time.process_time() - started)
    return 1e6 * min(spent) / samples


def _ours(channels: int) -> list[SpeedLine]:
    values = _stream(CLEAN_ROWS + BLOCK_ROWS, channels)
    times = np.arange(len(values), dtype=np.int64) * NANOSECONDS_PER_SECOND
    frame = Frame(times, values, tuple(Channel(f"c{j}") for j in range(channels)))
    detector = Detector().fit(frame.rows(0, CLEAN_ROWS))
    ahead = frame.rows(CLEAN_ROWS)

    def block() -> None:
        detector.reset()
        detector.score(ahead)

    def single() -> None:
        detector.reset()
        for row in range(SINGLE_ROWS):
            detector.update(int(ahead.timestamps_ns[row]), ahead.values[row])

    reference = detector.reference
    arrays = (*reference.model.arrays(), *reference.initial.arrays())
    memory = sum(array.nbytes for array in arrays) / 1024
    targets = {50: (10.0, 20.0), 200: (60.0, 60.0)}.get(channels, (float("nan"), float("nan")))
    block()
    return [
        SpeedLine("industriverse, blocks", channels, _best(block, BLOCK_ROWS), memory, targets[0]),
        SpeedLine("industriverse, one by one", channels, _best(single, SINGLE_ROWS), memory, targets[1]),
    ]


def _rivals(channels: int) -> list[SpeedLine]:
    """River and pyod one sample at a time, as a stream would call them; absent ones are left out."""
    lines = []
    values = _stream(CLEAN_ROWS + 300, channels)
    clean, ahead = values[:CLEAN_ROWS], values[CLEAN_ROWS:]
    try:
        half_space_trees: Any = import_module("river.anomaly").HalfSpaceTrees
    except ImportError:
        pass
    else:
        trees = half_space_trees(seed=0)
        samples = [dict(enumerate(row.tolist())) for row in clean]

        def river() -> None:
            for sample in samples[:500]:
                trees.score_one(sample)
                trees.learn_one(sample)

        lines.append(SpeedLine("river HalfSpaceTrees, one by one", channels, _best(river, 500)))
    try:
        from pyod.models.iforest import IForest
        from pyod.models.pca import PCA
    except ImportError:
        return lines
    for name, model, count in (("PCA", PCA(), 200), ("IForest", IForest(random_state=0), 50)):
        model.fit(clean)

        def pyod(model: Any = model, count: int = count) -> None:
            for row in ahead[:count]:
                model.decision_function(row[None, :])

        lines.append(SpeedLine(f"pyod {name}, one by one", channels, _best(pyod, count)))
    return lines


def measure_speed() -> list[SpeedLine]:
    """Ours at every width, the others at 50 channels."""
    return [line for channels in CHANNELS for line in _ours(channels)] + _rivals(RIVALS_AT)
