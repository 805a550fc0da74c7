"""The labelled sets of the detection benchmark and their split rules: clean rows first, tests after."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from industriverse.signals import NANOSECONDS_PER_SECOND, Channel, Frame

__all__ = ["SETS", "TestRun", "Unit", "frame_of_table"]

SKAB_CLEAN_ROWS = 400


@dataclass(frozen=True, slots=True, eq=False)
class TestRun:
    """Rows that follow the clean ones, with their labels (n,)."""

    frame: Frame
    labels: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """One fit and the runs that it is tested on; a detector starts each run afresh from its reference."""

    name: str
    clean: Frame
    runs: tuple[TestRun, ...]


def frame_of_table(table: Any, columns: list[str], interval_s: float, first_row: int = 0) -> Frame:
    """A regularly sampled frame: the sets are regular up to clock jitter, and time only paces tickets."""
    step = round(interval_s * NANOSECONDS_PER_SECOND)
    return Frame(
        (first_row + np.arange(len(table), dtype=np.int64)) * step,
        table[columns].to_numpy(dtype=np.float64),
        tuple(Channel(name) for name in columns),
    )


def _labels(column: Any) -> NDArray[np.bool_]:
    return np.asarray(column.to_numpy() > 0.5, dtype=np.bool_)


def skab(folder: Path) -> Iterator[Unit]:
    """Water-pump loop, 1 s: each experiment is fitted on its own first 400 rows."""
    table = pd.read_parquet(folder / "skab" / "skab.parquet")
    columns = [c for c in table.columns if c not in ("experiment", "datetime", "anomaly", "changepoint")]
    for name, rows in table[table["anomaly"].notna()].groupby("experiment", sort=True):
        labels = _labels(rows["anomaly"])
        if labels[:SKAB_CLEAN_ROWS].any():
            raise SystemExit(f"skab {name}: an anomaly lies in the first {SKAB_CLEAN_ROWS} rows")
        frame = frame_of_table(rows, columns, 1.0)
        run = TestRun(frame.rows(SKAB_CLEAN_ROWS), labels[SKAB_CLEAN_ROWS:])
        yield Unit(str(name), frame.rows(0, SKAB_CLEAN_ROWS), (run,))


def batadal(folder: Path) -> Iterator[Unit]:
    """Water network, 1 h: fitted on the clean year, tested on the year with attacks."""
    clean = pd.read_parquet(folder / "batadal" / "dataset03.parquet")
    test = pd.read_parquet(folder / "batadal" / "dataset04.parquet")
    columns = [c for c in clean.columns if c not in ("DATETIME", "ATT_FLAG")]
    run = TestRun(frame_of_table(test, columns, 3600.0, len(clean)), _labels(test["ATT_FLAG"]))
    yield Unit("dataset04", frame_of_table(clean, columns, 3600.0), (run,))


def tep(folder: Path) -> Iterator[Unit]:
    """Chemical process, 3 min: fitted on the normal training run, tested on every test run."""
    table = pd.read_parquet(folder / "tep" / "tep.parquet")
    columns = [c for c in table.columns if c.startswith(("XMEAS", "XMV"))]
    normal = table[(table["fault"] == 0) & (table["split"] == "train")]
    runs = tuple(
        TestRun(frame_of_table(rows, columns, 180.0, len(normal)), _labels(rows["label"]))
        for _, rows in table[table["split"] == "test"].groupby("fault", sort=True)
    )
    yield Unit("faults", frame_of_table(normal, columns, 180.0), runs)


def asd(folder: Path) -> Iterator[Unit]:
    """Application servers, 5 min: each server is fitted on its training split."""
    for path in sorted((folder / "asd").glob("*.parquet")):
        table = pd.read_parquet(path)
        columns = [c for c in table.columns if c not in ("label", "split")]
        clean, test = table[table["split"] == "train"], table[table["split"] == "test"]
        run = TestRun(frame_of_table(test, columns, 300.0, len(clean)), _labels(test["label"]))
        yield Unit(path.stem, frame_of_table(clean, columns, 300.0), (run,))


SETS: dict[str, Callable[[Path], Iterator[Unit]]] = {
    "skab": skab,
    "batadal": batadal,
    "tep": tep,
    "asd": asd,
}
