"""The rows of the detection benchmark: ours, the methods people use instead, and the trivial ones."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np
from benchmarks.detection_sets import Unit
from numpy.typing import NDArray

from industriverse.eil.calibration import (
    FOLDS,
    MINIMUM_BLOCKS,
    REFRACTORY_S,
    SECONDS_PER_DAY,
    forward_chain,
    ticket_threshold,
)
from industriverse.eil.cycle import find_cycle
from industriverse.eil.detector import Detector
from industriverse.eil.edetector import EDetector
from industriverse.eil.kernel import fuse_components
from industriverse.eil.tails import fit_tail
from industriverse.signals import Frame

__all__ = ["Row", "Scored", "available_rows"]

Array = NDArray[np.float64]
Scorer = Callable[[Array], Array]
Fitter = Callable[[Array], Scorer]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Scores and alarms of each run of a unit, and the CPU seconds that scoring took."""

    scores: tuple[Array, ...]
    alarms: tuple[NDArray[np.bool_], ...]
    promised_per_day: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a name and how it scores a unit with a ticket budget."""

    name: str
    score: Callable[[Unit, float], Scored]


def ours(unit: Unit, budget_per_day: float) -> Scored:
    detector = Detector(budget_per_day).fit(unit.clean)
    detector.score(unit.runs[0].frame.rows(0, 1))  # loads the compiled kernel outside the timed part
    scores, alarms = [], []
    started = time.process_time()
    for run in unit.runs:
        detector.reset()
        readings = detector.score(run.frame)
        scores.append(readings.score)
        alarms.append(readings.alarm)
    spent = time.process_time() - started
    return Scored(tuple(scores), tuple(alarms), detector.reference.calibration.promised_per_day, spent)


def anytime_valid(unit: Unit, budget_per_day: float) -> Scored:
    """The same scores with the e-detector instead of the conformal threshold and its keeper."""
    detector = Detector(budget_per_day).fit(unit.clean)
    model, interval_s = detector.reference.model, unit.clean.interval_s
    times = unit.clean.timestamps_ns
    components, _, _ = forward_chain(
        unit.clean.values,
        detector.reference.scales,
        timestamps_ns=times,
        cycle=find_cycle(unit.clean.values, times, interval_s),
    )
    still = np.ones(len(model.weights))
    ahead = fuse_components(components, model.tails, model.weights, still, 0.0)
    rows = max(1, round(REFRACTORY_S / interval_s))
    rows = min(rows, max(1, len(ahead) // MINIMUM_BLOCKS))
    promised = detector.reference.calibration.promised_per_day
    length = max(1.0, SECONDS_PER_DAY / (rows * interval_s) / promised)
    scores, alarms = [], []
    started = time.process_time()
    for run in unit.runs:
        detector.reset()
        scores.append(detector.score(run.frame).score)
        watch, alarm = EDetector(_maxima(ahead, rows), length), np.zeros(len(run.frame), dtype=np.bool_)
        for block, top in enumerate(_maxima(scores[-1], rows)):
            # The verdict on a block comes with its last row.
            alarm[(block + 1) * rows - 1] = watch.feed(float(top))
        alarms.append(alarm)
    spent = time.process_time() - started
    return Scored(tuple(scores), tuple(alarms), promised, spent)


def _maxima(scores: Array, rows: int) -> Array:
    count = len(scores) // rows
    return np.asarray(scores[: count * rows].reshape(count, rows).max(axis=1))


def fit_mspc(clean: Array) -> Scorer:
    """PCA at 99 % of the variance; max(T2/UCL, SPE/UCL) with UCL the clean 99 % quantile."""
    mean, deviation = clean.mean(axis=0), clean.std(axis=0)
    deviation = np.where(deviation > 1e-9, deviation, 1.0)
    standard = (clean - mean) / deviation
    variance, modes = np.linalg.eigh(np.atleast_2d(np.cov(standard.T)))
    variance, modes = variance[::-1], modes[:, ::-1]
    kept = int(np.searchsorted(np.cumsum(variance) / variance.sum(), 0.99)) + 1
    variance, modes = np.maximum(variance[:kept], 1e-9), modes[:, :kept]

    def charts(values: Array) -> tuple[Array, Array]:
        z = (values - mean) / deviation
        projected = z @ modes
        spe = np.maximum((z**2).sum(axis=1) - (projected**2).sum(axis=1), 0.0)
        return (projected**2 / variance).sum(axis=1), spe

    limits = [max(float(np.quantile(chart, 0.99)), 1e-9) for chart in charts(clean)]

    def score(values: Array) -> Array:
        t2, spe = charts(values)
        return np.maximum(t2 / limits[0], spe / limits[1])

    return score


def _fit_pyod(make: Callable[[], Any]) -> Fitter:
    def fit(clean: Array) -> Scorer:
        model = make()
        model.fit(clean)
        return lambda values: np.nan_to_num(np.asarray(model.decision_function(values), dtype=np.float64))

    return fit


def _fit_half_space_trees(clean: Array) -> Scorer:
    """River's half-space trees, one sample at a time, features scaled to the clean range."""
    trees: Any = import_module("river.anomaly").HalfSpaceTrees
    low, span = clean.min(axis=0), np.ptp(clean, axis=0)
    span = np.where(span > 0.0, span, 1.0)
    names = [str(j) for j in range(clean.shape[1])]
    model: Any = trees(n_trees=25, height=8, window_size=min(250, len(clean) // 2), seed=0)

    def sample(row: Array) -> dict[str, float]:
        return dict(zip(names, np.clip((row - low) / span, 0.0, 1.0).tolist(), strict=True))

    for row in clean:
        model.learn_one(sample(row))
    return lambda values: np.array([model.score_one(sample(row)) for row in values], dtype=np.float64)


def _filled(frame: Frame, clean: Frame) -> Array:
    return np.where(np.isnan(frame.values), np.nanmedian(clean.values, axis=0), frame.values)


def calibrated(fit: Fitter) -> Callable[[Unit, float], Scored]:
    """A memoryless method with the same calibration as ours: forward-chained tail, block-maxima threshold."""

    def score(unit: Unit, budget_per_day: float) -> Scored:
        clean = _filled(unit.clean, unit.clean)
        edges = [int(len(clean) * fold) for fold in (*FOLDS, 1.0)]
        ahead = np.concatenate([fit(clean[:start])(clean[start:stop]) for start, stop in pairwise(edges)])
        tail = fit_tail(ahead)[None, :]
        promise = ticket_threshold(
            fuse_components(ahead[:, None], tail, np.ones(1), np.ones(1), 0.0),
            interval_s=unit.clean.interval_s,
            budget_per_day=budget_per_day,
        )
        model = fit(clean)
        started = time.process_time()
        scores = tuple(model(_filled(run.frame, unit.clean)) for run in unit.runs)
        spent = time.process_time() - started
        alarms = tuple(
            fuse_components(np.ascontiguousarray(s)[:, None], tail, np.ones(1), np.ones(1), 0.0)
            >= promise.threshold
            for s in scores
        )
        return Scored(scores, alarms, promise.promised_per_day, spent)

    return score


def constant(in_alarm: bool) -> Callable[[Unit, float], Scored]:
    def score(unit: Unit, budget_per_day: float) -> Scored:
        scores = tuple(np.full(len(run.frame), float(in_alarm)) for run in unit.runs)
        alarms = tuple(np.full(len(run.frame), in_alarm) for run in unit.runs)
        return Scored(scores, alarms, budget_per_day, 0.0)

    return score


def random(unit: Unit, budget_per_day: float) -> Scored:
    """Uniform scores, and alarms thrown at the rate of the budget."""
    generator = np.random.default_rng(20_240_917)
    scores = tuple(generator.random(len(run.frame)) for run in unit.runs)
    rate = min(budget_per_day * unit.clean.interval_s / SECONDS_PER_DAY, 1.0)
    return Scored(scores, tuple(s > 1.0 - rate for s in scores), budget_per_day, 0.0)


def available_rows() -> tuple[list[Row], list[str]]:
    """The rows that this machine can run, and why the others are left out."""
    rows = [
        Row("industriverse", ours),
        Row("ours, e-detector", anytime_valid),
        Row("MSPC", calibrated(fit_mspc)),
    ]
    missing: list[str] = []
    try:
        from pyod.models.ecod import ECOD
        from pyod.models.iforest import IForest
        from pyod.models.pca import PCA
    except ImportError as error:
        missing.append(f"pyod rows left out: {error}; install the extra 'benchmark'")
    else:
        rows.append(Row("pyod PCA", calibrated(_fit_pyod(PCA))))
        rows.append(Row("pyod ECOD", calibrated(_fit_pyod(ECOD))))
        rows.append(Row("pyod IForest", calibrated(_fit_pyod(lambda: IForest(random_state=0)))))
    if find_spec("river") is None:
        missing.append("river HST left out: river is not installed; install the extra 'benchmark'")
    else:
        rows.append(Row("river HST", calibrated(_fit_half_space_trees)))
    rows += [Row("always alarm", constant(True)), Row("never alarm", constant(False)), Row("random", random)]
    return rows, missing
