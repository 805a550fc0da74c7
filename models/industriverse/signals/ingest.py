"""Telemetry files become frames: every row is kept or counted, every assumption is noted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from industriverse.signals._text import quoted
from industriverse.signals.channel import Channel
from industriverse.signals.errors import IngestError
from industriverse.signals.frame import NANOSECONDS_PER_SECOND, Frame
from industriverse.signals.metadata import FIELDS, build_channel, channel_metadata, read_sidecar
from industriverse.storage import writing_whole

__all__ = ["DUPLICATE_TIME", "LABEL_NAMES", "NO_TIME", "IngestResult", "read_frame", "write_frame"]

# Reasons for which a row is dropped.
NO_TIME = "no timestamp"
DUPLICATE_TIME = "duplicate timestamp"

# Columns of public data sets that hold the answer. They are read if not ignored, but never silently.
LABEL_NAMES = frozenset(
    ("label", "labels", "anomaly", "is_anomaly", "attack", "att_flag", "fault", "changepoint", "ground_truth")
)


@dataclass(frozen=True, slots=True, eq=False)
class IngestResult:
    """A frame read from a file, and what happened to its rows.

    Attributes:
        frame: The telemetry.
        rows_in: Data rows of the file; always ``len(frame) + dropped``.
        rows_dropped: Rows left out, by reason.
        notes: What was assumed or is worth knowing, one sentence each.
        source_rows: Row of the file that each sample came from, shape (len(frame),), first data row is 0.
        time_column: Name of the time column, None where samples are counted instead.
    """

    frame: Frame
    rows_in: int
    rows_dropped: Mapping[str, int]
    notes: tuple[str, ...]
    source_rows: NDArray[np.int64]
    time_column: str | None

    @property
    def dropped(self) -> int:
        """Number of rows left out for any reason."""
        return sum(self.rows_dropped.values())


def read_frame(
    path: str | Path,
    *,
    time_column: str | None = None,
    channels: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    units: Mapping[str, str] | None = None,
    backward: Literal["error", "sort"] = "error",
) -> IngestResult:
    """Read a ``.csv``, ``.parquet``, ``.jsonl`` or ``.ndjson`` file as one frame.

    The rules: every column but time is a channel unless left out; booleans are 0 and 1; missing values
    and infinities are NaN; constant and empty channels stay; sampling may be irregular; a row without a
    time is dropped; of rows at the same time the last one stays; time that runs backward is an error
    unless sorting is asked for; without a time column, samples are one second apart. Channel metadata
    comes from ``units``, else from ``<file>.channels.json``, else from Parquet field metadata.

    Args:
        path: The file.
        time_column: Its time column; found by name or type where left out.
        channels: Read exactly these columns, in this order.
        ignore: Columns that are no channels, such as labels and experiment names.
        units: UCUM codes by channel name.
        backward: What to do where time runs backward.

    Returns:
        The frame with row counts and notes.

    Raises:
        IngestError: In one line, naming file, column and row where they matter, and the fix.
    """
    # pyarrow takes a tenth of a second to load, which commands that read no file need not wait for.
    from industriverse.signals import _tables, _time

    file = Path(path)
    _tables.check_file(file)
    table, reading_notes = _tables.read_table(file)
    notes = list(reading_notes)
    rows_in = table.num_rows
    if rows_in < 2:
        raise IngestError(f"{file} has {rows_in} data row(s)", hint="give at least two rows of telemetry")
    time_name = _time.find_time_column(table, time_column, file)
    if time_name is None:
        notes.append("there is no time column: rows are taken as one second apart")
        times = np.arange(rows_in, dtype=np.int64) * NANOSECONDS_PER_SECOND
    else:
        times, time_notes = _time.read_times(file, time_name, table.column(time_name))
        notes += time_notes
    names = _channel_names(file, table, time_name, channels, ignore, notes)
    kept, rows_dropped = _rows_to_keep(file, times, time_name, backward, notes)
    values = _values(file, table, names, notes)
    frame = Frame(
        times[kept],
        values if len(kept) == rows_in and backward == "error" else values[kept],
        _channels(file, table, names, units, notes),
    )
    notes += _observations(frame)
    return IngestResult(frame, rows_in, rows_dropped, tuple(notes), kept, time_name)


def write_frame(frame: Frame, path: str | Path) -> Path:
    """Write a frame as Parquet with its channel metadata, so that :func:`read_frame` gives it back.

    The file appears under its name only when it is complete.

    Args:
        frame: The telemetry; NaN is written as null.
        path: A file ending in ``.parquet``.

    Returns:
        The path.

    Raises:
        IngestError: If the suffix is another, a channel is called ``time`` or the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = Path(path)
    if file.suffix.lower() != ".parquet":
        raise IngestError(f"{file} does not end in .parquet", hint="frames are written as Parquet")
    if "time" in frame.names:
        raise IngestError("a channel is called 'time'", hint="rename the channel before writing the frame")
    fields: list[Any] = [pa.field("time", pa.timestamp("ns", "UTC"), nullable=False)]
    fields += [
        pa.field(channel.name, pa.float64(), metadata=dict(channel_metadata(channel)))
        for channel in frame.channels
    ]
    columns: list[Any] = [pa.array(frame.timestamps_ns).cast(pa.timestamp("ns", "UTC"))]
    columns += [pa.array(column, from_pandas=True) for column in frame.values.T]
    schema = pa.schema(fields, metadata={"industriverse.time_column": "time"})
    table = pa.Table.from_arrays(columns, schema=schema)
    try:
        with writing_whole(file) as draft:
            pq.write_table(table, draft, compression="zstd", write_page_checksum=True)
    except OSError as error:
        raise IngestError(f"{file} cannot be written ({error})", hint="check the folder") from error
    return file


def _channel_names(
    file: Path,
    table: Any,
    time_name: str | None,
    channels: Sequence[str] | None,
    ignore: Sequence[str],
    notes: list[str],
) -> list[str]:
    available = [name for name in table.column_names if name != time_name]
    unknown = next((name for name in (*(channels or ()), *ignore) if name not in table.column_names), None)
    if unknown is not None:
        raise IngestError(
            f"{file} has no column {quoted(unknown)}", hint=f"its columns are {_listed(available)}"
        )
    if channels is not None:
        names = list(channels)
        if time_name in names:
            raise IngestError(f"{time_name!r} is the time column", hint="leave it out of the channels")
    else:
        # pandas writes its row index as such columns; an unnamed first one in CSV is the same thing.
        index = [name for name in available if name == "" or name.startswith("__index_level_")]
        notes.extend(f"column {quoted(name)} is a row index and no channel" for name in index)
        names = [name for name in available if name not in index and name not in ignore]
    if not names:
        raise IngestError(f"{file} has no channel left", hint="ignore fewer columns or name the channels")
    return names


def _rows_to_keep(
    file: Path,
    times: NDArray[np.int64],
    time_name: str | None,
    backward: Literal["error", "sort"],
    notes: list[str],
) -> tuple[NDArray[np.int64], dict[str, int]]:
    from industriverse.signals._time import MISSING_TIME

    kept = np.flatnonzero(times != MISSING_TIME)
    dropped = {NO_TIME: len(times) - len(kept)}
    steps = np.diff(times[kept])
    earlier = np.flatnonzero(steps < 0)
    if earlier.size and backward == "error":
        row = int(kept[earlier[0] + 1])
        raise IngestError(
            f"{file} time runs backward at row {row + 1}: {_text(times[row])} follows "
            f"{_text(times[kept[earlier[0]]])} in column {quoted(time_name)}",
            hint="sort the file by time, read it with backward='sort', or split it where it restarts",
        )
    if earlier.size:
        notes.append(f"time ran backward {earlier.size} times; rows were sorted by time")
        kept = kept[np.argsort(times[kept], kind="stable")]
        steps = np.diff(times[kept])
    last_of_its_time = np.append(steps != 0, True)[: len(kept)]
    dropped[DUPLICATE_TIME] = int((~last_of_its_time).sum())
    kept = kept[last_of_its_time]
    if len(kept) < 2:
        raise IngestError(
            f"{file} has {len(kept)} row(s) with a time of their own in column {quoted(time_name)}",
            hint="name another time_column, or remove it to count rows instead",
        )
    return kept.astype(np.int64), {reason: count for reason, count in dropped.items() if count}


def _values(file: Path, table: Any, names: Sequence[str], notes: list[str]) -> NDArray[np.float64]:
    from industriverse.signals._numeric import column_values

    values = np.empty((table.num_rows, len(names)))
    for index, name in enumerate(names):
        values[:, index], column_notes = column_values(file, name, table.column(name))
        notes += column_notes
    return values


def _channels(
    file: Path, table: Any, names: Sequence[str], units: Mapping[str, str] | None, notes: list[str]
) -> tuple[Channel, ...]:
    given = dict(units or {})
    sidecar = read_sidecar(file)
    stray = next((name for name in given if name not in names), None)
    if stray is not None:
        raise IngestError(f"a unit is given for {stray!r}", hint=f"the channels are {_listed(names)}")
    notes.extend(
        f"the sidecar describes {quoted(name)}, which is no column"
        for name in sidecar
        if name not in table.column_names
    )
    channels = []
    for name in names:
        stored = table.schema.field(name).metadata or {}
        metadata = {
            key: stored[key.encode()].decode("utf-8", "replace") for key in FIELDS if key.encode() in stored
        }
        metadata.update(sidecar.get(name, {}))
        if name in given:
            metadata["unit"] = given[name]
        channels.append(build_channel(name, metadata, file))
    return tuple(channels)


def _observations(frame: Frame) -> list[str]:
    notes = []
    steps = np.diff(frame.timestamps_ns)
    usual = float(np.median(steps))
    irregular = np.abs(steps - usual) > 0.5 * usual
    if irregular.any():
        notes.append(
            f"sampling is irregular: {irregular.mean():.1%} of the intervals are not the usual "
            f"{usual / NANOSECONDS_PER_SECOND:g} s, the longest is {steps.max() / NANOSECONDS_PER_SECOND:g} s"
        )
    # fmin and fmax pass over NaN without copying the values.
    low, high = np.fmin.reduce(frame.values, axis=0), np.fmax.reduce(frame.values, axis=0)
    labels = np.array([name.strip().lower() in LABEL_NAMES for name in frame.names])
    kinds = {"constant": low == high, "without any value": np.isnan(low), "named like labels": labels}
    for wording, mask in kinds.items():
        if mask.any():
            named = ", ".join(quoted(name) for name, chosen in zip(frame.names, mask, strict=True) if chosen)
            notes.append(f"{int(mask.sum())} channel(s) are {wording}: {named}")
    missing = np.isnan(frame.values).mean()
    if missing:
        notes.append(f"{missing:.2%} of the values are missing")
    return notes


def _listed(names: Sequence[str]) -> str:
    return ", ".join(quoted(name) for name in names[:20]) + (", …" if len(names) > 20 else "")


def _text(time_ns: np.int64) -> str:
    return str(np.datetime_as_string(np.datetime64(int(time_ns), "ns"), unit="auto"))
