"""Proof benchmark: which check refuses which forgery, and what a keyed challenge costs.

    python benchmarks/proof.py [--data $INDUSTRIVERSE_DATA] [--sets synthetic,tank] [--alpha 0.05] [--json out.json]

Every cell is the share of non-overlapping windows refused, with an exact 95 % binomial interval (Clopper &
Pearson 1934) for the last column. The row "clean" is the share of false refusals, which alpha bounds for windows
exchangeable with the clean ones. Sets that need the data folder are left out without it.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

# Run as a script, Python puts only this folder on the path, not the root that makes it a package.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from benchmarks.detection import machine
from benchmarks.proof_forgeries import FORGERIES, Attempt, Forger
from benchmarks.proof_plant import plant_row, show_plant
from benchmarks.proof_sets import (
    PUMP,
    SIMULATED,
    START_NS,
    STORED,
    ProofSet,
    QuadrupleTank,
    challenge,
)
from numpy.typing import NDArray
from scipy.stats import beta

from industriverse.eil.proof import (
    Actuator,
    CheckName,
    EquilibriumReference,
    WatermarkFitError,
    WatermarkModel,
)
from industriverse.signals import NANOSECONDS_PER_SECOND, Channel, Frame

NAMES = (*SIMULATED, *STORED)
SHARES = (0.0025, 0.005, 0.0075, 0.01, 0.02)
PLANT_SHARES = (0.02, 0.05, 0.1)
WATERMARK_ALPHA = 1e-3
WATERMARK_WINDOW = 200
WATERMARK_WINDOWS = 2000


@dataclass(frozen=True)
class Row:
    """Refusals of one forgery on one set; shares by check, None where the check could not run."""

    set: str
    forgery: str
    windows: int
    by_check: dict[str, float | None]
    refused: float
    low: float
    high: float


def interval(hits: int, trials: int) -> tuple[float, float]:
    """Exact two-sided 95 % binomial interval."""
    low = 0.0 if hits == 0 else float(beta.ppf(0.025, hits, trials - hits + 1))
    high = 1.0 if hits == trials else float(beta.ppf(0.975, hits + 1, trials - hits))
    return low, high


def evaluate(data: ProofSet, reference: EquilibriumReference, alpha: float) -> list[Row]:
    """Forge every test window in every way and let every check look at it."""
    checks = len(CheckName) if data.model else len(CheckName) - 1
    forger = Forger.watching(data.clean.values, data.recorded)
    rows = []
    for name, forge in FORGERIES.items():
        rng = np.random.default_rng(17)
        refused = []
        for window, session in data.tests:
            forged = Frame(window.timestamps_ns, forge(Attempt(window.values, forger, rng)), window.channels)
            verdict = {r.name: r.p_value <= alpha / checks for r in reference.check(forged)}
            if data.model and session:
                verdict[CheckName.FRESHNESS] = not data.model.check(forged, session).is_fresh(alpha / checks)
            refused.append(verdict)
        hits, trials = sum(any(v.values()) for v in refused), len(refused)
        by_check = {
            str(c): float(np.mean([v[c] for v in refused])) if c in refused[0] else None for c in CheckName
        }
        rows.append(Row(data.name, name, trials, by_check, hits / trials, *interval(hits, trials)))
    return rows


def show(data: ProofSet, reference: EquilibriumReference, rows: list[Row], alpha: float) -> None:
    checks = len(CheckName) if data.model else len(CheckName) - 1
    print(
        f"\n{data.name}: {len(reference.channels)} channels checked, window {data.window}, "
        f"{len(data.tests)} test windows, reference on {reference.independent_windows} independent "
        f"({reference.calibration_windows} overlapping) windows, alpha {alpha:g} "
        f"(clean data certify {reference.certifiable_alpha(checks):.2g}), {checks} checks, "
        f"{len(reference.quasi_static)} quasi-static channels"
    )
    heads = [str(name).replace("entropy_production", "currents") for name in CheckName]
    print(f"{'refused, %':22}" + "".join(f"{head:>10}" for head in heads) + f"{'any':>8}  95 % interval")
    for row in rows:
        cells = "".join("         -" if v is None else f"{100 * v:10.1f}" for v in row.by_check.values())
        print(
            f"{row.forgery:22}{cells}{100 * row.refused:8.1f}  {100 * row.low:.1f} to {100 * row.high:.1f}",
            flush=True,
        )


@dataclass(frozen=True)
class WatermarkRow:
    """What an amplitude of the excitation buys and costs."""

    share: float
    gain: float
    samples_needed: int
    replays_refused: float
    replays_low: float
    live_refused: float
    live_high: float
    cost_increase: float


def _levels(values: NDArray[np.float64]) -> Frame:
    step = round(QuadrupleTank.interval_s * NANOSECONDS_PER_SECOND)
    times = START_NS + np.arange(len(values), dtype=np.int64) * step
    return Frame(times, values, tuple(Channel(f"channel-{i}") for i in range(values.shape[1])))


def watermark_row(share: float) -> WatermarkRow | str:
    """Full replays of clean marked data against live windows, on the simulated quadruple tank."""
    plant, actuator = QuadrupleTank(), Actuator(PUMP.name, PUMP.low, PUMP.high, share)
    session = challenge(b"commissioning", actuator)
    try:
        model = WatermarkModel.fit(_levels(plant.run(session.excitation(0, 20_000), seed=1)[0]), session)
    except WatermarkFitError as error:
        return error.message
    rows = WATERMARK_WINDOW * WATERMARK_WINDOWS
    now, before = challenge(b"the present session", actuator), challenge(b"a recorded session", actuator)
    live, cost = plant.run(now.excitation(0, rows), seed=2)
    replay, _ = plant.run(before.excitation(0, rows), seed=3)
    _, plain_cost = plant.run(np.zeros(rows), seed=2)
    present, recorded = _levels(live), _levels(replay)
    refused = {"live": 0, "replay": 0}
    for at in range(0, rows, WATERMARK_WINDOW):
        for kind, frame in (("live", present), ("replay", recorded)):
            result = model.check(frame.rows(at, at + WATERMARK_WINDOW), now)
            refused[kind] += not result.is_fresh(WATERMARK_ALPHA)
    return WatermarkRow(
        share=share,
        gain=model.gain,
        samples_needed=model.samples_needed(WATERMARK_ALPHA),
        replays_refused=refused["replay"] / WATERMARK_WINDOWS,
        replays_low=interval(refused["replay"], WATERMARK_WINDOWS)[0],
        live_refused=refused["live"] / WATERMARK_WINDOWS,
        live_high=interval(refused["live"], WATERMARK_WINDOWS)[1],
        cost_increase=cost / plain_cost - 1.0,
    )


def show_watermark(rows: dict[float, WatermarkRow | str]) -> None:
    print(
        f"\nkeyed challenge on the simulated quadruple tank: windows of {WATERMARK_WINDOW}, alpha {WATERMARK_ALPHA:g}, "
        f"{WATERMARK_WINDOWS} windows each"
    )
    print(
        f"{'% of range':>10}{'gain':>7}{'needs':>7}{'replay refused %':>18}{'(at least)':>12}"
        f"{'live refused %':>16}{'(at most)':>11}{'control cost':>14}"
    )
    for share, row in rows.items():
        if isinstance(row, str):
            print(f"{100 * share:10.2f}  {row}")
            continue
        print(
            f"{100 * share:10.2f}{row.gain:7.2f}{row.samples_needed:7d}{100 * row.replays_refused:18.2f}"
            f"{100 * row.replays_low:12.2f}{100 * row.live_refused:16.2f}{100 * row.live_high:11.2f}"
            f"{100 * row.cost_increase:+13.1f}%"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="folder of the telemetry")
    parser.add_argument("--sets", default=",".join(NAMES), help=f"comma separated, of {', '.join(NAMES)}")
    parser.add_argument("--alpha", type=float, default=0.05, help="level of a certificate (default 0.05)")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    parser.add_argument("--no-watermark", action="store_true", help="leave the sweep over amplitudes out")
    arguments = parser.parse_args()
    names = arguments.sets.split(",")
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        parser.error(f"no set {unknown[0]!r}; sets are {', '.join(NAMES)}")
    facts = machine()
    print("; ".join(f"{key} {value}" for key, value in facts.items()))
    began, tables = time.perf_counter(), []
    for name in names:
        if name in STORED and (arguments.data is None or not (arguments.data / name).is_dir()):
            print(f"{name}: no data folder, set left out")
            continue
        data = STORED[name](arguments.data) if name in STORED else SIMULATED[name]()
        reference = EquilibriumReference.fit(data.clean, window=data.window)
        rows = evaluate(data, reference, arguments.alpha)
        show(data, reference, rows, arguments.alpha)
        tables += rows
        if reference.quasi_static:
            rigid = EquilibriumReference.fit(data.clean, window=data.window, quasi_static=False)
            data = replace(data, name=f"{data.name}, levels not taken out")
            rows = evaluate(data, rigid, arguments.alpha)
            show(data, rigid, rows, arguments.alpha)
            tables += rows
    sweep = {} if arguments.no_watermark else {share: watermark_row(share) for share in SHARES}
    plants = [] if arguments.no_watermark else [plant_row(share) for share in PLANT_SHARES]
    if sweep:
        show_watermark(sweep)
        show_plant(plants)
    print(f"\n{time.perf_counter() - began:.0f} s, of them {time.process_time():.0f} s on the processor")
    if arguments.json:
        content = {
            "machine": facts,
            "alpha": arguments.alpha,
            "forgeries": [asdict(row) for row in tables],
            "watermark": [asdict(row) for row in sweep.values() if isinstance(row, WatermarkRow)],
            "plant": [asdict(row) for row in plants],
        }
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
