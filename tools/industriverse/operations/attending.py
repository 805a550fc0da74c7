"""What a stream deserves attention for, and how far the platform's own expectations of it can be trusted."""

import math
from dataclasses import dataclass

import numpy as np

from industriverse.eil.transfer_entropy import Transfer, transfer_entropies
from industriverse.operations.costs import count_steps
from industriverse.operations.deciding import expected_excess
from industriverse.operations.errors import OperationError
from industriverse.operations.services import Services
from industriverse.signals import ThermoReadings

__all__ = ["Awareness", "Reflection", "ShareOfChannel", "attend", "reflect"]

RECENT_ROWS = 512
MOST_DRIVERS = 6
"""Channels among which transfer entropy is looked for: pairs grow with the square."""

FEWEST_FORECASTS, FEWEST_READINGS = 30, 32
LEAST_COVERAGE, MOST_BRIER = 0.8, 0.25
_NINETY = 1.6448536
MOST_ORIGINS = 400
WIDTH_RATE = 0.15
"""How fast intervals learn from hits and misses."""


@dataclass(frozen=True, slots=True)
class ShareOfChannel:
    """One channel's part of the free-energy excess of the latest sample."""

    channel: str
    entity: str
    share: float
    free_energy_kt: float


@dataclass(frozen=True, slots=True)
class Awareness:
    """Where to look.

    Attributes:
        timestamp_ns: Time of the latest reading.
        alarm: Whether the stream is in alarm.
        free_energy_kt: Excess of the latest sample, kT.
        trend_per_hour: Slope of log(1 + excess) over the recent rows, 1/h: positive is away from equilibrium.
        hours_in_state: Hours since the alarm began or ended.
        shares: Channels by share of the excess, largest first; shares add up to 1 where there is an excess.
        transfers: Significant transfer entropies among the channels with the largest shares.
    """

    timestamp_ns: int
    alarm: bool
    free_energy_kt: float
    trend_per_hour: float
    hours_in_state: float
    shares: tuple[ShareOfChannel, ...]
    transfers: tuple[Transfer, ...]


@dataclass(frozen=True, slots=True)
class Reflection:
    """How earlier expectations turned out.

    Attributes:
        forecasts: How many expectations were compared with what came.
        coverage: Share of outcomes inside the central 90 % interval.
        brier: Mean squared error of the probability that the excess would be out of the ordinary.
        brier_of_base_rate: The same of always saying the share that came true.
        may_act: Whether the record allows acting without a person.
        reason: Why, or why not.
    """

    forecasts: int
    coverage: float
    brier: float
    brier_of_base_rate: float
    may_act: bool
    reason: str


def _readings(services: Services, stream: str) -> ThermoReadings:
    readings = services.streams.watched(stream).readings
    if readings is None:
        raise OperationError(
            f"stream {stream!r} has no sample after its clean rows", hint="send more samples"
        )
    return readings


def attend(services: Services, stream: str, *, alpha: float, seed: int) -> Awareness:
    """Shares, trend and drivers of a stream at its latest sample.

    Raises:
        NotFoundError: If there is no such stream or nothing was learned from it.
        OperationError: If nothing was scored yet.
    """
    live, readings = services.streams.watched(stream), _readings(services, stream)
    interval_h = live.reference.interval_s / 3600
    recent = np.log1p(np.maximum(readings.free_energy[-RECENT_ROWS // 8 :], 0.0))
    trend = float(np.polyfit(np.arange(len(recent)) * interval_h, recent, 1)[0]) if len(recent) > 2 else 0.0
    other = np.flatnonzero(readings.alarm != readings.alarm[-1])
    since = int(other[-1]) + 1 if other.size else 0
    evidence = live.evidence()
    parts = {item.channel: max(item.work + item.heat + item.structure, 0.0) for item in evidence}
    total = sum(parts.values())
    shares = sorted(
        (
            ShareOfChannel(
                item.channel,
                item.entity,
                parts[item.channel] / total if total > 0 else 0.0,
                parts[item.channel],
            )
            for item in evidence
        ),
        key=lambda share: (-share.free_energy_kt, share.channel),
    )
    return Awareness(
        timestamp_ns=int(readings.timestamps_ns[-1]),
        alarm=bool(readings.alarm[-1]),
        free_energy_kt=float(readings.free_energy[-1]),
        trend_per_hour=trend,
        hours_in_state=(len(readings) - since) * interval_h,
        shares=tuple(shares),
        transfers=_drivers(services, stream, [share.channel for share in shares], alpha, seed),
    )


def _drivers(
    services: Services, stream: str, channels: list[str], alpha: float, seed: int
) -> tuple[Transfer, ...]:
    frame = services.streams.store.frame(stream, last=RECENT_ROWS)
    kept: list[str] = []
    for name in channels:
        column = frame.column(name)
        if len(kept) < MOST_DRIVERS and np.isfinite(column).all() and np.ptp(column) > 0:
            kept.append(name)
    if len(kept) < 2 or len(frame) < 64:
        return ()
    # Differences, since levels that share a daily cycle predict each other without driving each other.
    changes = np.diff(np.stack([frame.column(name) for name in kept], axis=1), axis=0)
    # A model of each ordered pair looks at every sample; shifting them for the p-value is not counted again.
    count_steps(len(changes) * len(kept) * (len(kept) - 1))
    found = transfer_entropies(changes, kept, seed=seed)
    return tuple(transfer for transfer in found if transfer.p_value <= alpha)


def reflect(services: Services, stream: str, *, horizon_hours: float) -> Reflection:
    """Compare what would have been expected at earlier samples with what came.

    Every expectation uses only readings up to its own time; its interval is widened after a miss and narrowed
    after a hit, at rates that balance at 90 % (adaptive conformal inference, Gibbs and Candès, NeurIPS 2021).
    Autonomy needs enough of them, intervals that hold
    and probabilities with a Brier score no worse than tossing a coin; the base rate's is given beside it.

    Raises:
        NotFoundError: If there is no such stream or nothing was learned from it.
        OperationError: If nothing was scored yet.
    """
    live, readings = services.streams.watched(stream), _readings(services, stream)
    steps = max(1, round(horizon_hours * 3600 / live.reference.interval_s))
    # A daily swing that has not been seen once cannot be expected: the first day is for learning it.
    day = round(86_400 / live.reference.interval_s)
    first = day if len(readings) >= 2 * day else FEWEST_READINGS
    origins = np.arange(first, len(readings) - steps, max(1, steps // 2))[-MOST_ORIGINS:]
    inside, squares, outcomes = [], [], []
    width = 1.0
    for origin in origins:
        mean, sd = expected_excess(readings.rows(0, int(origin) + 1), steps)
        came = float(readings.free_energy[int(origin) + steps])
        sd *= width
        probability = _above(mean, sd, live.free_energy_limit_kt)
        unusual = came > live.free_energy_limit_kt
        inside.append(abs(came - mean) <= _NINETY * sd)
        width *= math.exp(WIDTH_RATE * ((not inside[-1]) - 0.1))
        squares.append((probability - unusual) ** 2)
        outcomes.append(unusual)
    return _judged(inside, squares, outcomes)


def _above(mean: float, sd: float, limit: float) -> float:
    if sd == 0.0:
        return float(mean > limit)
    return 0.5 * math.erfc((limit - mean) / sd / math.sqrt(2.0))


def _judged(inside: list[bool], squares: list[float], outcomes: list[bool]) -> Reflection:
    count = len(outcomes)
    if count < FEWEST_FORECASTS:
        reason = f"only {count} of {FEWEST_FORECASTS} expectations could be compared with what came"
        return Reflection(count, 0.0, 1.0, 0.0, False, reason)
    coverage, brier, rate = float(np.mean(inside)), float(np.mean(squares)), float(np.mean(outcomes))
    base = rate * (1.0 - rate)
    if coverage < LEAST_COVERAGE:
        reason, allowed = f"90 % intervals held {coverage:.0%} of outcomes", False
    elif brier > MOST_BRIER:
        reason, allowed = f"Brier score {brier:.3f} is above {MOST_BRIER}", False
    else:
        reason, allowed = f"coverage {coverage:.0%}, Brier score {brier:.3f} over {count} expectations", True
    return Reflection(count, coverage, brier, base, allowed, reason)
