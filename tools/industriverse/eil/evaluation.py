"""How good a detector is, measured honestly: ranking, events, delay, false tickets and time in alarm.

VUS-PR after Paparrizos et al., "Volume Under the Surface: A New Accuracy Evaluation Measure for Time-Series
Anomaly Detection", PVLDB 15(11), 2022. Labels serve evaluation only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from industriverse.eil.calibration import REFRACTORY_S, SECONDS_PER_DAY
from industriverse.eil.errors import EilError
from industriverse.eil.watch import ticket_rows
from industriverse.signals import NANOSECONDS_PER_SECOND

__all__ = [
    "EventReport",
    "alarm_share",
    "auc_pr",
    "batadal_score",
    "bootstrap_interval",
    "event_blocks",
    "event_report",
    "range_auc_pr",
    "segments",
    "tickets_per_day",
    "vus_pr",
]

Array = NDArray[np.float64]
Labels = NDArray[np.bool_]


def segments(labels: Labels) -> list[tuple[int, int]]:
    """Half-open row ranges of the events in ``labels`` (n,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], labels, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _check(labels: Labels, scores: Array) -> None:
    if labels.shape != scores.shape or labels.ndim != 1:
        raise EilError(
            f"labels of shape {labels.shape} and scores of shape {scores.shape}",
            hint="give one of each a row",
        )
    if not np.isfinite(scores).all():
        raise EilError("a score is not finite", hint="score every row with a number")
    if not labels.any():
        raise EilError("no row is labelled as an event", hint="precision and recall need at least one event")


def _descending(scores: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows by falling score, and the last position of each run of equal scores."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    return order, last


def auc_pr(labels: Labels, scores: Array) -> float:
    """Average precision: area under the precision-recall steps over all distinct thresholds.

    Raises:
        EilError: If shapes differ, a score is not finite or there is no event.
    """
    _check(labels, scores)
    order, last = _descending(scores)
    hits = np.cumsum(labels[order])[last]
    recall = hits / labels.sum()
    precision = hits / (last + 1)
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def _buffered(
    labels: Labels, events: list[tuple[int, int]], buffer: int
) -> tuple[Array, list[tuple[int, int]]]:
    """Labels with slopes of half a buffer at both sides of each event, and the events so widened."""
    extended = labels.astype(np.float64)
    half, n = buffer // 2, len(labels)
    widened: list[tuple[int, int]] = []
    for start, stop in events:
        distance = np.arange(1, half + 1)
        slope = np.sqrt(1.0 - distance / buffer) if buffer else np.empty(0)
        after = stop - 1 + distance
        before = start - distance
        extended[after[after < n]] += slope[after < n]
        extended[before[before >= 0]] += slope[before >= 0]
        low, high = max(start - half, 0), min(stop + half, n)
        if widened and low <= widened[-1][1]:
            widened[-1] = (widened[-1][0], high)
        else:
            widened.append((low, high))
    return np.minimum(extended, 1.0), widened


def range_auc_pr(labels: Labels, scores: Array, buffer: int) -> float:
    """Range-aware area under precision-recall for one buffer length in rows.

    Recall divides the buffered hits by the mean of the plain and the buffered positives and is multiplied by
    the share of events touched; precision divides the buffered hits by the rows predicted.

    Raises:
        EilError: If shapes differ, a score is not finite or there is no event.
    """
    _check(labels, scores)
    order, last = _descending(scores)
    return _range_auc(labels, scores, buffer, order, last, segments(labels))


def _range_auc(
    labels: Labels,
    scores: Array,
    buffer: int,
    order: NDArray[np.intp],
    last: NDArray[np.intp],
    events: list[tuple[int, int]],
) -> float:
    extended, widened = _buffered(labels, events, buffer)
    hits = np.cumsum(extended[order])[last]
    peaks = np.sort([scores[low:high].max() for low, high in widened])
    touched = len(peaks) - np.searchsorted(peaks, scores[order][last], side="left")
    positives = 0.5 * (float(labels.sum()) + float(extended.sum()))
    recall = np.minimum(hits / positives, 1.0) * (touched / len(peaks))
    precision = hits / (last + 1)
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def vus_pr(labels: Labels, scores: Array, *, buffer: int = 100) -> float:
    """Volume under the PR surface: mean of :func:`range_auc_pr` over buffers 0..``buffer`` rows.

    Raises:
        EilError: If shapes differ, a score is not finite or there is no event.
    """
    _check(labels, scores)
    order, last = _descending(scores)
    events = segments(labels)
    return float(
        np.mean([_range_auc(labels, scores, length, order, last, events) for length in range(buffer + 1)])
    )


def alarm_share(labels: Labels, alarm: NDArray[np.bool_]) -> float:
    """Share of normal rows in alarm; NaN when no row is normal."""
    normal = ~labels
    return float(alarm[normal].mean()) if normal.any() else float("nan")


def tickets_per_day(
    timestamps_ns: NDArray[np.int64],
    labels: Labels,
    alarm: NDArray[np.bool_],
    *,
    interval_s: float,
    refractory_s: float = REFRACTORY_S,
) -> float:
    """False tickets per day of normal time: tickets raised on normal rows; NaN when no row is normal."""
    days = float((~labels).sum()) * interval_s / SECONDS_PER_DAY
    rows = ticket_rows(timestamps_ns, alarm, refractory_s=refractory_s)
    return sum(not labels[row] for row in rows) / days if days > 0.0 else float("nan")


@dataclass(frozen=True, slots=True)
class EventReport:
    """Which events an alarm series found, and when.

    Attributes:
        total: Number of events.
        found: Events with an alarm between onset and end.
        delays_s: Time from onset to first alarm of the found events, seconds, in time order.
        false_rows_before_first: Normal rows in alarm before the first event.
    """

    total: int
    found: int
    delays_s: tuple[float, ...]
    false_rows_before_first: int


def event_report(timestamps_ns: NDArray[np.int64], labels: Labels, alarm: NDArray[np.bool_]) -> EventReport:
    """Events found and their delays; an alarm outside an event finds nothing."""
    events = segments(labels)
    delays = []
    for start, stop in events:
        rows = np.flatnonzero(alarm[start:stop])
        if rows.size:
            elapsed = timestamps_ns[start + int(rows[0])] - timestamps_ns[start]
            delays.append(float(elapsed) / NANOSECONDS_PER_SECOND)
    first = events[0][0] if events else len(labels)
    return EventReport(len(events), len(delays), tuple(delays), int(alarm[:first].sum()))


def batadal_score(timestamps_ns: NDArray[np.int64], labels: Labels, alarm: NDArray[np.bool_]) -> float:
    """S of the BATADAL contest: half earliness, half classification, 1 at best, 0.75 for always in alarm.

    Earliness is 1 minus the mean over events of delay / duration (1 where not found); classification is the
    mean of true positive and true negative rate (Taormina et al., J. Water Resour. Plan. Manage. 144(8), 2018).

    Raises:
        EilError: If no row is an event or none is normal.
    """
    events = segments(labels)
    if not events or labels.all():
        raise EilError("S needs events and normal rows", hint="give labels with both")
    waits = []
    for start, stop in events:
        rows = np.flatnonzero(alarm[start:stop])
        span = float(timestamps_ns[stop - 1] - timestamps_ns[start]) or 1.0
        elapsed = float(timestamps_ns[start + int(rows[0])] - timestamps_ns[start]) if rows.size else span
        waits.append(elapsed / span if rows.size else 1.0)
    classified = 0.5 * (float(alarm[labels].mean()) + float((~alarm[~labels]).mean()))
    return 0.5 * (1.0 - float(np.mean(waits))) + 0.5 * classified


def event_blocks(labels: Labels) -> list[tuple[int, int]]:
    """The rows cut midway between neighbouring events, so that each block holds one event and its calm."""
    events = segments(labels)
    cuts = [(a[1] + b[0]) // 2 for a, b in pairwise(events)]
    edges = [0, *cuts, len(labels)]
    return list(pairwise(edges))


def bootstrap_interval(
    runs: list[tuple[Labels, Array]],
    statistic: Callable[[Labels, Array], float],
    *,
    level: float = 0.95,
    resamples: int = 200,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of the mean of ``statistic`` over runs, by block bootstrap.

    Whole runs are drawn again where there are several; in a single run the blocks around its events are drawn
    and joined, so that what depends on its neighbours in time stays together.

    Args:
        runs: Labels and scores of each run; runs without an event are left out.
        statistic: Figure of one run.
        level: Coverage of the interval.
        resamples: Number of draws.
        seed: Seed of the draws.

    Raises:
        EilError: If no run holds an event.
    """
    usable = [(labels, scores) for labels, scores in runs if labels.any()]
    if not usable:
        raise EilError("no run holds an event", hint="give labelled runs")
    generator = np.random.default_rng(seed)
    if len(usable) > 1:
        values = np.array([statistic(labels, scores) for labels, scores in usable])
        draws = values[generator.integers(0, len(values), (resamples, len(values)))].mean(axis=1)
    else:
        labels, scores = usable[0]
        blocks = event_blocks(labels)
        drawn = []
        for _ in range(resamples):
            picks = generator.integers(0, len(blocks), len(blocks))
            rows = np.concatenate([np.arange(*blocks[pick]) for pick in picks])
            drawn.append(statistic(labels[rows], scores[rows]))
        draws = np.array(drawn)
    tail = 0.5 * (1.0 - level)
    return float(np.quantile(draws, tail)), float(np.quantile(draws, 1.0 - tail))
