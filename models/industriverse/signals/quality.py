"""Quality of each channel before it is modelled: what is missing, constant or frozen."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industriverse.signals.frame import Frame

__all__ = ["ChannelQuality", "channel_quality"]


@dataclass(frozen=True, slots=True)
class ChannelQuality:
    """What can be said of one channel without a model.

    Attributes:
        channel: Channel name.
        missing_share: Share of missing samples, 0 to 1.
        longest_gap: Longest run of missing samples.
        constant: Whether all present values are equal (also where none is present).
        longest_frozen_run: Longest run of samples that repeat exactly, at least 1 where a value is present.
            A missing sample ends a run.
        distinct: Number of distinct present values; a few mean a state or a coarse sensor.
    """

    channel: str
    missing_share: float
    longest_gap: int
    constant: bool
    longest_frozen_run: int
    distinct: int


def channel_quality(frame: Frame) -> tuple[ChannelQuality, ...]:
    """Report on every channel of a frame, in column order.

    Args:
        frame: The telemetry.

    Returns:
        One report a channel.
    """
    return tuple(
        _one(name, values)
        for name, values in zip(frame.names, np.ascontiguousarray(frame.values.T), strict=True)
    )


def _one(name: str, values: NDArray[np.float64]) -> ChannelQuality:
    missing = np.isnan(values)
    distinct = len(np.unique(values[~missing]))
    repeats = values[1:] == values[:-1]  # false wherever one side is NaN
    present = not missing.all()
    return ChannelQuality(
        channel=name,
        missing_share=float(missing.mean()) if len(values) else 0.0,
        longest_gap=_longest_run(missing),
        constant=distinct <= 1,
        longest_frozen_run=_longest_run(repeats) + 1 if present else 0,
        distinct=distinct,
    )


def _longest_run(flags: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))
