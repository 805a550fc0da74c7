"""Regimes: does the bank forecast better than one model, and how far can a slow attacker go unseen?

    python benchmarks/detection_regimes.py --data $INDUSTRIVERSE_DATA

The forecasting stream visits four operating points of a real pump loop twice each, made by joining the clean
beginnings of four of its recordings: the points are real, their order is made here. The first visits are admitted
as an operator would; the errors are of the second visits. The poisoning attack is a ramp added to one channel.
"""

import argparse
import sys
import warnings
from dataclasses import replace
from pathlib import Path

# Run as a script, Python puts only this folder on the path, not the root that makes it a package.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas as pd
from benchmarks.detection_sets import frame_of_table, skab
from numpy.typing import NDArray

from industriverse.eil.detector import Detector
from industriverse.eil.forecasting import MixedForecaster
from industriverse.eil.regimes import RegimeBank
from industriverse.eil.watch import Watcher
from industriverse.signals import NANOSECONDS_PER_SECOND, Frame

__all__ = ["blind_spot", "every_channel", "forecast_errors", "poisoning"]

Array = NDArray[np.float64]

VISIT_ROWS = 200
SETTLING_ROWS = 60  # rows after a change of point in which the shares still move
POINTS = (0, 4, 8, 12)
SEEN_TICKETS = 3
RAMPS_SD_PER_DAY = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


def forecast_errors(folder: Path) -> dict[str, tuple[float, float]]:
    """Mean squared one-step error over channel variance: of the second visits, and of their settled rows."""
    units = [unit.clean for unit in skab(folder)]
    points = [units[point].values for point in POINTS]
    first, second = [p[:VISIT_ROWS] for p in points], [p[VISIT_ROWS : 2 * VISIT_ROWS] for p in points]
    channels = units[0].channels
    stream = np.vstack(second)
    times = (10_000 + np.arange(len(stream), dtype=np.int64)) * NANOSECONDS_PER_SECOND
    detectors = [Detector().fit(_frame(part, channels)) for part in first]
    scale = np.vstack(first).var(axis=0)
    scale = np.where(scale > 0.0, scale, 1.0)

    bank = RegimeBank(detectors[0], "bank")
    for detector in detectors[1:]:
        bank.adopt_known(detector)
    mixture = MixedForecaster(bank, channels, np.vstack(first).mean(axis=0), np.sqrt(scale))
    for part in first:
        mixture.prepare(part)
    single = Detector.from_reference(detectors[0].reference)
    pooled = Detector().fit(_frame(np.vstack(first), channels))
    mixed_names = ("bank", "VAR, all points, learning on", "persistence", "mixture")
    errors: dict[str, list[float]] = {
        name: [] for name in (*mixed_names, "VAR, first point", "VAR, all points")
    }
    for row, now in enumerate(times):
        for name, expected in zip(mixed_names, mixture.update(int(now), stream[row]), strict=True):
            errors[name].append(_error(expected, stream[row], scale))
        for name, detector in (("VAR, first point", single), ("VAR, all points", pooled)):
            detector.update(int(now), stream[row])
            errors[name].append(_error(detector.expected, stream[row], scale))
    settled = np.arange(len(times)) % VISIT_ROWS >= SETTLING_ROWS
    return {
        name: (float(np.mean(values)), float(np.mean(np.array(values)[settled])))
        for name, values in errors.items()
    }


def _frame(values: Array, channels: tuple[object, ...]) -> Frame:
    return Frame(np.arange(len(values), dtype=np.int64) * NANOSECONDS_PER_SECOND, values, channels)  # type: ignore[arg-type]


def _error(expected: Array, actual: Array, scale: Array) -> float:
    return float(((expected - actual) ** 2 / scale).mean())


def poisoning(clean: Frame, channel: int) -> list[dict[str, float]]:
    """For each ramp on one channel: how far it went before it was seen, and what was adopted.

    The same rows without the ramp are watched beside it. The ramp counts as seen when it has raised three tickets
    more than they have, or a regime shift: a ticket that merely comes at another time proves nothing.
    """
    cut = len(clean) // 2
    reference = Detector().fit(clean.rows(0, cut)).reference
    deviation = float(clean.values[:cut, channel].std()) or 1.0
    days = np.arange(len(clean) - cut) * clean.interval_s / 86_400.0
    plain = Watcher(Detector.from_reference(reference), "plain")
    baseline = [t.onset_ns for t in plain.feed(clean.rows(cut))[1]]
    lines, day_rows = [], round(86_400.0 / clean.interval_s)
    for ramp in RAMPS_SD_PER_DAY:
        values = clean.values[cut:].copy()
        values[:, channel] += ramp * deviation * days
        attacked = Frame(clean.timestamps_ns[cut:], values, clean.channels)
        rigid = reference.model.with_scalars(KEEPER_GAIN=0.0, DRIFT_RATE=0.0)
        fixed = Detector.from_reference(replace(reference, model=rigid))
        bank = RegimeBank(Detector.from_reference(reference), "attacked")
        onsets, shifts, alarms = [], [], []
        for start in range(0, len(attacked), 200):
            found = bank.feed(attacked.rows(start, min(start + 200, len(attacked))))
            onsets += [ticket.onset_ns for ticket in found.tickets]
            shifts += [shift.detected_ns for shift in found.shifts]
            alarms.append(found.readings.alarm)
        beyond = [
            ns for k, ns in enumerate(onsets, 1) if k - np.searchsorted(baseline, ns, "right") >= SEEN_TICKETS
        ]
        seen = [int(np.searchsorted(attacked.timestamps_ns, ns)) for ns in beyond[:1] + shifts[:1]]
        reached = ramp * float(days[min(seen)]) if seen else float("nan")
        lines.append(
            {
                "ramp_sd_per_day": ramp,
                "reached_sd": reached,
                "end_sd": ramp * float(days[-1]),
                "tickets": float(len(onsets)),
                "baseline": float(len(baseline)),
                "last_day": float(np.concatenate(alarms)[-day_rows:].mean()),
                "last_day_fixed": float(fixed.score(attacked).alarm[-day_rows:].mean()),
                "shifts": float(len(shifts)),
                "shift_sd": ramp * float(days[np.searchsorted(attacked.timestamps_ns, shifts[0])])
                if shifts
                else float("nan"),
                "adopted": float(len(bank.detectors) - 1),
            }
        )
    return lines


def every_channel(clean: Frame, ramp_sd_per_day: float = 1.0) -> dict[str, float]:
    """How far the same ramp goes on each channel that moves before a regime shift is raised, sd; NaN for never."""
    cut = len(clean) // 2
    reference = Detector().fit(clean.rows(0, cut)).reference
    days = np.arange(len(clean) - cut) * clean.interval_s / 86_400.0
    reached: dict[str, float] = {}
    for channel, name in enumerate(clean.names):
        deviation = float(clean.values[:cut, channel].std())
        if deviation > 0.0:
            values = clean.values[cut:].copy()
            values[:, channel] += ramp_sd_per_day * deviation * days
            bank = RegimeBank(Detector.from_reference(reference), "attacked")
            shifts = bank.feed(Frame(clean.timestamps_ns[cut:], values, clean.channels)).shifts
            row = np.searchsorted(clean.timestamps_ns[cut:], shifts[0].detected_ns) if shifts else 0
            reached[name] = ramp_sd_per_day * float(days[row]) if shifts else float("nan")
    return reached


def blind_spot(lines: list[dict[str, float]]) -> str:
    """What the ramps say about how far a slow attacker gets without a word being said."""
    unseen = [line["end_sd"] for line in lines if np.isnan(line["reached_sd"])]
    unshifted = [line["end_sd"] if np.isnan(line["shift_sd"]) else line["shift_sd"] for line in lines]
    adopted = sum(line["adopted"] for line in lines)
    return (
        f"blind spot: ramps that end at {max(unseen, default=0.0):.2f} sd or below were never seen; a regime shift "
        f"was announced at {max(unshifted):.2f} sd at the latest; adopted without a word: {adopted:.0f} of {len(lines)}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled telemetry")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print("one-step forecast, mean squared error over channel variance, second visits")
    for name, (whole, settled) in forecast_errors(arguments.data).items():
        print(f"  {name:30}{whole:8.3f}   settled rows {settled:8.3f}")
    table = pd.read_parquet(arguments.data / "asd" / "omi-1.parquet")
    columns = [c for c in table.columns if c not in ("label", "split")]
    clean = frame_of_table(table[table["split"] == "train"], columns, 300.0)
    channel = int(np.argmax(clean.values.std(axis=0) > 0.0))
    print(f"poisoning: a ramp on {columns[channel]} of asd omi-1, from its middle on, 15 days")
    lines = poisoning(clean, channel)
    for line in lines:
        seen = "never seen" if np.isnan(line["reached_sd"]) else f"seen at {line['reached_sd']:.2f} sd"
        print(
            f"  {line['ramp_sd_per_day']:6.2f} sd a day to {line['end_sd']:4.1f} sd: {seen}; "
            f"tickets {line['tickets']:.0f} ({line['baseline']:.0f} without), "
            f"first shift at {line['shift_sd']:.2f} sd, "
            f"adopted {line['adopted']:.0f}; last day in alarm {100 * line['last_day']:.0f} % "
            f"(with a fixed threshold {100 * line['last_day_fixed']:.0f} %)"
        )
    print(blind_spot(lines))
    reached = every_channel(clean)
    known = np.array([sd for sd in reached.values() if not np.isnan(sd)])
    print(
        f"1 sd a day on each of {len(reached)} channels in turn: a regime shift on {len(known)}, at "
        f"{np.median(known):.1f} sd in the middle and {known.max():.1f} sd at the latest"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
