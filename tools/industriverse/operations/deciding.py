"""What a stream does if nothing is done, and which options a plant offers: the input of a decision."""

import math
from dataclasses import dataclass

import numpy as np

from industriverse.eil.decision import DO_NOTHING, DecisionWeights, Option, Verdict, decide
from industriverse.operations.costs import count_steps
from industriverse.operations.errors import InvalidArgumentsError, OperationError
from industriverse.operations.services import Services
from industriverse.shield.plan import RolloutOutcome
from industriverse.shield.planner import PlannerWeights, option_of
from industriverse.signals import ThermoReadings

__all__ = ["Deliberation", "OptionClaim", "deliberate"]

RECENT_ROWS = 576
"""Latest readings from which the way of the free energy is learned."""

DIRECT_SPANS = 4
"""Spans of the horizon that the recent readings must hold for its spread to be read off directly."""

MOST_PLANT_OPTIONS = 40


@dataclass(frozen=True, slots=True)
class OptionClaim:
    """What a caller expects of an option.

    Attributes:
        option: Name, loss, cost, reversibility and information.
        relief: Share of the excess expected without it that it takes away; used if no free energy is given.
        relief_sd: Standard deviation of that share.
        free_energy_is_given: Whether ``option.free_energy_kt`` is the caller's own expectation.
    """

    option: Option
    relief: float
    relief_sd: float
    free_energy_is_given: bool


@dataclass(frozen=True, slots=True)
class Deliberation:
    """A verdict and what it was based on.

    Attributes:
        verdict: The ranking.
        timestamp_ns: Time of the latest reading.
        free_energy_kt: Excess in it, kT.
        nothing: What is expected if nothing is done.
        source: Where the options came from.
        loss_unit: Unit of the losses.
    """

    verdict: Verdict
    timestamp_ns: int
    free_energy_kt: float
    nothing: Option
    source: str
    loss_unit: str


def deliberate(
    services: Services,
    stream: str,
    horizon_hours: float,
    claims: tuple[OptionClaim, ...],
    *,
    loss_scale: float,
) -> Deliberation:
    """Weigh options for a stream; without claims, those of the simulated plant behind it.

    Raises:
        NotFoundError: If there is no such stream or nothing was learned from it.
        OperationError: If nothing was scored yet, or there are neither claims nor a plant.
        InvalidArgumentsError: If the horizon is shorter than one sample.
        DecisionError: If an option's numbers cannot be weighed.
    """
    live = services.streams.watched(stream)
    readings = live.readings
    if readings is None:
        raise OperationError(
            f"stream {stream!r} has no sample after its clean rows", hint="send more samples"
        )
    interval_s = live.reference.interval_s
    steps = round(horizon_hours * 3600 / interval_s)
    if steps < 1:
        raise InvalidArgumentsError(
            f"horizon_hours: {horizon_hours} is less than one sample",
            hint=f"give at least {interval_s / 3600:g}",
        )
    if claims:
        mean, sd = expected_excess(readings, steps)
        nothing = Option(DO_NOTHING, mean, sd, cost=0.0)
        options, source, unit = [_claimed(claim, nothing) for claim in claims], "the caller", ""
        ordinary = live.free_energy_limit_kt
        if readings.alarm[-1]:
            # The alarm adds evidence up over samples: each may lie below what a single clean one exceeds.
            ordinary = calm_level(readings)
    else:
        idle, options = _plant_options(services, stream)
        nothing, unit = option_of(DO_NOTHING, idle, ()), idle.loss_unit
        source, ordinary = "rollouts of the operator's model of the simulated plant", live.daily_work_limit_kt
        # The same price of lost service as a plan has, so that advice and plan do not contradict each other.
        loss_scale = PlannerWeights().for_decision(idle, ordinary).loss_scale
    weights = DecisionWeights(ordinary_kt=ordinary, loss_scale=loss_scale)
    return Deliberation(
        verdict=decide(options, nothing, weights),
        timestamp_ns=int(readings.timestamps_ns[-1]),
        free_energy_kt=float(readings.free_energy[-1]),
        nothing=nothing,
        source=source,
        loss_unit=unit,
    )


def expected_excess(readings: ThermoReadings, steps: int) -> tuple[float, float]:
    """Mean and standard deviation of the free-energy excess some samples ahead, kT.

    In calm, a first-order autoregression of the recent readings over the horizon, F' = m + b (F - m) + e with
    0 <= b <= 1: excess relaxes or stays, it does not grow by extrapolation. In alarm the clean dynamics have
    ended and relaxing is not to be hoped for: the excess since the alarm's onset stays.
    """
    count_steps(1)
    if readings.alarm[-1]:
        calm = np.flatnonzero(~readings.alarm)
        onset = int(calm[-1]) + 1 if calm.size else 0
        since = readings.free_energy[onset:]
        return max(float(since.mean()), float(since[-1])), float(since.std())
    recent = readings.free_energy[-RECENT_ROWS:]
    latest = float(recent[-1])
    if len(recent) < 3:
        return latest, 0.0
    level = float(recent.mean())
    # Where there is enough to see it, the spread is that of samples really this far apart: one step multiplied
    # up takes a daily swing for noise that averages out, and its intervals are too narrow.
    apart = steps if len(recent) >= DIRECT_SPANS * steps else 1
    before, after = recent[:-apart], recent[apart:]
    spread = float(np.var(before))
    slope = float(np.cov(before, after, bias=True)[0, 1] / spread) if spread > 0 else 0.0
    slope = min(max(slope, 0.0), 1.0)
    # Samples within one span of each other say much the same, so the degrees of freedom are the spans.
    spans = len(recent) / apart
    noise = float(np.std(after - level - slope * (before - level))) * math.sqrt(1.0 + 2.0 / spans)
    kept = slope ** (steps // apart)
    # Sum of slope^(2k) over the steps; equal to their number where nothing is forgotten.
    gathered = float(steps // apart) if slope == 1.0 else (1.0 - kept**2) / (1.0 - slope**2)
    return level + kept * (latest - level), noise * math.sqrt(gathered)


def calm_level(readings: ThermoReadings) -> float:
    """Mean free-energy excess of the recent samples out of alarm, kT; 0 where there are none."""
    calm = readings.free_energy[~readings.alarm][-RECENT_ROWS:]
    return max(float(calm.mean()), 0.0) if len(calm) else 0.0


def _claimed(claim: OptionClaim, nothing: Option) -> Option:
    given = claim.option
    if claim.free_energy_is_given:
        return given
    left = 1.0 - claim.relief
    return Option(
        name=given.name,
        free_energy_kt=left * nothing.free_energy_kt,
        free_energy_sd_kt=math.hypot(
            left * nothing.free_energy_sd_kt, claim.relief_sd * abs(nothing.free_energy_kt)
        ),
        loss=given.loss,
        cost=given.cost,
        reversible=given.reversible,
        information_nats=given.information_nats,
    )


def _plant_options(services: Services, stream: str) -> tuple[RolloutOutcome, list[Option]]:
    from industriverse.operations.planning import TwinForecast

    if not services.plants.exists(stream):
        raise OperationError(
            f"stream {stream!r} has no plant whose commands could be weighed",
            hint="give the options yourself, each with a relief or a free_energy_kt",
        )
    forecast = TwinForecast.of(services, stream)
    candidates = forecast.candidates()[:MOST_PLANT_OPTIONS]
    options = [option_of(one.label, forecast((one,)), (one,)) for one in candidates]
    return forecast(()), options
