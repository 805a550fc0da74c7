"""Shield benchmark: attacks found at the promised budget, ablation, who lies, rebuilding, kinds, latency.

    python benchmarks/shield.py --data $INDUSTRIVERSE_DATA [--sets skab,batadal] [--parts detection,latency]

Everything is fitted on clean rows; labels serve the measurement alone. Faults and systems made here are called
injected and simulated.
"""

import argparse
import sys
import time
from collections import Counter
from itertools import islice
from pathlib import Path

# Run as a script, Python puts only this folder on the path, not the root that makes it a package.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from benchmarks.detection_sets import SETS, Unit
from benchmarks.shield_network import network
from benchmarks.shield_parts import imputation, kinds, latency, simulated
from benchmarks.shield_sets import BATADAL_ATTACKED, inject

from industriverse.eil.calibration import SECONDS_PER_DAY
from industriverse.eil.detector import Detector
from industriverse.eil.evaluation import event_report
from industriverse.eil.watch import ticket_rows
from industriverse.shield.fusion import ShieldModel, ShieldMonitor
from industriverse.shield.suspicion import accuse

ABLATION: dict[str, tuple[str, ...] | None] = {
    "core alone": None,
    "MIC alone": ("MIC",),
    "UPD alone": ("UPD",),
    "core+MIC": ("EIL", "MIC"),
    "core+UPD": ("EIL", "UPD"),
    "all phases": ("EIL", "MIC", "UPD"),
}
PARTS = ("detection", "lies", "imputation", "kinds", "simulated", "network", "latency")


class Tally:
    """Sums of one row of the ablation."""

    def __init__(self) -> None:
        self.found = self.events = self.false_tickets = 0
        self.normal_days = 0.0
        self.alarm = self.normal = self.benign = self.held = self.held_benign = 0
        self.certified = 0

    def add(self, unit: Unit, budget: float, phases: tuple[str, ...] | None) -> None:
        """Fit on the clean rows of a unit and watch its runs."""
        model = None if phases is None else ShieldModel.fit(unit.clean, budget_per_day=budget, phases=phases)
        detector = Detector(budget).fit(unit.clean)
        self.certified += (detector.reference.calibration if model is None else model.calibration).certified
        for run in unit.runs:
            if model is None:
                detector.reset()
                alarm, index = detector.score(run.frame).alarm, None
            else:
                shield = ShieldMonitor(model).see(run.frame)[1]
                alarm, index = shield.alarm, shield.index
            report = event_report(run.frame.timestamps_ns, run.labels, alarm)
            normal = ~run.labels
            self.found, self.events = self.found + report.found, self.events + report.total
            self.false_tickets += sum(
                not run.labels[row] for row in ticket_rows(run.frame.timestamps_ns, alarm)
            )
            self.normal_days += float(normal.sum()) * unit.clean.interval_s / SECONDS_PER_DAY
            self.alarm, self.normal = self.alarm + int(alarm[normal].sum()), self.normal + int(normal.sum())
            if index is not None:
                self.benign += int((index[normal] < 20).sum())
        cut = int(0.8 * len(unit.clean))
        if model is not None and phases is not None and cut >= 300:
            ahead = ShieldModel.fit(unit.clean.rows(0, cut), budget_per_day=budget, phases=phases)
            index = ShieldMonitor(ahead).see(unit.clean.rows(cut))[1].index
            self.held, self.held_benign = self.held + len(index), self.held_benign + int((index < 20).sum())


def detection(name: str, units: list[Unit], budget: float) -> tuple[int, int]:
    print(f"\n{name}: attacks at {budget:g} false tickets a day")
    print(
        f"{'':12}{'found':>9}{'false/d':>10}{'alarm %':>9}{'ICI<20 normal %':>17}"
        f"{'ICI<20 held-out clean %':>25}{'certified':>11}"
    )
    best = (0, 0)
    for label, phases in ABLATION.items():
        tally = Tally()
        for unit in units:
            tally.add(unit, budget, phases)
        benign = f"{100 * tally.benign / tally.normal:.2f}" if phases else "-"
        held = f"{100 * tally.held_benign / tally.held:.2f}" if tally.held else "-"
        print(
            f"{label:12}{f'{tally.found}/{tally.events}':>9}{tally.false_tickets / tally.normal_days:10.2f}"
            f"{100 * tally.alarm / tally.normal:9.2f}{benign:>17}{held:>25}"
            f"{f'{tally.certified}/{len(units)}':>11}",
            flush=True,
        )
        best = (tally.found, tally.events)
    return best


def lies(name: str, units: list[Unit]) -> None:
    rng = np.random.default_rng(17)
    found: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for unit in units[:4]:
        cut = int(0.75 * len(unit.clean))
        if cut < 260:
            continue
        model = ShieldModel.fit(unit.clean.rows(0, cut), phases=("UPD",))
        held = unit.clean.rows(cut)
        length = min(48, len(held) // 4)
        for lie in inject(held, unit.clean.rows(0, cut), length=length, count=5, rng=rng):
            window = lie.frame.rows(lie.rows.start, lie.rows.stop)
            named = [entry.channel for entry in accuse(model, window)]
            asked[lie.kind] += 1
            found[lie.kind] += lie.channel in named
    for kind in asked:
        print(f"{name}: injected {kind}: top 3 holds the liar in {found[kind]} of {asked[kind]}")
    total = sum(asked.values())
    if total:
        print(f"{name}: injected, all kinds: {sum(found.values())} of {total}", flush=True)
    if name == "batadal":
        _batadal(units[0])


def _batadal(unit: Unit) -> None:
    model = ShieldModel.fit(unit.clean, phases=("UPD",))
    run = unit.runs[0]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], run.labels.astype(int), [0]])))
    hits = 0
    for number, (start, stop) in enumerate(zip(edges[::2], edges[1::2], strict=True)):
        named = accuse(model, run.frame.rows(start, stop), before=run.frame.rows(0, start))
        hit = any(entry.channel in BATADAL_ATTACKED[number] for entry in named)
        hits += hit
        shown = ", ".join(f"{entry.channel} ({entry.ground})" for entry in named)
        print(f"batadal attack {number + 1}: {'yes' if hit else 'no '} {shown}")
    print(f"batadal: top 3 holds an attacked channel in {hits} of {len(edges) // 2} attacks", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled telemetry")
    parser.add_argument("--sets", default=",".join(SETS), help=f"comma separated, of {', '.join(SETS)}")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"comma separated, of {', '.join(PARTS)}")
    parser.add_argument("--budget", type=float, default=1.0, help="false tickets per day (default 1)")
    parser.add_argument("--units", type=int, help="only so many units of each set")
    arguments = parser.parse_args()
    parts = arguments.parts.split(",")
    started = time.time()
    found = events = 0
    recorded = {"detection", "lies", "imputation"} & set(parts)
    for name in arguments.sets.split(",") if recorded else ():
        units = list(islice(SETS[name](arguments.data), arguments.units))
        if "detection" in parts:
            here = detection(name, units, arguments.budget)
            found, events = found + here[0], events + here[1]
        if "lies" in parts:
            lies(name, units)
        if "imputation" in parts:
            imputation(name, units)
    if events:
        print(f"\nall sets: {found} of {events} attacks found by all phases ({100 * found / events:.1f} %)")
    if "kinds" in parts:
        kinds(arguments.data)
    if "simulated" in parts:
        simulated()
    if "network" in parts:
        network()
    if "latency" in parts:
        latency()
    print(f"{time.time() - started:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
