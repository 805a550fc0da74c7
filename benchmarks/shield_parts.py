"""Parts of the shield benchmark that need no attack labels: rebuilding, kinds, simulated plants, latency."""

import json
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from benchmarks.detection_sets import Unit
from numpy.typing import NDArray

from industriverse.eil.watch import ticket_rows
from industriverse.shield.fusion import ShieldModel, ShieldMonitor
from industriverse.shield.isomorphism import identify_noise, match_system
from industriverse.shield.isomorphism.canonical import CANONICAL_SYSTEMS, FOREIGN_SYSTEMS, simulate_system
from industriverse.shield.isomorphism.generators import GENERATORS, generate_noise
from industriverse.shield.reconstruction import Rebuilder
from industriverse.shield.telemetry import DeadLetters
from industriverse.shield.telemetry.collecting import Assembler, drain
from industriverse.shield.telemetry.intake import UnskewedIntake
from industriverse.shield.telemetry.receivers import HttpReceiver
from industriverse.signals import Channel, Frame

__all__ = ["imputation", "kinds", "latency", "simulated"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def _linear(values: Array, missing: Mask) -> Array:
    out = values.copy()
    for j in np.flatnonzero(missing.any(axis=0)):
        gap, known = np.flatnonzero(missing[:, j]), np.flatnonzero(~missing[:, j])
        out[gap, j] = np.interp(gap, known, values[known, j])
    return out


def _last(values: Array, missing: Mask) -> Array:
    out = values.copy()
    for row, j in np.argwhere(missing):
        out[row, j] = out[row - 1, j]
    return out


def _pca(values: Array, missing: Mask, clean: Array) -> Array:
    """Iterated PCA imputation with 95 % of the clean variance."""
    center, scale = clean.mean(axis=0), clean.std(axis=0)
    scale = np.where(scale > 1e-9 * np.maximum(np.abs(center), 1e-9), scale, 1.0)
    standard = (clean - center) / scale
    variance, modes = np.linalg.eigh(standard.T @ standard / len(standard))
    kept = int(np.searchsorted(np.cumsum(variance[::-1]) / variance.sum(), 0.95)) + 1
    modes = modes[:, ::-1][:, :kept]
    filled = np.where(missing, 0.0, (values - center) / scale)
    for _ in range(100):
        filled = np.where(missing, (filled @ modes) @ modes.T, filled)
    return np.asarray(filled * scale + center)


def imputation(name: str, units: list[Unit]) -> None:
    """Error of gaps in held-out clean rows, in standard deviations of the channel, against three baselines."""
    rng = np.random.default_rng(23)
    errors: dict[tuple[int, str], list[float]] = {}
    covered = []
    for unit in units[:4]:
        cut = int(0.75 * len(unit.clean))
        fitted, held = unit.clean.rows(0, cut), unit.clean.rows(cut)
        rebuilder = Rebuilder(fitted)
        spread = fitted.values.std(axis=0)
        moving = np.flatnonzero(spread > 1e-9 * np.maximum(np.abs(fitted.values.mean(axis=0)), 1e-9))
        for length in (4, 16, 64):
            for _ in range(20):
                if len(held) < 2 * length + 4:
                    continue
                j, start = int(rng.choice(moving)), int(rng.integers(1, len(held) - length - 1))
                missing = np.zeros(held.values.shape, dtype=np.bool_)
                missing[start : start + length, j] = True
                gap = Frame(held.timestamps_ns, np.where(missing, np.nan, held.values), held.channels)
                rebuilt = rebuilder.rebuild(gap)
                low, high = max(start - 200, 0), start + length + 200
                near, hole = held.values[low:high], missing[low:high]
                answers = {
                    "ours": rebuilt.values[low:high],
                    "last value": _last(near, hole),
                    "linear": _linear(near, hole),
                    "PCA": _pca(near, hole, fitted.values),
                }
                for method, answer in answers.items():
                    size = float(np.sqrt((((answer - near)[hole] / spread[j]) ** 2).mean()))
                    errors.setdefault((length, method), []).append(size)
                inside = (held.values >= rebuilt.low - 1e-9) & (held.values <= rebuilt.high + 1e-9)
                covered.append(float(inside[missing].mean()))
    for length in sorted({length for length, _ in errors}):
        text = ", ".join(
            f"{method} {np.mean(values):.3f} (median {np.median(values):.3f})"
            for (known, method), values in errors.items()
            if known == length
        )
        print(f"{name}: gaps of {length}: {text}")
    if covered:
        print(f"{name}: 90 % intervals hold {100 * np.mean(covered):.1f} %", flush=True)


def kinds(folder: Path) -> None:
    """Confusion of noise profiles and of systems on simulated signals, and what real channels look like."""
    rng = np.random.default_rng(101)
    matrix: Counter[tuple[str, str]] = Counter()
    for profile in GENERATORS:
        for _ in range(50):
            matrix[profile, identify_noise(generate_noise(profile, 512, rng)).profile] += 1
    print("\nnoise profiles, 50 simulated windows of 512 each, rows are the truth")
    _show(matrix, [str(profile) for profile in GENERATORS])
    systems: Counter[tuple[str, str]] = Counter()
    for name in [*CANONICAL_SYSTEMS, *FOREIGN_SYSTEMS]:
        for _ in range(30):
            systems[name, match_system(simulate_system(name, 1000, rng)).system] += 1
    print("\ncanonical systems, 30 simulated paths of 1,000 each, rows are the truth")
    _show(systems, [*CANONICAL_SYSTEMS, *FOREIGN_SYSTEMS])
    right = sum(systems[n, n] for n in CANONICAL_SYSTEMS) + sum(
        systems[n, "unknown"] for n in FOREIGN_SYSTEMS
    )
    print(f"systems named rightly, foreign ones as unknown: {100 * right / sum(systems.values()):.1f} %")
    right = sum(matrix[str(p), str(p)] for p in GENERATORS)
    print(f"noise named rightly: {100 * right / sum(matrix.values()):.1f} %")
    for source, column in (("skab/skab", "Pressure"), ("batadal/dataset03", "L_T1"), ("asd/omi-1", None)):
        path = folder / f"{source}.parquet"
        if path.exists():
            table = pd.read_parquet(path)
            chosen = column if column in table.columns else table.select_dtypes("number").columns[0]
            found = identify_noise(table[chosen].to_numpy(dtype=np.float64)[:1024])
            print(f"{source} {chosen}: {found.profile} ({found.reason})")
    replayed = pd.read_parquet(folder / "batadal" / "dataset04.parquet")["L_T7"].to_numpy(dtype=np.float64)
    found = identify_noise(replayed[1720:1860], clean=replayed[:1720])
    print(f"batadal L_T7 under attack 1: {found.profile} ({found.reason})", flush=True)


def _show(matrix: Counter[tuple[str, str]], rows: list[str]) -> None:
    answers = sorted({answer for _, answer in matrix}, key=str)
    print(f"{'':17}" + "".join(f"{answer[:9]!s:>11}" for answer in answers))
    for row in rows:
        print(f"{row:17}" + "".join(f"{matrix[row, answer] or '':>11}" for answer in answers))


def simulated() -> None:
    """Simulated plants: canonical dynamics read by sensors, attacked one channel at a time."""
    print(
        "\nsimulated plants (relaxation, advection, oscillator with redundant sensors), 1 false ticket a day"
    )
    for system in ("relaxation", "advection", "oscillator"):
        rng = np.random.default_rng(41)
        found = asked = false_tickets = 0
        benign, days = [], 0.0
        for _ in range(3):
            path = simulate_system(system, 6000, rng)
            sensors = np.hstack([path, path @ rng.normal(0, 1, (path.shape[1], 3))])
            sensors += 0.02 * sensors.std(axis=0) * rng.standard_normal(sensors.shape)
            sensors = np.round(sensors, 4)
            times = np.arange(len(sensors), dtype=np.int64) * 60_000_000_000
            frame = Frame(times, sensors, tuple(Channel(f"s{j}") for j in range(sensors.shape[1])))
            clean, rest = frame.rows(0, 4000), frame.rows(4000)
            model = ShieldModel.fit(clean)
            calm = ShieldMonitor(model).see(rest)[1]
            benign.append(calm.index)
            false_tickets += len(ticket_rows(rest.timestamps_ns, calm.alarm))
            days += len(rest) / 1440.0
            for kind in ("bias", "frozen", "replay", "noise"):
                asked += 1
                found += _attacked(model, rest, kind, rng)
        share = 100 * float((np.concatenate(benign) < 20).mean())
        print(
            f"{system}: {found} of {asked} injected attacks found; {false_tickets} false tickets in {days:.1f} "
            f"days; ICI < 20 in {share:.2f} % of clean time",
            flush=True,
        )


def _attacked(model: ShieldModel, rest: Frame, kind: str, rng: np.random.Generator) -> bool:
    values = rest.values.copy()
    j, rows = int(rng.integers(values.shape[1])), slice(800, 900)
    spread = model.clean.values[:, j].std()
    if kind == "bias":
        values[rows, j] += 2.0 * spread
    elif kind == "frozen":
        values[rows, j] = values[800, j]
    elif kind == "replay":
        values[rows] = model.clean.values[1000:1100]
    else:
        values[rows, j] += spread * rng.standard_normal(100)
    alarm = ShieldMonitor(model).see(Frame(rest.timestamps_ns, values, rest.channels))[1].alarm
    return bool(alarm[rows].any())


def latency(rate: int = 1000, seconds: int = 20, channels: int = 10) -> None:
    """Sample to decision: pushed over HTTP at a rate, through intake, seven witnesses, index and decision."""
    rng = np.random.default_rng(3)
    clean = rng.standard_normal((2000, channels)) @ rng.standard_normal((channels, channels))
    times = np.arange(len(clean), dtype=np.int64) * 1_000_000
    frame = Frame(times, clean, tuple(Channel(f"c{j}") for j in range(channels)))
    monitor = ShieldMonitor(ShieldModel.fit(frame, budget_per_day=24.0))
    sent: dict[int, float] = {}
    delays: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        door = UnskewedIntake(DeadLetters(Path(folder) / "dead.jsonl", time.time_ns), time.time_ns)
        assembler = Assembler(frame.names, last_ns=int(times[-1]))
        receiver = HttpReceiver(door)
        done = threading.Event()

        def decide(rows: Frame) -> None:
            shield = monitor.see(rows)[1]
            now = time.perf_counter()
            for stamp, alarm in zip(rows.timestamps_ns.tolist(), shield.alarm.tolist(), strict=True):
                assert isinstance(alarm, bool)
                delays.append(now - sent[stamp])

        def consume() -> None:
            while not done.is_set():
                drain(door, assembler, decide)
                time.sleep(0.001)

        worker = threading.Thread(target=consume)
        worker.start()
        batch, start = 20, time.perf_counter()
        for first in range(0, rate * seconds, batch):
            wait = start + first / rate - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            lines, now = [], time.perf_counter()
            for k in range(first, first + batch):
                stamp = 1_700_000_000_000_000_000 + k * 1_000_000
                sent[stamp] = now
                values = {f"c{j}": float(v) for j, v in enumerate(clean[k % len(clean)] * 1.001)}
                lines.append(json.dumps({"time": f"{stamp // 10**9}.{stamp % 10**9:09d}", "values": values}))
            body = "\n".join(lines).encode()
            request = urllib.request.Request(f"http://127.0.0.1:{receiver.port}/push", data=body)
            urllib.request.urlopen(request, timeout=30).close()
        took = time.perf_counter() - start
        time.sleep(1.0)
        done.set()
        worker.join()
        receiver.finish(door)
        counts = door.counts()
    p50, p95, p99 = (1000 * float(np.quantile(delays, q)) for q in (0.5, 0.95, 0.99))
    print(
        f"\nlatency sample to decision: {len(delays)} samples of {channels} channels over HTTP at "
        f"{len(delays) / took:.0f} a second: p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms; "
        f"counters balance: {counts.balanced}, dropped {sum(counts.dropped.values())}",
        flush=True,
    )
