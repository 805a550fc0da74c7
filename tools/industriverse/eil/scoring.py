"""Scoring a whole recording: learn from its clean beginning, watch the rest, write one row of scores a row.

No terminal and no command line here: the caller draws progress from the blocks that these generators yield.
"""

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from industriverse.eil.detector import Detector
from industriverse.eil.errors import ScoringError
from industriverse.eil.fitting import MINIMUM_CLEAN_ROWS
from industriverse.eil.layout import READING_COLUMNS
from industriverse.eil.regimes import RegimeBank, RegimeShift
from industriverse.eil.watch import WatchSummary
from industriverse.signals import Frame, ThermoReadings, Ticket
from industriverse.storage import writing_whole

__all__ = ["SCORE_COLUMNS", "CleanChoice", "ScoredBlock", "ScoringRun", "choose_clean_rows", "write_scores"]

SCORE_COLUMNS: Final = ("time", *READING_COLUMNS, "regime")
DEFAULT_CLEAN_SHARE = 0.3
BLOCK_ROWS = 2048


@dataclass(frozen=True, slots=True)
class CleanChoice:
    """How many rows count as clean, and why.

    Attributes:
        rows: Leading rows without attack or fault.
        reason: The rule that chose them, for a person.
    """

    rows: int
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class ScoredBlock:
    """One step of a scoring run.

    Attributes:
        rows_done: Rows scored so far, this block included.
        rows_total: Rows of the recording.
        clean: Whether the block lies in the clean rows; those are scored in sample and raise no ticket.
        readings: One reading a row of the block.
        tickets: Tickets that the block raises.
        shifts: Regime shifts that the block raises or brings to their next state.
    """

    rows_done: int
    rows_total: int
    clean: bool
    readings: ThermoReadings
    tickets: tuple[Ticket, ...]
    shifts: tuple[RegimeShift, ...] = ()


def choose_clean_rows(
    frame: Frame, *, clean_rows: int | None = None, clean_until_ns: int | None = None
) -> CleanChoice:
    """Leading rows to learn from: as given, or the first 30 % but at least 100 rows.

    Raises:
        ScoringError: If both limits are given, or they leave too few rows to learn from or none to watch.
    """
    if clean_rows is not None and clean_until_ns is not None:
        raise ScoringError("clean rows are given by number and by time", hint="give one of the two")
    if clean_rows is not None:
        choice = CleanChoice(clean_rows, f"first {clean_rows} rows, as asked")
    elif clean_until_ns is not None:
        rows = int(np.searchsorted(frame.timestamps_ns, clean_until_ns, side="left"))
        choice = CleanChoice(rows, f"{rows} rows before the given time")
    else:
        rows = max(MINIMUM_CLEAN_ROWS, int(DEFAULT_CLEAN_SHARE * len(frame)))
        choice = CleanChoice(
            rows, f"first {rows} rows taken as clean by default (30 %, at least {MINIMUM_CLEAN_ROWS})"
        )
    if choice.rows < MINIMUM_CLEAN_ROWS:
        raise ScoringError(
            f"{choice.rows} clean rows are too few", hint=f"at least {MINIMUM_CLEAN_ROWS} are needed"
        )
    if choice.rows >= len(frame):
        raise ScoringError(
            f"{choice.rows} clean rows leave none of {len(frame)} to watch",
            hint="give a longer recording or fewer clean rows",
        )
    return choice


class ScoringRun:
    """Learns from the clean rows of a recording and scores all of it.

    Args:
        frame: The recording.
        clean_rows: Number of leading clean rows, or None.
        clean_until_ns: Time before which rows are clean, nanoseconds since 1970-01-01 UTC, or None.
        budget_per_day: False tickets per day that the user allows.
        stream: Name of the stream, part of the ticket ids.
        block_rows: Rows a step.

    Raises:
        ScoringError: If there are too few clean rows or none to watch.
        FitError: If the clean rows cannot become a reference.
    """

    def __init__(
        self,
        frame: Frame,
        *,
        clean_rows: int | None = None,
        clean_until_ns: int | None = None,
        budget_per_day: float = 1.0,
        stream: str = "stream",
        block_rows: int = BLOCK_ROWS,
    ) -> None:
        if block_rows < 1:
            raise ScoringError(f"block_rows is {block_rows}", hint="give at least 1")
        self.frame = frame
        self.clean = choose_clean_rows(frame, clean_rows=clean_rows, clean_until_ns=clean_until_ns)
        self.detector = Detector(budget_per_day).fit(frame.rows(0, self.clean.rows))
        self.bank = RegimeBank(self.detector, stream)
        self._block_rows = block_rows

    def blocks(self) -> Iterator[ScoredBlock]:
        """Score the recording from its first row; every row comes out exactly once, in order."""
        self.detector.rewind()
        total = len(self.frame)
        for start, stop in self._ranges(0, self.clean.rows):
            readings = self.detector.score(self.frame.rows(start, stop))
            yield ScoredBlock(stop, total, True, readings, ())
        self.detector.reset()
        for start, stop in self._ranges(self.clean.rows, total):
            fed = self.bank.feed(self.frame.rows(start, stop))
            yield ScoredBlock(stop, total, False, fed.readings, fed.tickets, fed.shifts)

    def _ranges(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        for low in range(start, stop, self._block_rows):
            yield low, min(low + self._block_rows, stop)

    def summary(self) -> WatchSummary:
        """Counts over the watched rows so far, promised against realised ticket rate."""
        return self.bank.summary()


def write_scores(
    path: str | os.PathLike[str], blocks: Iterable[ScoredBlock]
) -> Generator[ScoredBlock, None, None]:
    """Pass blocks on while writing their readings; the file appears, whole, when the last one is through.

    Args:
        path: Table to write; ``.parquet`` or ``.csv``.
        blocks: Blocks in row order.

    Raises:
        ScoringError: If the suffix is unknown or the file cannot be written.
    """
    target = Path(path)
    if target.suffix not in (".parquet", ".csv"):
        raise ScoringError(f"scores cannot be written as {target.name!r}", hint="use .parquet or .csv")
    return _write(target, blocks)


def _write(target: Path, blocks: Iterable[ScoredBlock]) -> Generator[ScoredBlock, None, None]:
    writer: Any = None
    try:
        with writing_whole(target) as file, ExitStack() as begun:
            for block in blocks:
                table = _table(block.readings)
                if writer is None:
                    writer = begun.enter_context(_open_writer(file, target.suffix, table.schema))
                writer.write_table(table)
                yield block
            if writer is None:
                raise ScoringError("there is no scored row to write", hint="score at least one row")
    except OSError as error:
        raise ScoringError(
            f"cannot write scores to {target}: {error.strerror or error}", hint="give a writable path"
        ) from error


def _open_writer(file: BinaryIO, suffix: str, schema: Any) -> Any:
    if suffix == ".csv":
        from pyarrow.csv import CSVWriter

        return CSVWriter(file, schema)
    from pyarrow.parquet import ParquetWriter

    return ParquetWriter(file, schema)


def _table(readings: ThermoReadings) -> Any:
    import pyarrow as pa

    time = pa.array(readings.timestamps_ns, type=pa.timestamp("ns", tz="UTC"))
    columns = [pa.array(getattr(readings, name)) for name in SCORE_COLUMNS[1:]]
    return pa.Table.from_arrays([time, *columns], names=list(SCORE_COLUMNS))
