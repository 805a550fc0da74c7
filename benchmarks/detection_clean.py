"""Does the ticket budget hold on clean data that the fit never saw? No test label is used anywhere here.

    python benchmarks/detection_clean.py --data $INDUSTRIVERSE_DATA [--sets asd,nab] [--budget 1]

Each clean recording is cut in time: the first part is fitted and calibrated, the later part is watched, and the
tickets that it raises are all false.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# Run as a script, Python puts only this folder on the path, not the root that makes it a package.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas as pd
from benchmarks.detection_sets import frame_of_table

from industriverse.eil.detector import Detector
from industriverse.eil.errors import FitError
from industriverse.eil.watch import Watcher
from industriverse.signals import Frame

__all__ = ["CLEAN_SETS", "CleanCase", "watch_clean"]

SPLITS = (0.5, 0.7)  # share of the clean rows that is fitted; the rest is watched
MINIMUM_ROWS = 1000  # shorter recordings leave too little on either side
MINIMUM_EXPECTED = 4.0  # with fewer tickets expected, a factor of two is within chance
UCR_INTERVAL_S = 300.0  # the archive states no time: one declared here, only to give budgets a meaning


@dataclass(frozen=True, slots=True)
class CleanCase:
    """What one clean recording promised and realised.

    Attributes:
        set: Name of the set.
        unit: Name of the recording.
        split: Share of the rows fitted.
        promised_per_day: Rate that the calibration promised.
        realised_per_day: Rate of tickets over the watched rows.
        alarm_share: Share of the watched rows in alarm.
        expected: Tickets promised over the watched rows.
        certified: Whether the calibration certifies the budget.
    """

    set: str
    unit: str
    split: float
    promised_per_day: float
    realised_per_day: float
    alarm_share: float
    expected: float
    certified: bool

    @property
    def kept(self) -> bool:
        """Whether the realised rate lies within a factor of two of the promise."""
        return 0.5 <= self.realised_per_day / self.promised_per_day <= 2.0


def _batadal(folder: Path) -> Iterator[tuple[str, Frame]]:
    table = pd.read_parquet(folder / "batadal" / "dataset03.parquet")
    columns = [c for c in table.columns if c not in ("DATETIME", "ATT_FLAG")]
    yield "dataset03", frame_of_table(table, columns, 3600.0)


def _asd(folder: Path) -> Iterator[tuple[str, Frame]]:
    for path in sorted((folder / "asd").glob("*.parquet")):
        table = pd.read_parquet(path)
        columns = [c for c in table.columns if c not in ("label", "split")]
        yield path.stem, frame_of_table(table[table["split"] == "train"], columns, 300.0)


def _smap(folder: Path) -> Iterator[tuple[str, Frame]]:
    for path in sorted((folder / "smap").glob("*.parquet")):
        table = pd.read_parquet(path)
        columns = [c for c in table.columns if c not in ("label", "split")]
        yield path.stem, frame_of_table(table[table["split"] == "train"], columns, 60.0)


def _nab(folder: Path) -> Iterator[tuple[str, Frame]]:
    """Rows before the first labelled window, by the file's own median interval."""
    table = pd.read_parquet(folder / "nab" / "nab.parquet")
    for name, rows in table.groupby("file", sort=True):
        labelled = rows["label_window"].to_numpy() > 0
        clean = rows.iloc[: int(labelled.argmax()) if labelled.any() else len(rows)]
        middle: Any = rows["timestamp"].diff().median()
        interval_s = float(middle.total_seconds())
        yield str(name), frame_of_table(clean, ["value"], interval_s)


def _ucr(folder: Path) -> Iterator[tuple[str, Frame]]:
    table = pd.read_parquet(folder / "ucr" / "ucr_core.parquet")
    for name, rows in table[table["train"]].groupby("series", sort=True):
        yield str(name), frame_of_table(rows, ["x"], UCR_INTERVAL_S)


def _skab(folder: Path) -> Iterator[tuple[str, Frame]]:
    table = pd.read_parquet(folder / "skab" / "skab.parquet")
    columns = [c for c in table.columns if c not in ("experiment", "datetime", "anomaly", "changepoint")]
    yield "anomaly-free", frame_of_table(table[table["anomaly"].isna()], columns, 1.0)


CLEAN_SETS: dict[str, Callable[[Path], Iterator[tuple[str, Frame]]]] = {
    "asd": _asd,
    "nab": _nab,
    "batadal": _batadal,
    "smap": _smap,
    "ucr": _ucr,
    "skab": _skab,
}


def watch_clean(
    set_name: str, unit: str, clean: Frame, split: float, budget_per_day: float
) -> CleanCase | None:
    """Fit the first part of a clean recording and watch the rest; None where it cannot be fitted."""
    cut = int(split * len(clean))
    try:
        detector = Detector(budget_per_day).fit(clean.rows(0, cut))
    except FitError:
        return None
    watcher = Watcher(detector, unit)
    watcher.feed(clean.rows(cut))
    summary, calibration = watcher.summary(), detector.reference.calibration
    return CleanCase(
        set=set_name,
        unit=unit,
        split=split,
        promised_per_day=calibration.promised_per_day,
        realised_per_day=summary.realised_per_day,
        alarm_share=summary.alarm_rows / summary.rows,
        expected=calibration.promised_per_day * summary.watched_days,
        certified=calibration.certified,
    )


def cases_of(name: str, folder: Path, budget_per_day: float) -> list[CleanCase]:
    """Every case of a set."""
    cases = []
    for unit, clean in CLEAN_SETS[name](folder):
        if len(clean) < MINIMUM_ROWS:
            continue
        for split in SPLITS:
            case = watch_clean(name, unit, clean, split, budget_per_day)
            if case is not None:
                cases.append(case)
    return cases


def show(name: str, cases: list[CleanCase]) -> dict[str, Any]:
    """One line for a set: how many cases can be judged, how many keep the promise."""
    judged = [case for case in cases if case.expected >= MINIMUM_EXPECTED]
    certified = [case for case in judged if case.certified]
    ratios = [case.realised_per_day / case.promised_per_day for case in judged]
    line: dict[str, Any] = {
        "set": name,
        "cases": len(cases),
        "certified": sum(case.certified for case in cases),
        "judged": len(judged),
        "kept": sum(case.kept for case in judged),
        "certified_judged": len(certified),
        "certified_kept": sum(case.kept for case in certified),
        "over": sum(ratio > 2.0 for ratio in ratios),
        "median_ratio": float(np.median(ratios)) if ratios else float("nan"),
        "worst_ratio": max(ratios, default=float("nan")),
        "alarm_share": float(np.mean([case.alarm_share for case in cases])) if cases else float("nan"),
    }
    print(
        f"{name:10}{line['cases']:7}{line['certified']:11}{line['judged']:8}{line['kept']:6}{line['over']:6}"
        f"{line['certified_kept']:9}/{line['certified_judged']:<4}"
        f"{line['median_ratio']:10.2f}{line['worst_ratio']:9.2f}{100 * line['alarm_share']:9.2f}",
        flush=True,
    )
    return line


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled telemetry")
    parser.add_argument("--sets", default=",".join(CLEAN_SETS), help=f"of {', '.join(CLEAN_SETS)}")
    parser.add_argument("--budget", type=float, default=1.0, help="false tickets per day (default 1)")
    parser.add_argument("--json", type=Path, help="also write every case to this file")
    parser.add_argument("--verbose", action="store_true", help="a line for every case")
    arguments = parser.parse_args()
    print(
        f"{'':10}{'cases':>7}{'certified':>11}{'judged':>8}{'kept':>6}{'over':>6}{'cert. kept':>14}"
        f"{'median':>10}{'worst':>9}{'alarm %':>9}"
    )
    everything: list[CleanCase] = []
    warnings.simplefilter("ignore")
    for name in arguments.sets.split(","):
        cases = cases_of(name, arguments.data, arguments.budget)
        if arguments.verbose:
            for case in cases:
                print(
                    f"  {case.unit[-28:]:28} {case.split:.1f} promised {case.promised_per_day:7.3g} realised "
                    f"{case.realised_per_day:7.3g} alarm {100 * case.alarm_share:6.2f} % "
                    f"expected {case.expected:6.1f}{'' if case.certified else '  not certifiable'}"
                )
        show(name, cases)
        everything += cases
    show("all", everything)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(case) for case in everything], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
