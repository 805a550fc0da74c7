"""Seven witnesses of one stream, each with a clean tail: what they saw becomes comparable as -log p.

Five look at energies (the detection core), one at what the system keeps constant and at copies (MIC), one at what
the channels say of one another (UPD). Tails and ticket threshold come from clean rows scored by models fitted
before them (fit on 40, 60, 80 %, score the next 20 %).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from industriverse.eil import layout
from industriverse.eil.calibration import FOLDS, Calibration, ticket_threshold
from industriverse.eil.detector import Detector
from industriverse.eil.fitting import INDEPENDENT_ROWS, independent_rows
from industriverse.eil.tails import fit_tail
from industriverse.shield.errors import AnalysisError
from industriverse.shield.isomorphism.invariants import Balance, InvariantSet, find_invariants
from industriverse.shield.isomorphism.replay import RepeatWatch
from industriverse.shield.reconstruction.attribution import LieDetector
from industriverse.signals import Frame, ThermoReadings

__all__ = ["PHASES", "WITNESSES", "RawWitness", "ShieldModel", "fused_evidence", "negative_log_tail"]

Array = NDArray[np.float64]

WITNESSES: Final = (
    "equilibrium", "innovation", "work", "heat", "currents", "invariants", "reconstruction",
)  # fmt: skip
PHASES: Final = {
    "EIL": ("equilibrium", "innovation", "work", "heat", "currents"),
    "MIC": ("invariants",),
    "UPD": ("reconstruction",),
}
MINIMUM_CLEAN_ROWS = 250
SMOOTHING_SAMPLES = 4.0
HEADS: Final = {"EIL": 0, "MIC": 5, "UPD": 6}  # the witness that speaks for a phase
WEIGHTS: Final = {"EIL": 0.1, "MIC": 0.1, "UPD": 0.8}  # of the e-values of the phases
CALIBRATOR: Final = 0.5  # kappa of e = kappa p^(kappa - 1)
COPY_LIMIT = 60.0
LEVEL_SAMPLES = 256.0
LARGEST_SQUARE = 25.0  # of a relation in one sample: an attack cannot teach the shield to forgive it
DISCOUNT_SAMPLES = 1280.0  # as in the detection core: twenty of its longest filters
REJECT = 8.0
LARGEST_DISCOUNT = 6.0


class RawWitness:
    """What the witnesses see, before calibration, continuing from block to block.

    Args:
        clean: Rows without attack or fault.
        detector: A detector fitted on them.
        balances: Declared balances of the stream.
    """

    def __init__(self, clean: Frame, detector: Detector, balances: tuple[Balance, ...] = ()) -> None:
        self.detector = detector
        self.invariants: InvariantSet = find_invariants(clean, balances=balances)
        self.lies = LieDetector(clean) if len(clean.channels) > 1 else None
        self.copies = RepeatWatch(clean.values)
        self._smooth = np.ones(2)
        # Of a channel that wanders through its clean rows nobody knows yet what belongs to it.
        self._settled = independent_rows(np.nan_to_num(clean.values)) >= INDEPENDENT_ROWS
        self._center = np.nan_to_num(np.nanmean(np.where(_empty(clean), 0.0, clean.values), axis=0))
        self._reach = np.nan_to_num(np.nanstd(np.where(_empty(clean), 0.0, clean.values), axis=0))
        self._level = np.zeros(len(clean.channels))
        self._power = np.ones(len(self.invariants.invariants))
        self._last: Frame | None = clean.rows(len(clean) - 1)

    def see(self, frame: Frame) -> tuple[ThermoReadings, Array, Array]:
        """Readings, raw witnesses (n, 7), and evidence of copies (n,) in nats, of the next rows."""
        readings = self.detector.score(frame)
        raw = np.empty((len(frame), len(WITNESSES)))
        # The core's own p discounts a slow change of the plant; the raw score would not.
        raw[:, 0] = -np.log(np.maximum(readings.p_value, 1e-12))
        raw[:, 1] = readings.innovation_energy
        raw[:, 2], raw[:, 3], raw[:, 4] = readings.work, readings.heat, readings.entropy_production
        levelled = Frame(frame.timestamps_ns, self._without_slow_change(frame.values), frame.channels)
        raw[:, 5] = self._filtered(0, np.log1p(self._broken_relations(levelled.values)))
        raw[:, 6] = self._filtered(1, self._contradiction(levelled))
        copies = self.copies.evidence(frame.values).max(axis=1, initial=0.0)
        if len(frame):
            self._last = levelled.rows(len(frame) - 1)
        return readings, raw, np.minimum(copies, COPY_LIMIT)

    def _broken_relations(self, values: Array) -> Array:
        """Mean squared whitened residual, each relation weighed by how well it has held lately, shape (n,)."""
        if not self.invariants.invariants:
            return np.zeros(len(values))
        squares = (np.nan_to_num(self.invariants.residuals(values)) @ self.invariants.whitening) ** 2
        found = np.empty(len(values))
        for row, entry in enumerate(squares):
            found[row] = (entry / np.maximum(self._power, 1.0)).mean()
            self._power = self._power + (np.minimum(entry, LARGEST_SQUARE) - self._power) / LEVEL_SAMPLES
        return found

    def _without_slow_change(self, values: Array) -> Array:
        """Values less what their means have slowly become since the clean rows; NaN stays.

        A recalibrated or otherwise rounded sensor shifts its mean for good, an attack does so for a while.
        """
        levelled = np.empty_like(values)
        for row, sample in enumerate(values):
            levelled[row] = sample - self._level
            step = np.clip(np.nan_to_num(levelled[row] - self._center), -self._reach, self._reach)
            self._level = self._level + step / LEVEL_SAMPLES
        return levelled

    def _contradiction(self, frame: Frame) -> Array:
        """Largest logarithm of a channel's contribution over what is ordinary for it, shape (n,)."""
        if self.lies is None or not len(frame):
            return np.zeros(len(frame))
        joined = frame if self._last is None else Frame.concatenate([self._last, frame])
        found = self.lies.contributions(joined)[len(joined) - len(frame) :]
        return np.asarray(np.log1p(found[:, self._settled]).max(axis=1, initial=0.0))

    def _filtered(self, which: int, values: Array) -> Array:
        from scipy.signal import lfilter

        if not len(values):
            return values
        rate = 1.0 / SMOOTHING_SAMPLES
        smooth, _ = lfilter([rate], [1.0, rate - 1.0], values, zi=[(1.0 - rate) * self._smooth[which]])
        self._smooth[which] = smooth[-1]
        return np.asarray(smooth)


class SlowDiscount:
    """Divides each witness by what it has slowly become used to say, as the core does with its components.

    A clean witness says 1 nat on average. What exceeds ``REJECT`` nats is an event and teaches nothing.
    """

    def __init__(self, witnesses: int) -> None:
        self._mean = np.ones(witnesses)

    def apply(self, nats: Array) -> Array:
        """Discounted evidence of the next rows, shape (n, witnesses)."""
        found = np.empty_like(nats)
        for row, values in enumerate(nats):
            found[row] = values / np.clip(self._mean, 1.0, LARGEST_DISCOUNT)
            taught = np.minimum(values, REJECT)
            self._mean = self._mean + (taught - self._mean) / DISCOUNT_SAMPLES
        return found


def conservative(raw: Array, nats: Array, relations: int) -> Array:
    """Bound what the invariants say by the law that their residuals obey at the trusted spread (chi-squared)."""
    from scipy.stats import chi2

    if relations:
        statistic = relations * np.expm1(np.maximum(raw[:, 5], 0.0))
        nats[:, 5] = np.minimum(nats[:, 5], -np.asarray(chi2.logsf(statistic, relations)))
    else:
        nats[:, 5] = 0.0
    return nats


def _empty(clean: Frame) -> NDArray[np.bool_]:
    """Channels without a single clean value, as a mask that fits the values."""
    return np.broadcast_to(np.isnan(clean.values).all(axis=0), clean.values.shape)


def negative_log_tail(values: Array, tail: Array, exceedances: float = np.inf) -> Array:
    """Capped -log p of a witness under its clean tail, nats, shape (n,).

    Args:
        values: What the witness said.
        tail: Its clean tail.
        exceedances: Independent clean values k beyond the last knot. The scale of a tail that k values fixed is
            itself uncertain: with an exponential tail and a gamma law for its rate the predictive law is
            Lomax, ``-log p = k log(1 + x / k)`` where the fitted law says x (Gelman et al., "Bayesian Data
            Analysis", 3rd ed., section 2.6). A short reference is therefore slower to be certain.
    """
    share, sigma, shape = float(tail[0]), float(tail[1]), float(tail[2])
    knots = tail[3:]
    quantiles = np.linspace(0.0, 1.0 - share, len(knots))
    below = -np.log(np.maximum(1.0 - np.interp(values, knots, quantiles), share))
    excess = np.maximum(values - knots[-1], 0.0) / max(sigma, 1e-12)
    beyond = excess if shape < 1e-6 else np.log1p(shape * excess) / shape
    if np.isfinite(exceedances):
        beyond = exceedances * np.log1p(beyond / exceedances)
    return np.minimum(np.where(values > knots[-1], -np.log(share) + beyond, below), layout.SCORE_CAP)


def independent_exceedances(raw: Array, tail: Array) -> float:
    """Runs of clean values (n,) beyond the last knot of their tail, at least 1: how many independent ones there are.

    The runs estimator of the extremal index (Smith & Weissman 1994) with any return below the knot as the end.
    """
    beyond = raw > tail[-1]
    return float(max(1, int(beyond[0]) + int((beyond[1:] & ~beyond[:-1]).sum())))


def fused_evidence(nats: Array, *, phases: tuple[str, ...] = tuple(HEADS)) -> Array:
    """Logarithm of the mean over phases of the e-values of what they say, nats, shape (n,).

    Each p-value becomes ``e = kappa p^(kappa - 1)``; a mean of e-values is one whatever their dependence, so that
    one budget is shared and none is split (Vovk & Wang, "E-values: calibration, combination and applications", Ann.
    Statist. 49, 2021). The detection core is heard through its own fused score (the witness ``equilibrium``).

    Args:
        nats: -log p of the witnesses, shape (n, 7).
        phases: Phases that are heard; their weights are scaled to sum to 1.
    """
    heads, weights = [HEADS[phase] for phase in phases], np.array([WEIGHTS[phase] for phase in phases])
    values = CALIBRATOR * np.exp((1.0 - CALIBRATOR) * nats[:, heads])
    return np.asarray(np.log(values @ (weights / weights.sum())))


@dataclass(frozen=True, slots=True, eq=False)
class ShieldModel:
    """The fitted shield of one stream.

    Attributes:
        clean: The clean rows it was fitted on.
        detector: The detection core.
        balances: Declared balances.
        tails: Clean tails of the witnesses, shape (7, 3 + knots).
        fused_tail: Clean tail of the fused evidence.
        calibration: Threshold of the fused evidence and what it promises.
        phases: Phases that are heard.
        exceedances: Independent clean values beyond the last knot of each witness, shape (7,).
    """

    clean: Frame
    detector: Detector
    balances: tuple[Balance, ...]
    tails: Array
    fused_tail: Array
    calibration: Calibration
    phases: tuple[str, ...]
    exceedances: Array

    @classmethod
    def fit(
        cls,
        clean: Frame,
        *,
        budget_per_day: float = 1.0,
        balances: tuple[Balance, ...] = (),
        phases: tuple[str, ...] = tuple(HEADS),
    ) -> "ShieldModel":
        """Fit all phases on clean rows, and calibrate them on rows ahead of each fit.

        Raises:
            AnalysisError: If there are too few rows or an unknown phase.
        """
        if len(clean) < MINIMUM_CLEAN_ROWS:
            raise AnalysisError(
                f"{len(clean)} clean rows are too few for the shield",
                hint=f"give at least {MINIMUM_CLEAN_ROWS}",
            )
        unknown = set(phases) - set(HEADS)
        if unknown or not phases:
            raise AnalysisError(f"phases are {phases}", hint=f"choose among {', '.join(HEADS)}")
        raw = forward_chained(clean, budget_per_day, balances)
        tails = np.vstack([fit_tail(column) for column in raw.T])
        nats = np.stack([negative_log_tail(raw[:, k], tails[k]) for k in range(len(WITNESSES))], axis=1)
        relations = len(find_invariants(clean, balances=balances).invariants)
        fused = fused_evidence(conservative(raw, nats, relations), phases=phases)
        return cls(
            clean=clean,
            detector=Detector(budget_per_day).fit(clean),
            balances=balances,
            tails=tails,
            fused_tail=fit_tail(fused),
            calibration=ticket_threshold(fused, interval_s=clean.interval_s, budget_per_day=budget_per_day),
            phases=phases,
            exceedances=np.array(
                [independent_exceedances(column, tail) for column, tail in zip(raw.T, tails, strict=True)]
            ),
        )


def forward_chained(clean: Frame, budget_per_day: float, balances: tuple[Balance, ...]) -> Array:
    """Raw witnesses of clean rows by models fitted before them, shape (n, 7)."""
    edges = [int(len(clean) * fold) for fold in (*FOLDS, 1.0)]
    parts = []
    for start, stop in pairwise(edges):
        first = clean.rows(0, max(start, MINIMUM_CLEAN_ROWS * 4 // 5))
        if not len(clean.rows(len(first), stop)):
            continue
        detector = Detector(budget_per_day).fit(first)
        parts.append(RawWitness(first, detector, balances).see(clean.rows(len(first), stop))[1])
    return np.vstack(parts)
