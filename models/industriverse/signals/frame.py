"""A block of telemetry: timestamps, values and the channels that they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industriverse.signals.channel import Channel
from industriverse.signals.errors import FrameError

__all__ = ["NANOSECONDS_PER_SECOND", "Frame"]

NANOSECONDS_PER_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Samples of ``d`` channels at ``n`` strictly increasing times.

    Attributes:
        timestamps_ns: int64, shape (n,), nanoseconds since 1970-01-01 UTC, strictly increasing.
        values: float64, shape (n, d), C-contiguous. NaN marks a missing value; infinities are refused.
        channels: The d channels, with unique names.

    Raises:
        FrameError: If shapes disagree, time does not increase, a value is infinite or a name repeats.
    """

    timestamps_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    channels: tuple[Channel, ...]

    def __post_init__(self) -> None:
        timestamps = np.ascontiguousarray(self.timestamps_ns, dtype=np.int64)
        values = np.ascontiguousarray(self.values, dtype=np.float64)
        object.__setattr__(self, "timestamps_ns", timestamps)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "channels", tuple(self.channels))
        if timestamps.ndim != 1 or values.shape != (len(timestamps), len(self.channels)):
            raise FrameError(
                f"a frame of {len(self.channels)} channels got timestamps of shape {timestamps.shape} "
                f"and values of shape {values.shape}",
                hint="give timestamps (n,) and values (n, channels)",
            )
        names = self.names
        if len(set(names)) != len(names):
            repeated = next(name for name in names if names.count(name) > 1)
            raise FrameError(f"channel name {repeated!r} occurs twice", hint="rename one of them")
        backward = np.flatnonzero(np.diff(timestamps) <= 0)
        if backward.size:
            row = int(backward[0]) + 1
            raise FrameError(
                f"time does not increase at row {row}", hint="sort the rows and drop duplicate timestamps"
            )
        if np.isinf(values).any():
            row, column = (int(i) for i in np.argwhere(np.isinf(values))[0])
            raise FrameError(
                f"channel {names[column]!r} is infinite at row {row}", hint="mark missing values with NaN"
            )

    def __len__(self) -> int:
        return len(self.timestamps_ns)

    @property
    def names(self) -> tuple[str, ...]:
        """Channel names in column order."""
        return tuple(channel.name for channel in self.channels)

    @property
    def interval_s(self) -> float:
        """Median sampling interval in seconds; NaN for fewer than two samples."""
        if len(self) < 2:
            return float("nan")
        return float(np.median(np.diff(self.timestamps_ns))) / NANOSECONDS_PER_SECOND

    def rows(self, start: int, stop: int | None = None) -> "Frame":
        """The half-open range of rows ``start:stop`` as a frame."""
        return Frame(self.timestamps_ns[start:stop], self.values[start:stop], self.channels)

    def column(self, name: str) -> NDArray[np.float64]:
        """Values of one channel, shape (n,).

        Raises:
            FrameError: If there is no such channel.
        """
        try:
            return self.values[:, self.names.index(name)]
        except ValueError:
            raise FrameError(f"no channel {name!r}", hint=f"channels are {', '.join(self.names)}") from None

    @staticmethod
    def concatenate(frames: Sequence["Frame"]) -> "Frame":
        """Join frames of the same channels in time order.

        Raises:
            FrameError: If there is no frame, channels differ or time does not increase across a seam.
        """
        if not frames:
            raise FrameError("nothing to concatenate", hint="give at least one frame")
        first = frames[0]
        if any(frame.names != first.names for frame in frames):
            raise FrameError("frames have different channels", hint="align the channels first")
        return Frame(
            np.concatenate([frame.timestamps_ns for frame in frames]),
            np.concatenate([frame.values for frame in frames]),
            first.channels,
        )
