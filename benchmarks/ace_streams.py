"""ACE against a fixed single pass on telemetry streams, easy and hard: who accepts more at the same error?

    python benchmarks/ace_streams.py [--streams 12] [--moments 6] [--seed 2026] [--accuracy 0.5] [--json FILE]

Each stream has four channels with a daily cycle, a wander that is forgotten sooner or later, and noise between a
twentieth and more than half of what varies; it is sampled every five minutes. Eight days are learned from; in the two
days after them every fourth stream changes its law. Forecasts are made at several moments of those two days, half an
hour to six hours ahead. A forecast is right if the root mean square of its errors over the channels, in clean standard
deviations, is at most the stated accuracy at the very sample that was forecast, noise included.

The single pass is the same ensemble with the first settings. It is given the best threshold on its own error estimate
in hindsight: the one that accepts the most on these very cases with no larger share of wrong ones than ACE had.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.ace import both_answers, summary, tools_of

from industriverse.mcp_server.composition import compose
from industriverse.operations.home import Home
from industriverse.operations.platform import Platform
from industriverse.signals import Channel, Frame

INTERVAL_S, PER_DAY, CLEAN_DAYS, LIVE_DAYS = 300, 288, 8, 2
START_NS = 1_767_571_200 * 10**9
CHANNELS = tuple(Channel(f"unit-{k}.reading", "1", entity=f"unit-{k}") for k in range(4))
GOALS = {"width": 3.0, "budget_steps": 40_000}


@dataclass(frozen=True, slots=True)
class Law:
    """One stream.

    Attributes:
        seed: Of its noise.
        memory: What is left of the wander from sample to sample.
        wander: Its standard deviation relative to the daily cycle.
        noise: Standard deviation of the noise relative to the daily cycle.
        changes: Whether the law changes at the end of the clean days.
    """

    seed: int
    memory: float
    wander: float
    noise: float
    changes: bool


def laws(number: int, seed: int) -> list[Law]:
    """Streams from easy to hard."""
    generator = np.random.default_rng(seed)
    return [
        Law(
            seed=int(generator.integers(2**31)),
            memory=float(generator.choice([0.6, 0.95, 0.995])),
            wander=float(generator.choice([0.05, 0.2, 0.6])),
            noise=float(generator.choice([0.03, 0.1, 0.4])),
            changes=k % 4 == 3,
        )
        for k in range(number)
    ]


def telemetry(law: Law) -> Frame:
    """The whole stream, clean days and live ones."""
    generator = np.random.default_rng(law.seed)
    rows, width = PER_DAY * (CLEAN_DAYS + LIVE_DAYS), len(CHANNELS)
    phase = 2 * np.pi * np.arange(rows)[:, None] / PER_DAY + generator.uniform(0, 2 * np.pi, width)
    wander = np.zeros((rows, width))
    for row in range(1, rows):
        kick = np.sqrt(1 - law.memory**2) * generator.standard_normal(width)
        wander[row] = law.memory * wander[row - 1] + kick
    values = np.sqrt(2.0) * np.sin(phase) + law.wander * wander
    if law.changes:
        values[PER_DAY * CLEAN_DAYS :] *= generator.uniform(0.2, 0.5)
        values[PER_DAY * CLEAN_DAYS :] += generator.uniform(-2, 2, width)
    values += law.noise * generator.standard_normal((rows, width))
    return Frame(START_NS + INTERVAL_S * 10**9 * np.arange(rows), values, CHANNELS)


async def judge_stream(
    platform: Platform, name: str, law: Law, moments: int, accuracy: float
) -> list[dict[str, Any]]:
    """Forecasts of one stream at several moments."""
    frame, clean = telemetry(law), PER_DAY * CLEAN_DAYS
    streams = platform.services.streams
    streams.ingest(name, frame.rows(0, clean))
    streams.learn(name, None, 0.05)
    scale = frame.values[:clean].std(axis=0)
    generator = np.random.default_rng(law.seed + 1)
    stops = np.sort(clean + 24 + generator.choice(PER_DAY * LIVE_DAYS - 24 - 73, size=moments, replace=False))
    rows, done = [], clean
    for stop in stops:
        streams.ingest(name, frame.rows(done, int(stop)))
        done = int(stop)
        ahead = int(generator.choice([6, 24, 72]))
        truth = frame.values[done - 1 + ahead]
        rows.append(await judge(platform, name, law, ahead, truth / scale, scale, accuracy))
    return rows


async def judge(
    platform: Platform,
    name: str,
    law: Law,
    ahead: int,
    truth: np.ndarray[Any, np.dtype[np.float64]],
    scale: np.ndarray[Any, np.dtype[np.float64]],
    accuracy: float,
) -> dict[str, Any]:
    """One forecast by ACE and by the single pass."""

    def wrong(forecast: dict[str, Any]) -> float:
        said = np.array([forecast["stream_values"][channel.name] for channel in CHANNELS]) / scale
        return float(np.sqrt(np.mean((said - truth) ** 2)))

    asked = {"stream": name, "horizon_hours": ahead * INTERVAL_S / 3600}
    answers = await both_answers(tools_of(platform), asked, {"accuracy": accuracy, **GOALS}, [], wrong)
    return {**asdict(law), "samples_ahead": ahead, **answers}


async def measure(number: int, moments: int, seed: int, accuracy: float) -> list[dict[str, Any]]:
    """All forecasts of all streams."""
    with tempfile.TemporaryDirectory() as folder, Home(Path(folder)) as home, compose(home) as platform:
        rows = []
        for position, law in enumerate(laws(number, seed)):
            rows += await judge_stream(platform, f"stream-{position}", law, moments, accuracy)
        return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="ACE against a fixed single pass on streams")
    parser.add_argument("--streams", type=int, default=12)
    parser.add_argument("--moments", type=int, default=6)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--accuracy", type=float, default=0.5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = asyncio.run(measure(arguments.streams, arguments.moments, arguments.seed, arguments.accuracy))
    told = summary(rows, arguments.accuracy)
    told["of_changed_streams_accepted"] = sum(row["changes"] and row["ace_error"] is not None for row in rows)
    if arguments.json:
        arguments.json.write_text(json.dumps({"summary": told, "rows": rows}, indent=1))
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
