"""Files become Arrow tables here: CSV, Parquet and JSON lines, each failure told in one line."""

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from industriverse.signals._text import quoted
from industriverse.signals.errors import IngestError

__all__ = ["SUFFIXES", "check_file", "read_table"]

SUFFIXES = (".csv", ".parquet", ".jsonl", ".ndjson")

# A header line longer than this is no header.
_HEADER_BYTES = 1 << 20
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def check_file(path: Path) -> None:
    """Refuse what is not a readable, non-empty file of a known suffix.

    Raises:
        IngestError: Naming the path and the fix.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise IngestError(
            f"{path} has the suffix {quoted(path.suffix)}",
            hint=f"give a file ending in {', '.join(SUFFIXES)}",
        )
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise IngestError(f"{path} is no regular file", hint="copy the stream into a file first")
        with path.open("rb") as handle:
            first = handle.read(1)
    except FileNotFoundError:
        raise IngestError(f"{path} does not exist", hint="check the path") from None
    except IsADirectoryError:
        raise IngestError(f"{path} is a folder", hint="give one file") from None
    except PermissionError:
        raise IngestError(f"{path} may not be read", hint="give this user read permission on it") from None
    except (OSError, ValueError) as error:
        raise IngestError(f"{path} cannot be opened ({error})", hint="check the path") from error
    if not first:
        raise IngestError(f"{path} is empty", hint="give a file with a header and at least two rows")


def read_table(path: Path) -> tuple[pa.Table, tuple[str, ...]]:
    """Read a checked file, column names stripped of surrounding blanks.

    Args:
        path: A file that passed :func:`check_file`.

    Returns:
        The table, and notes on how the file was read.

    Raises:
        IngestError: If the file is malformed, a column name repeats or there is no column.
    """
    suffix = path.suffix.lower()
    notes: tuple[str, ...] = ()
    try:
        if suffix == ".csv":
            table, notes = _read_csv(path)
        elif suffix == ".parquet":
            table = pyarrow.parquet.read_table(path, partitioning=None, page_checksum_verification=True)
        else:
            table = _read_json_lines(path)
        names = [name.strip().removeprefix("\ufeff") for name in table.column_names]
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise IngestError(
            f"{path} is not well-formed {suffix[1:]} ({quoted(reason, 160)})",
            hint="repair or re-export the file",
        ) from error
    # A comma at the end of each line makes an unnamed column; an unnamed first one may be a pandas index.
    named = [position for position, name in enumerate(names) if name or position == 0]
    if len(named) < len(names):
        notes += (f"{len(names) - len(named)} unnamed column(s) are left out",)
        table, names = table.select(named), [names[position] for position in named]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise IngestError(f"{path} has two columns named {quoted(repeated)}", hint="rename one of them")
    return table.rename_columns(names), notes


def _read_csv(path: Path) -> tuple[pa.Table, tuple[str, ...]]:
    with path.open("rb") as handle:
        header = handle.readline(_HEADER_BYTES)
    if header.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise IngestError(f"{path} is UTF-16 text", hint="save it as UTF-8")
    delimiter = max(b",;\t", key=header.count)
    names = [cell.strip().strip('"') for cell in header.decode("utf-8", "replace").split(chr(delimiter))]
    if names and all(_NUMBER.fullmatch(name.strip()) for name in names):
        raise IngestError(
            f"{path} starts with numbers ({quoted(names[0])}) instead of column names",
            hint="add a header line",
        )
    table = pyarrow.csv.read_csv(
        path,
        parse_options=pyarrow.csv.ParseOptions(delimiter=chr(delimiter)),
        convert_options=pyarrow.csv.ConvertOptions(strings_can_be_null=True),
    )
    notes = () if delimiter == ord(",") else (f"columns are separated by {chr(delimiter)!r}",)
    return table, notes


def _read_json_lines(path: Path) -> pa.Table:
    try:
        return pyarrow.json.read_json(path)
    except pa.ArrowInvalid as error:
        # Arrow counts rows within its own blocks, so the line that people can look up is searched for.
        raise _json_error(path, str(error)) from error


def _json_error(path: Path, reason: str) -> IngestError:
    changed = re.search(r"Column\(/(.*)\) changed from (\w+) to (\w+)", reason)
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                return IngestError(
                    f"{path} line {number} is not JSON ({error.msg}): {quoted(line.strip())}",
                    hint="write one JSON object a line",
                )
            if not isinstance(row, dict):
                return IngestError(
                    f"{path} line {number} is not an object: {quoted(line.strip())}",
                    hint="write one JSON object a line",
                )
            value = row.get(changed[1]) if changed else None
            if changed and isinstance(value, str):
                return IngestError(
                    f"{path} column {quoted(changed[1])} holds numbers but row {number} has the text "
                    f"{quoted(value)}",
                    hint="write missing values as null, or ignore the column",
                )
    return IngestError(
        f"{path} is not well-formed JSON lines ({quoted(reason, 160)})", hint="repair the file"
    )
