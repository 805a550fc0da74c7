"""Columns of a table become float64, or an error that names the column, the row and the text."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from industriverse.signals._text import quoted
from industriverse.signals.errors import IngestError

__all__ = ["NUMBER_TEXT", "column_values"]

NUMBER_TEXT = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_DECIMAL_COMMA = r"^[+-]?\d+(,\d+)?([eE][+-]?\d+)?$"


def column_values(path: Path, name: str, column: Any) -> tuple[NDArray[np.float64], list[str]]:
    """Convert one column.

    Numbers and decimals keep their value, booleans become 0 and 1, missing values and infinities NaN,
    and text counts as numbers only if all of it is.

    Args:
        path: The file, for messages.
        name: The column, for messages.
        column: An Arrow chunked array of any type.

    Returns:
        Values, shape (n,), and notes on what was converted.

    Raises:
        IngestError: If the column holds anything that is not a number.
    """
    notes: list[str] = []
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        if column.null_count < len(column):
            column, note = _numbers_from_text(path, name, column)
            notes.append(note)
    elif pa.types.is_boolean(kind):
        column = column.cast(pa.uint8())
    elif not _is_number(kind):
        raise IngestError(
            f"{path} column {quoted(name)} holds {quoted(kind, 60)}, not numbers",
            hint=f"leave it out with ignore={quoted(name)} or name the channels to read",
        )
    values = np.array(pc.cast(column, pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    infinite = np.isinf(values)
    if infinite.any():
        values[infinite] = np.nan
        notes.append(f"{int(infinite.sum())} infinite values of {quoted(name)} are taken as missing")
    return values, notes


def _is_number(kind: Any) -> bool:
    return any(
        test(kind)
        for test in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
    )


def _numbers_from_text(path: Path, name: str, column: Any) -> tuple[Any, str]:
    text = pc.utf8_trim_whitespace(column)
    text = pc.if_else(pc.equal(text, pa.scalar("", text.type)), None, text)
    numeric = pc.match_substring_regex(text, NUMBER_TEXT)
    if pc.all(numeric).as_py():
        return pc.cast(text, pa.float64()), f"numbers of {quoted(name)} were written as text"
    if pc.all(pc.match_substring_regex(text, _DECIMAL_COMMA)).as_py():
        points = pc.cast(pc.replace_substring(text, ",", "."), pa.float64())
        return points, f"numbers of {quoted(name)} were written with a decimal comma"
    row = pc.index(pc.fill_null(numeric, True), False).as_py()
    value = quoted(text[row].as_py())
    if pc.any(numeric).as_py():
        raise IngestError(
            f"{path} column {quoted(name)} holds numbers but row {row + 1} has the text {value}",
            hint="leave missing values empty, or ignore the column",
        )
    raise IngestError(
        f"{path} column {quoted(name)} holds text (row {row + 1}: {value}), not numbers",
        hint=f"leave it out with ignore={quoted(name)} or name the channels to read",
    )
