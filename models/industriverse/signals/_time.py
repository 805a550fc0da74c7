"""The time column of a table: finding it, and reading it as nanoseconds since 1970 UTC."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from industriverse.signals._numeric import NUMBER_TEXT
from industriverse.signals._text import quoted
from industriverse.signals.errors import IngestError

__all__ = ["MISSING_TIME", "TIME_NAMES", "find_time_column", "read_times"]

# In order of preference; compared without case, blanks, "_", "-" and "@".
TIME_NAMES = (
    "time", "timestamp", "datetime", "date", "ts", "timeutc", "timestamputc", "utc", "epoch", "unixtime",
    "timens", "timestampns", "timeus", "timestampus", "timems", "timestampms", "times", "timestamps",
)  # fmt: skip

# The smallest int64 marks a missing time, as NaT does in numpy.
MISSING_TIME = np.iinfo(np.int64).min

_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_ZONE = re.compile(r"[T ]\d{2}.*(Z|[+-]\d{2}(:?\d{2})?)$")
_DATES = ("%d/%m/%y", "%d/%m/%Y", "%m/%d/%y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d")
_CLOCKS = ("", " %H", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")


def find_time_column(table: Any, wanted: str | None, path: Path) -> str | None:
    """Name the time column: the one asked for, the one recorded, a known name, or the only dated column.

    Raises:
        IngestError: If the column asked for does not exist.
    """
    names = table.column_names
    if wanted is not None:
        if wanted not in names:
            raise IngestError(
                f"{path} has no column {quoted(wanted)}",
                hint=f"its columns are {', '.join(map(quoted, names[:20]))}",
            )
        return wanted
    recorded = (table.schema.metadata or {}).get(b"industriverse.time_column", b"").decode("utf-8", "replace")
    if recorded and recorded in names:
        return str(recorded)
    by_key: dict[str, str] = {}
    for name in names:
        by_key.setdefault(re.sub(r"[\s_@-]", "", name).lower(), name)
    known = next((by_key[key] for key in TIME_NAMES if key in by_key), None)
    if known is not None:
        return known
    dated = [field.name for field in table.schema if _is_dated(field.type)]
    return dated[0] if len(dated) == 1 else None


def read_times(path: Path, name: str, column: Any) -> tuple[NDArray[np.int64], list[str]]:
    """Read a column as times; :data:`MISSING_TIME` marks a row without one.

    Accepted are dates and timestamps of any resolution, ISO 8601 text with or without a zone, numbers
    since 1970 in s, ms, us or ns (told by the name's suffix, else by magnitude), and slashed dates, which
    are read day first where that is possible.

    Args:
        path: The file, for messages.
        name: The column, for messages and unit suffix.
        column: An Arrow chunked array.

    Returns:
        Nanoseconds since 1970-01-01 UTC, shape (n,), and notes on what had to be assumed.

    Raises:
        IngestError: If a value is not a time, or lies outside the years 1678 to 2262.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        text = pc.utf8_trim_whitespace(column)
        text = pc.if_else(pc.equal(text, pa.scalar("", text.type)), None, text)
        if pc.all(pc.match_substring_regex(text, NUMBER_TEXT)).as_py():
            return _from_epoch(path, name, pc.cast(text, pa.float64()))
        return _from_text(path, name, text)
    if _is_dated(kind):
        naive = not (pa.types.is_timestamp(kind) and kind.tz is not None)
        return _to_nanoseconds(path, name, column), _naive_note(name) if naive else []
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind):
        return _from_epoch(path, name, column)
    raise IngestError(
        f"{path} time column {quoted(name)} holds {quoted(kind, 60)}",
        hint="give dates, ISO 8601 text or seconds since 1970",
    )


def _is_dated(kind: Any) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _naive_note(name: str) -> list[str]:
    return [f"times of {quoted(name)} that carry no zone are taken as UTC"]


def _to_nanoseconds(path: Path, name: str, column: Any) -> NDArray[np.int64]:
    zone = column.type.tz if pa.types.is_timestamp(column.type) else None
    try:
        nanoseconds = pc.cast(pc.cast(column, pa.timestamp("ns", zone)), pa.int64())
    except pa.ArrowInvalid as error:
        raise _outside(path, name) from error
    return np.asarray(pc.fill_null(nanoseconds, MISSING_TIME).to_numpy(), dtype=np.int64)


def _outside(path: Path, name: str) -> IngestError:
    return IngestError(
        f"{path} time column {quoted(name)} leaves the years 1678 to 2262",
        hint="correct the times or their unit",
    )


def _from_epoch(path: Path, name: str, column: Any) -> tuple[NDArray[np.int64], list[str]]:
    numbers = np.array(pc.cast(column, pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    present = np.isfinite(numbers)
    largest = float(np.abs(numbers[present]).max(initial=0.0))
    suffix = re.search(r"(?i)[_\s(\[-](s|ms|us|ns)[)\]]?$", name)
    # Until the year 5138 seconds stay below 1e11, and each finer unit is a thousand times larger.
    by_size = "s" if largest < 1e11 else "ms" if largest < 1e14 else "us" if largest < 1e17 else "ns"
    unit = suffix[1].lower() if suffix else by_size
    factor = _NANOSECONDS[unit]
    if largest * factor > np.iinfo(np.int64).max - 1024:
        raise _outside(path, name)
    times = np.full(len(numbers), MISSING_TIME, dtype=np.int64)
    days = _compact_dates(numbers[present])
    if days is not None and not suffix:
        times[present] = days
        return times, [f"numbers of {quoted(name)} are read as dates YYYYMMDD", *_naive_note(name)]
    if pa.types.is_integer(column.type):
        exact = pc.fill_null(pc.cast(column, pa.int64()), 0).to_numpy()
        times[present] = exact[present] * factor
    else:
        whole = np.floor(numbers[present])
        fraction = np.rint((numbers[present] - whole) * factor)
        times[present] = whole.astype(np.int64) * factor + fraction.astype(np.int64)
    return times, [f"numbers of {quoted(name)} are read as {unit} since 1970-01-01 UTC"]


def _compact_dates(numbers: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """Nanoseconds of numbers like 20200131 if all of them are such dates; as seconds all fall in 1970."""
    if not numbers.size or numbers.min() < 19_000_101 or numbers.max() > 21_001_231 or (numbers % 1).any():
        return None
    text = pa.array(numbers.astype(np.int64)).cast(pa.string())
    dates = pc.strptime(text, format="%Y%m%d", unit="s", error_is_null=True)
    if dates.null_count:
        return None
    return np.asarray(dates.cast(pa.timestamp("ns")).cast(pa.int64()).to_numpy(), dtype=np.int64)


def _from_text(path: Path, name: str, text: Any) -> tuple[NDArray[np.int64], list[str]]:
    present = text.drop_null()
    zoned = len(present) > 0 and _ZONE.search(present[0].as_py()) is not None
    kind = pa.timestamp("ns", "UTC" if zoned else None)
    try:
        return _to_nanoseconds(path, name, pc.cast(text, kind)), [] if zoned else _naive_note(name)
    except pa.ArrowInvalid:
        slashed = None if zoned else _slashed_dates(present)
    if slashed is None:
        raise _unreadable(path, name, text, kind)
    pattern, ambiguous = slashed
    times = _to_nanoseconds(path, name, pc.strptime(text, format=pattern, unit="s", error_is_null=True))
    order = "day" if pattern.startswith("%d") else "month" if pattern.startswith("%m") else "year"
    note = f"dates of {quoted(name)} are read {order} first" + (" (both orders fit)" if ambiguous else "")
    return times, [note, *_naive_note(name)]


def _slashed_dates(present: Any) -> tuple[str, bool] | None:
    head = present.slice(0, 100)
    fitting = [
        pattern
        for pattern in (date + clock for date in _DATES for clock in _CLOCKS)
        if _fits(head, pattern) and _fits(present, pattern)
    ]
    return (fitting[0], len(fitting) > 1) if fitting else None


def _fits(text: Any, pattern: str) -> bool:
    # strptime's %Y accepts "14" as the year 14, so the number of digits is checked by the shape of the text.
    shape = "^" + re.sub(r"%[dmHMSI]", r"\\d{1,2}", pattern.replace(".", r"\.")) + "$"
    shape = shape.replace("%p", "[AaPp][Mm]").replace("%Y", r"\d{4}").replace("%y", r"\d{2}")
    if not pc.all(pc.match_substring_regex(text, shape)).as_py():
        return False
    return bool(pc.strptime(text, format=pattern, unit="s", error_is_null=True).null_count == 0)


def _unreadable(path: Path, name: str, text: Any, kind: Any) -> IngestError:
    row = next((row for row, scalar in enumerate(text) if not _is_time(scalar, kind)), 0)
    return IngestError(
        f"{path} time column {quoted(name)} row {row + 1} is {quoted(text[row].as_py())}, "
        "which is not a time like the others",
        hint="write ISO 8601 times, all with a zone or all without",
    )


def _is_time(scalar: Any, kind: Any) -> bool:
    try:
        scalar.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True
