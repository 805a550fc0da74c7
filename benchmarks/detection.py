"""Detection benchmark: ours beside MSPC, pyod and trivial rows, on labelled telemetry split in time.

    python benchmarks/detection.py --data $INDUSTRIVERSE_DATA [--sets skab,tep] [--json out.json] [--quick]
    python benchmarks/detection.py --data $INDUSTRIVERSE_DATA --speed --markdown docs/benchmarks.md

Every method is fitted and calibrated on clean rows alone, with one configuration for all sets; labels serve
the measurement only. The ticket threshold of every method comes from the same calibration.
"""

import argparse
import json
import platform
import sys
import warnings
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import Any

# Run as a script, Python puts only this folder on the path, not the root that makes it a package.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from benchmarks.detection_report import markdown
from benchmarks.detection_rows import Row, Scored, available_rows
from benchmarks.detection_sets import SETS, Unit
from benchmarks.detection_speed import measure_speed

from industriverse.eil.calibration import SECONDS_PER_DAY
from industriverse.eil.etapr import etapr
from industriverse.eil.evaluation import auc_pr, batadal_score, bootstrap_interval, event_report, vus_pr
from industriverse.eil.watch import ticket_rows

QUICK_UNITS = 3
QUICK_RUNS = 4
RESAMPLES = 100


@dataclass
class Tally:
    """Sums of one method over the units of one set."""

    vus: list[float] = field(default_factory=list)
    auc: list[float] = field(default_factory=list)
    etapr: list[float] = field(default_factory=list)
    contest: list[float] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)
    promised: list[float] = field(default_factory=list)
    runs: list[tuple[Any, Any]] = field(default_factory=list)
    events: int = 0
    found: int = 0
    false_tickets: int = 0
    false_before: int = 0
    normal_days: float = 0.0
    alarm_rows: int = 0
    normal_rows: int = 0
    rows: int = 0
    cpu_s: float = 0.0

    def add(self, unit: Unit, scored: Scored) -> None:
        """Count one unit."""
        self.promised.append(scored.promised_per_day)
        self.cpu_s += scored.cpu_s
        for run, scores, alarm in zip(unit.runs, scored.scores, scored.alarms, strict=True):
            if len(scores) != len(run.frame) or len(alarm) != len(run.frame):
                raise SystemExit(f"{unit.name}: rows in and rows out differ")
            labels, times = run.labels, run.frame.timestamps_ns
            if labels.any():
                self.vus.append(vus_pr(labels, scores))
                self.auc.append(auc_pr(labels, scores))
                self.etapr.append(etapr(labels, alarm).f1)
                self.runs.append((labels, scores))
                if not labels.all():
                    self.contest.append(batadal_score(times, labels, alarm))
            report = event_report(times, labels, alarm)
            self.false_before += report.false_rows_before_first
            self.events += report.total
            self.found += report.found
            self.delays_s += report.delays_s
            self.false_tickets += sum(not labels[row] for row in ticket_rows(times, alarm))
            normal = ~labels
            self.normal_days += float(normal.sum()) * unit.clean.interval_s / SECONDS_PER_DAY
            self.normal_rows += int(normal.sum())
            self.alarm_rows += int(alarm[normal].sum())
            self.rows += len(labels)


@dataclass(frozen=True)
class Result:
    """One cell row of the table, of one method on one set."""

    set: str
    method: str
    vus_pr: float
    vus_low: float
    vus_high: float
    auc_pr: float
    etapr_f1: float
    contest_s: float
    anomaly_rate: float
    events_found: int
    events: int
    median_delay_s: float
    worst_delay_s: float
    promised_per_day: float
    realised_per_day: float
    alarm_share: float
    false_rows_before_first: int
    cpu_us_per_sample: float


def evaluate(name: str, row: Row, units: list[Unit], budget_per_day: float) -> Result:
    tally = Tally()
    for unit in units:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other people's methods warn about constant channels
            tally.add(unit, row.score(unit, budget_per_day))
    low, high = bootstrap_interval(tally.runs, vus_pr, resamples=RESAMPLES)
    return Result(
        set=name,
        method=row.name,
        vus_pr=float(np.mean(tally.vus)),
        vus_low=low,
        vus_high=high,
        etapr_f1=float(np.mean(tally.etapr)),
        contest_s=float(np.mean(tally.contest)) if tally.contest else float("nan"),
        auc_pr=float(np.mean(tally.auc)),
        anomaly_rate=1.0 - tally.normal_rows / tally.rows,
        events_found=tally.found,
        events=tally.events,
        median_delay_s=float(np.median(tally.delays_s)) if tally.delays_s else float("nan"),
        worst_delay_s=max(tally.delays_s, default=float("nan")),
        promised_per_day=float(np.mean(tally.promised)),
        realised_per_day=tally.false_tickets / tally.normal_days,
        alarm_share=tally.alarm_rows / tally.normal_rows,
        false_rows_before_first=tally.false_before,
        cpu_us_per_sample=1e6 * tally.cpu_s / tally.rows,
    )


def show(name: str, results: list[Result]) -> None:
    print(f"\n{name}: anomaly rate {results[0].anomaly_rate:.3f}")
    print(
        f"{'':17}{'VUS-PR':>8}{'95 % interval':>16}{'AUC-PR':>8}{'eTaPR':>7}{'S':>7}{'found':>9}"
        f"{'delay s':>10}{'worst s':>10}{'promised/d':>12}{'realised/d':>12}{'alarm %':>9}{'us/sample':>11}"
    )
    for r in results:
        print(
            f"{r.method:17}{r.vus_pr:8.3f}{f'{r.vus_low:.3f}..{r.vus_high:.3f}':>16}{r.auc_pr:8.3f}"
            f"{r.etapr_f1:7.3f}{r.contest_s:7.3f}{f'{r.events_found}/{r.events}':>9}"
            f"{r.median_delay_s:10.0f}{r.worst_delay_s:10.0f}{r.promised_per_day:12.3g}"
            f"{r.realised_per_day:12.3g}{100 * r.alarm_share:9.2f}{r.cpu_us_per_sample:11.1f}",
            flush=True,
        )


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    found = {"machine": platform.platform(), "python": platform.python_version()}
    cpu = Path("/proc/cpuinfo")
    if cpu.exists():
        lines = [line for line in cpu.read_text().splitlines() if "model name" in line]
        names = [line.split(":", 1)[1].strip() for line in lines]
        found["cpu"] = f"{len(names)} x {names[0]}" if names else platform.machine()
    for package in ("industriverse", "numpy", "scipy", "numba", "pandas", "pyod", "scikit-learn", "river"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed as a package"
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled telemetry")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    parser.add_argument("--sets", default=",".join(SETS), help=f"comma separated, of {', '.join(SETS)}")
    parser.add_argument("--budget", type=float, default=1.0, help="false tickets per day (default 1)")
    parser.add_argument("--quick", action="store_true", help="a few units and runs of each set only")
    parser.add_argument("--speed", action="store_true", help="also measure the time a sample")
    parser.add_argument("--markdown", type=Path, help="also write the page of results to this file")
    parser.add_argument("--rows", default="", help="only methods whose name contains one of these words")
    arguments = parser.parse_args()
    names = arguments.sets.split(",")
    unknown = [name for name in names if name not in SETS]
    if unknown:
        parser.error(f"no set {unknown[0]!r}; sets are {', '.join(SETS)}")
    rows, missing = available_rows()
    if arguments.rows:
        rows = [row for row in rows if any(word in row.name for word in arguments.rows.split(","))]
    facts = machine()
    print("; ".join(f"{key} {value}" for key, value in facts.items()))
    for reason in missing:
        print(reason)
    results: list[Result] = []
    for name in names:
        if not (arguments.data / name).is_dir():
            print(f"{name}: no folder {arguments.data / name}, set left out")
            continue
        units = list(islice(SETS[name](arguments.data), QUICK_UNITS if arguments.quick else None))
        if arguments.quick:
            units = [Unit(unit.name, unit.clean, unit.runs[:QUICK_RUNS]) for unit in units]
        of_set = [evaluate(name, row, units, arguments.budget) for row in rows]
        show(name, of_set)
        results += of_set
    show_mean(rows, results)
    speed = measure_speed() if arguments.speed else []
    for line in speed:
        print(line.text())
    if arguments.markdown:
        arguments.markdown.write_text(markdown(facts, arguments.budget, results, speed))
    if arguments.json:
        content = {"machine": facts, "quick": arguments.quick, "results": [asdict(r) for r in results]}
        content["speed"] = [asdict(line) for line in speed]
        arguments.json.write_text(json.dumps(content, indent=2, default=str) + "\n")
    return 0 if results else 1


def show_mean(rows: list[Row], results: list[Result]) -> None:
    print("\nmean over sets")
    print(f"{'':17}{'VUS-PR':>8}{'AUC-PR':>8}{'alarm %':>9}")
    for row in rows:
        mine = [r for r in results if r.method == row.name]
        if mine:
            vus, auc = np.mean([r.vus_pr for r in mine]), np.mean([r.auc_pr for r in mine])
            print(f"{row.name:17}{vus:8.3f}{auc:8.3f}{100 * np.mean([r.alarm_share for r in mine]):9.2f}")


if __name__ == "__main__":
    raise SystemExit(main())
