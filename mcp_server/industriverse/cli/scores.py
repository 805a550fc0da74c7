"""The scores file of ``industriverse watch``: one row per input row, in the order of the input."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from industriverse.eil.errors import ScoringError
from industriverse.eil.scoring import SCORE_COLUMNS
from industriverse.signals import ThermoReadings
from industriverse.signals.ingest import IngestResult
from industriverse.storage import writing_whole

__all__ = ["check_scores_path", "write_scores_in_input_order"]


def check_scores_path(path: Path) -> None:
    """Refuse a path that could not be written, before anything is learned.

    Raises:
        ScoringError: If the suffix is unknown or the folder does not exist.
    """
    if path.suffix not in (".parquet", ".csv"):
        raise ScoringError(f"scores cannot be written as {path.name!r}", hint="use .parquet or .csv")
    if not path.parent.is_dir():
        raise ScoringError(f"scores cannot be written to {path}", hint=f"create the folder {path.parent}")


def write_scores_in_input_order(path: Path, source: IngestResult, readings: Sequence[ThermoReadings]) -> None:
    """Write one row per row of the input; the cells of rows that could not be scored are empty.

    Args:
        path: A file ending in ``.parquet`` or ``.csv``; it appears under its name only when it is complete.
        source: Where each scored sample came from.
        readings: Blocks in the order of the samples.

    Raises:
        ScoringError: If the file cannot be written.
    """
    table = _table(source, ThermoReadings.concatenate(list(readings)))
    try:
        with writing_whole(path) as draft:
            _write(table, draft, path.suffix)
    except OSError as error:
        raise ScoringError(
            f"cannot write scores to {path}: {error.strerror or error}", hint="give a writable path"
        ) from error


def _write(table: Any, file: BinaryIO, suffix: str) -> None:
    if suffix == ".csv":
        from pyarrow.csv import write_csv

        write_csv(table, file)
    else:
        from pyarrow.parquet import write_table

        write_table(table, file)


def _table(source: IngestResult, readings: ThermoReadings) -> Any:
    import pyarrow as pa

    missing = np.ones(source.rows_in, dtype=bool)
    missing[source.source_rows] = False
    columns = []
    for name in SCORE_COLUMNS:
        scored = readings.timestamps_ns if name == "time" else np.asarray(getattr(readings, name))
        spread = np.zeros(source.rows_in, dtype=scored.dtype)
        spread[source.source_rows] = scored
        kind = pa.timestamp("ns", tz="UTC") if name == "time" else None
        columns.append(pa.array(spread, type=kind, mask=missing))
    return pa.Table.from_arrays(columns, names=list(SCORE_COLUMNS))
