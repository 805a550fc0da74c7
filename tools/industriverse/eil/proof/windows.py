"""What a window must be before it is measured, and the bytes that stand for it as evidence."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import rfc8785
from numpy.typing import NDArray

from industriverse.eil.proof.errors import EvidenceMismatchError, WindowError
from industriverse.signals import NANOSECONDS_PER_SECOND, Channel, ChannelKind, Frame

__all__ = [
    "MAX_MISSING_SHARE",
    "fill_missing",
    "frame_from_window_bytes",
    "gap_rows",
    "is_contiguous",
    "window_bytes",
]

_MAGIC = b"industriverse-window-1\n"
# More invented samples than this and the statistics would describe the interpolation.
MAX_MISSING_SHARE = 0.05
# A step longer than this many sampling intervals is a gap: the window is spliced.
_GAP_INTERVALS = 1.5


def gap_rows(timestamps_ns: NDArray[np.int64], interval_s: float) -> NDArray[np.intp]:
    """Rows before which the step is longer than 1.5 or shorter than 0.5 sampling intervals."""
    steps_s = np.diff(timestamps_ns) / NANOSECONDS_PER_SECOND
    uneven = (steps_s > _GAP_INTERVALS * interval_s) | (steps_s < 0.5 * interval_s)
    return np.flatnonzero(uneven) + 1


def is_contiguous(timestamps_ns: NDArray[np.int64], interval_s: float) -> bool:
    """Whether no step is longer than 1.5 or shorter than 0.5 sampling intervals."""
    return not gap_rows(timestamps_ns, interval_s).size


def fill_missing(values: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """Interpolate missing values linearly in time, shape (n, d).

    Raises:
        WindowError: If a channel misses more than 5 % of its values.
    """
    missing = np.isnan(values)
    if not missing.any():
        return values
    shares = missing.mean(axis=0)
    worst = int(np.argmax(shares))
    if shares[worst] > MAX_MISSING_SHARE:
        raise WindowError(
            f"channel {names[worst]!r} misses {shares[worst]:.0%} of the window",
            hint=f"prove a window in which every channel misses at most {MAX_MISSING_SHARE:.0%}",
        )
    filled = values.copy()
    rows = np.arange(len(values))
    for column in np.flatnonzero(shares):
        known = ~missing[:, column]
        filled[:, column] = np.interp(rows, rows[known], values[known, column])
    return filled


def window_bytes(frame: Frame) -> bytes:
    """The bytes whose SHA-256 stands for a window in a certificate.

    A magic line, a canonical JSON line with the channels and the shape, then timestamps (int64) and values
    (float64), little-endian, row by row. Equal frames give equal bytes on every machine.
    """
    header: dict[str, Any] = {
        "channels": [
            {"name": c.name, "unit": c.unit, "kind": str(c.kind), "entity": c.entity, "quantity": c.quantity}
            for c in frame.channels
        ],
        "rows": len(frame),
    }
    values = np.where(np.isnan(frame.values), np.nan, frame.values)
    body = frame.timestamps_ns.astype("<i8").tobytes() + values.astype("<f8").tobytes()
    return _MAGIC + rfc8785.dumps(header) + b"\n" + body


@dataclass(frozen=True, slots=True)
class _Header:
    channels: tuple[Channel, ...]
    rows: int


def _read_header(line: bytes) -> _Header:
    parsed = json.loads(line)
    channels = tuple(
        Channel(c["name"], c["unit"], ChannelKind(c["kind"]), c["entity"], c["quantity"])
        for c in parsed["channels"]
    )
    return _Header(channels, int(parsed["rows"]))


def frame_from_window_bytes(evidence: bytes) -> Frame:
    """Read evidence back into a frame, so that a verifier can look at what was certified.

    Raises:
        EvidenceMismatchError: If the bytes are not evidence of a window.
    """
    try:
        if not evidence.startswith(_MAGIC):
            raise ValueError("wrong first line")
        line, body = evidence[len(_MAGIC) :].split(b"\n", 1)
        header = _read_header(line)
        split = 8 * header.rows
        timestamps = np.frombuffer(body[:split], dtype="<i8").astype(np.int64)
        values = np.frombuffer(body[split:], dtype="<f8").astype(np.float64)
        return Frame(timestamps, values.reshape(header.rows, len(header.channels)), header.channels)
    except (ValueError, KeyError, TypeError) as error:
        raise EvidenceMismatchError(
            f"these bytes are not the evidence of a window ({error})",
            hint="give the evidence file that was written with the certificate",
        ) from error
