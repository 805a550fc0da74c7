"""From forward-chained clean scores to a threshold that keeps a ticket budget.

Scores are made by models that never saw the rows they score: fit on 40, 60 and 80 % of the clean rows, score
the next 20 %. A ticket is at most one per refractory time, so the rate of tickets is the rate of blocks whose
maximum exceeds the threshold, times the tickets that such a block raises. Block maxima follow a Gumbel law
(Fisher-Tippett; probability-weighted moments of Hosking, Wallis & Wood 1985); the threshold is its return
level at the wanted rate, on the safe side of a bootstrap distribution. When T clean days show no ticket,
the rule of three bounds the rate by 3/T per day.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from industriverse.eil import layout
from industriverse.eil.cycle import Cycle
from industriverse.eil.errors import CalibrationError
from industriverse.eil.fitting import FittedCore, fit_core
from industriverse.eil.model import KernelModel
from industriverse.eil.tails import fit_tail, fit_tails, fusion_weights

__all__ = ["REFRACTORY_S", "Calibration", "calibrate", "forward_chain", "ticket_threshold"]

Array = NDArray[np.float64]

FOLDS = (0.4, 0.6, 0.8)
CALM_QUANTILE = 0.8
STIRRED_QUANTILE = 0.999
REFRACTORY_S = 3600.0
SECONDS_PER_DAY = 86_400.0
MINIMUM_BLOCKS = 12
BOOTSTRAPS = 200
BOOTSTRAP_QUANTILE = 0.6  # on the safe side of the median; further up, events are lost faster than tickets
KEEPER_GAIN = 0.6  # of the Gumbel spread and a ticket of an excursion: two too many halve the rate and more
KEEPER_LIMIT = 2.5  # of the spread: the kept threshold stays within a factor 12 of the fitted rate
BOOTSTRAP_SEED = 20_240_917


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the threshold promises, and on what evidence.

    Attributes:
        budget_per_day: False tickets per day that the user allows.
        promised_per_day: Rate that the threshold promises: the budget, or the lowest certifiable rate, but
            never more than the refractory time lets through (24).
        lowest_certifiable_per_day: 3 / T with T the clean days scored by models that did not see them.
        scored_days: That T, days.
        threshold: Score in nats from which a sample is in alarm.
        block_rows: Rows of a block.
        blocks: Number of blocks.
        spread: Gumbel scale of the block maxima, nats: a threshold higher by it lets e times fewer blocks pass.
    """

    budget_per_day: float
    promised_per_day: float
    lowest_certifiable_per_day: float
    scored_days: float
    threshold: float
    block_rows: int
    blocks: int
    spread: float

    @property
    def certified(self) -> bool:
        """Whether the clean telemetry is long enough to certify the budget."""
        return self.lowest_certifiable_per_day <= self.budget_per_day

    def statement(self) -> str:
        """The promise in one sentence for a person."""
        if self.certified:
            return (
                f"promises at most {self.promised_per_day:.3g} false tickets a day "
                f"({self.scored_days:.3g} days scored ahead of the fit)"
            )
        needed = 3.0 / self.budget_per_day / (1.0 - FOLDS[0])
        return (
            f"not certifiable yet: {self.scored_days:.3g} days scored ahead of the fit certify no less than "
            f"{self.lowest_certifiable_per_day:.3g} false tickets a day, the budget is "
            f"{self.budget_per_day:.3g}; about {needed:.3g} clean days would do"
        )


def forward_chain(
    values: Array,
    scales: tuple[int, ...],
    *,
    timestamps_ns: NDArray[np.int64],
    cycle: Cycle | None = None,
) -> tuple[Array, Array, dict[str, float]]:
    """Components (n, c), readings (n, 12) of clean rows by models fitted before them, and the drain limits.

    The first pass runs without draining the long filters and sets the limits of the second.
    """
    n = len(values)
    edges = [int(n * fold) for fold in (*FOLDS, 1.0)]
    cores = [_fold_core(values, start, scales, timestamps_ns, cycle) for start in edges[:-1]]
    limits: dict[str, float] = {}
    components, readings = np.empty((0, 0)), np.empty((0, 0))
    for _ in range(2):
        parts = []
        for core, start, stop in zip(cores, edges[:-1], edges[1:], strict=True):
            model = core.model.with_scalars(**limits)
            rows = slice(start, stop)
            parts.append(model.run(values[rows], core.state.copy(), timestamps_ns[rows]))
        components = np.vstack([part[0] for part in parts])
        readings = np.vstack([part[1] for part in parts])
        fast, smoothed = components[:, 0], components[:, layout.STATIC_COMPONENTS + layout.SMOOTH_COMPONENT]
        limits = {
            "CALM_INNOVATION": float(np.quantile(fast, CALM_QUANTILE)),
            "CALM_SMOOTH": float(np.quantile(smoothed, CALM_QUANTILE)),
            "STIRRED_INNOVATION": float(np.quantile(fast, STIRRED_QUANTILE)),
            "STIRRED_SMOOTH": float(np.quantile(smoothed, STIRRED_QUANTILE)),
        }
    return components, readings, limits


def _fold_core(
    values: Array,
    start: int,
    scales: tuple[int, ...],
    timestamps_ns: NDArray[np.int64],
    cycle: Cycle | None,
) -> FittedCore:
    """Core of the first ``start`` rows, blind to channels that only move later and have no scale yet."""
    core = fit_core(values[:start], scales, timestamps_ns=timestamps_ns[:start], cycle=cycle)
    channel = core.model.channel.copy()
    moves_later = np.nan_to_num(np.abs(values[start:] - channel[layout.CENTER])).max(axis=0) > 0.0
    channel[layout.KIND, (channel[layout.KIND] == layout.CONSTANT) & moves_later] = layout.UNOBSERVED
    return replace(core, model=replace(core.model, channel=channel))


def calibrate(
    core: FittedCore,
    values: Array,
    scales: tuple[int, ...],
    *,
    timestamps_ns: NDArray[np.int64],
    cycle: Cycle | None = None,
    interval_s: float,
    budget_per_day: float,
) -> tuple[KernelModel, Calibration]:
    """Give a fitted core its tails, weights and threshold.

    Args:
        core: Core fitted on all of ``values``.
        values: The clean rows, shape (n, d).
        scales: Filter scales of the core, samples.
        timestamps_ns: Times of the rows, shape (n,).
        cycle: Cycle of the stream that the core was fitted with.
        interval_s: Sampling interval, seconds.
        budget_per_day: False tickets per day that the user allows.

    Raises:
        CalibrationError: If budget or interval is not positive and finite.
    """
    from industriverse.eil.kernel import fuse_components

    components, readings, limits = forward_chain(values, scales, timestamps_ns=timestamps_ns, cycle=cycle)
    weights = fusion_weights(components, len(scales))
    tails = fit_tails(components)
    scores: Array = fuse_components(
        components, tails, weights, np.ones(len(weights)), float(core.model.scalars[layout.DRIFT_RATE])
    )
    calibration = ticket_threshold(scores, interval_s=interval_s, budget_per_day=budget_per_day)
    refractory = max(1, round(REFRACTORY_S / interval_s))
    entropy = float(np.median(readings[:, layout.READING_COLUMNS.index("entropy")]))
    model = replace(core.model, tails=np.vstack([tails, fit_tail(scores)]), weights=weights).with_scalars(
        ENTROPY_OFFSET=entropy,
        THRESHOLD=calibration.threshold,
        KEEPER_GAIN=KEEPER_GAIN
        * calibration.spread
        * _tickets_per_excursion(scores, calibration, refractory),
        KEEPER_LIMIT=KEEPER_LIMIT * calibration.spread,
        TICKET_RATE=calibration.promised_per_day * interval_s / SECONDS_PER_DAY,
        REFRACTORY_ROWS=float(refractory),
        **limits,
    )
    return model, calibration


def ticket_threshold(scores: Array, *, interval_s: float, budget_per_day: float) -> Calibration:
    """Threshold on clean scores (n,) for a budget of tickets per day.

    Raises:
        CalibrationError: If budget or interval is not positive and finite.
    """
    for name, value in (("budget_per_day", budget_per_day), ("interval_s", interval_s)):
        if not np.isfinite(value) or value <= 0.0:
            raise CalibrationError(f"{name} is {value}", hint=f"give a positive finite {name}")
    n = len(scores)
    scored_days = n * interval_s / SECONDS_PER_DAY
    lowest = 3.0 / scored_days
    # Below the certifiable rate the threshold is set where T clean days show about one ticket.
    target = budget_per_day if budget_per_day >= lowest else 1.0 / scored_days
    wanted_rows = max(REFRACTORY_S / interval_s, 5.0 * _correlation_time(scores))
    block_rows = int(np.clip(np.ceil(wanted_rows), 1, max(1, n // MINIMUM_BLOCKS)))
    maxima = _block_maxima(scores, block_rows)
    probability = target * block_rows * interval_s / SECONDS_PER_DAY
    probability /= _tickets_per_block(scores, maxima, max(1, round(REFRACTORY_S / interval_s)), probability)
    probability = min(probability, 0.5)
    generator = np.random.default_rng(BOOTSTRAP_SEED)
    levels = [_return_level(generator.choice(maxima, len(maxima)), probability) for _ in range(BOOTSTRAPS)]
    threshold = float(np.quantile(levels, BOOTSTRAP_QUANTILE))
    return Calibration(
        budget_per_day=float(budget_per_day),
        promised_per_day=min(max(float(budget_per_day), lowest), SECONDS_PER_DAY / REFRACTORY_S),
        lowest_certifiable_per_day=lowest,
        scored_days=scored_days,
        threshold=min(threshold, 0.9 * layout.SCORE_CAP),
        block_rows=block_rows,
        blocks=len(maxima),
        spread=_gumbel(maxima)[1],
    )


def _correlation_time(scores: Array) -> float:
    """First lag, in samples, at which the autocorrelation falls below 1/e."""
    centred = scores - scores.mean()
    size = 1 << (2 * len(scores) - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(centred, size)) ** 2
    correlation = np.fft.irfft(spectrum, size)[: len(scores)]
    if correlation[0] <= 0.0:
        return 1.0
    below = np.flatnonzero(correlation < correlation[0] / np.e)
    return float(below[0]) if below.size else float(len(scores))


def _block_maxima(scores: Array, block_rows: int) -> Array:
    count = len(scores) // block_rows
    return np.asarray(scores[: count * block_rows].reshape(count, block_rows).max(axis=1))


def _tickets_per_block(scores: Array, maxima: Array, refractory_rows: int, probability: float) -> float:
    """Mean number of tickets that a block above the threshold raises: an excursion of hours raises several.

    Counted on the clean scores at the level that ``probability`` of the blocks exceed, but at least five.
    """
    share = min(max(probability, 5.0 / len(maxima)), 0.5)
    level = float(np.quantile(maxima, 1.0 - share))
    tickets, last = 0, -refractory_rows
    for row in np.flatnonzero(scores >= level):
        if row - last >= refractory_rows:
            tickets, last = tickets + 1, int(row)
    return max(1.0, tickets / max(1, int((maxima >= level).sum())))


def _tickets_per_excursion(scores: Array, calibration: Calibration, refractory_rows: int) -> float:
    """Mean number of tickets that an excursion of the clean scores (n,) raises, at least 1.

    Excursions are parted by a refractory time of calm. Counted at the threshold, or at the 99.5 % quantile where
    too little lies above it.
    """
    level = min(calibration.threshold, float(np.quantile(scores, 0.995)))
    excursions, last_alarm = 0, -refractory_rows - 1
    tickets, last_ticket = 0, -refractory_rows
    for row in np.flatnonzero(scores >= level).tolist():
        excursions += row - last_alarm > refractory_rows
        last_alarm = row
        if row - last_ticket >= refractory_rows:
            tickets, last_ticket = tickets + 1, row
    return max(1.0, tickets / max(1, excursions))


def _gumbel(maxima: Array) -> tuple[float, float]:
    """Location and scale of the Gumbel law of block maxima by probability-weighted moments."""
    ordered = np.sort(maxima)
    n = len(ordered)
    first = float(ordered.mean())
    second = float((np.arange(n) * ordered).sum() / (n * (n - 1))) if n > 1 else 0.5 * first
    spread = max((2.0 * second - first) / np.log(2.0), 1e-9)
    return first - np.euler_gamma * spread, spread


def _return_level(maxima: Array, probability: float) -> float:
    """Gumbel quantile exceeded by a block with ``probability``."""
    location, spread = _gumbel(maxima)
    return float(location - spread * np.log(-np.log1p(-probability)))
