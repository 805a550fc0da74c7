"""The measures agree with brute force and give trivial detectors what they deserve."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from industriverse.eil.errors import EilError
from industriverse.eil.evaluation import (
    alarm_share,
    auc_pr,
    batadal_score,
    bootstrap_interval,
    event_blocks,
    event_report,
    range_auc_pr,
    segments,
    tickets_per_day,
    vus_pr,
)

Array = NDArray[np.float64]
Labels = NDArray[np.bool_]
MINUTE = 60 * 1_000_000_000


def brute_range_auc(labels: Labels, scores: Array, buffer: int) -> float:
    """The definition read literally: every threshold, every row, every event, by loops."""
    n = len(labels)
    half = buffer // 2
    events = segments(labels)
    extended = [1.0 if flag else 0.0 for flag in labels]
    touched_by = [False] * n
    for start, stop in events:
        for i in range(n):
            if not start <= i < stop:
                distance = start - i if i < start else i - (stop - 1)
                if distance <= half:
                    extended[i] = min(extended[i] + (1.0 - distance / buffer) ** 0.5, 1.0)
        for i in range(max(start - half, 0), min(stop + half, n)):
            touched_by[i] = True
    wide = segments(np.array(touched_by))
    area, previous = 0.0, 0.0
    for threshold in sorted(set(scores.tolist()), reverse=True):
        predicted = [bool(s >= threshold) for s in scores]
        hits = sum(e for e, p in zip(extended, predicted, strict=True) if p)
        found = sum(any(predicted[a:b]) for a, b in wide)
        positives = (sum(labels) + sum(extended)) / 2
        recall = min(hits / positives, 1.0) * found / len(wide)
        area += (recall - previous) * hits / sum(predicted)
        previous = recall
    return area


@st.composite
def labelled(draw: st.DrawFn) -> tuple[Labels, Array]:
    n = draw(st.integers(4, 40))
    flags = draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(any))
    scores = draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))
    return np.array(flags), np.array(scores, dtype=np.float64)


@settings(max_examples=150, deadline=None)
@given(case=labelled(), buffer=st.integers(0, 12))
def test_range_auc_agrees_with_brute_force(case: tuple[Labels, Array], buffer: int) -> None:
    labels, scores = case
    assert range_auc_pr(labels, scores, buffer) == pytest.approx(brute_range_auc(labels, scores, buffer))


@settings(max_examples=30, deadline=None)
@given(case=labelled())
def test_vus_is_the_mean_over_buffers(case: tuple[Labels, Array]) -> None:
    labels, scores = case
    expected = np.mean([brute_range_auc(labels, scores, buffer) for buffer in range(6)])
    assert vus_pr(labels, scores, buffer=5) == pytest.approx(expected)


def test_auc_pr_agrees_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics", exc_type=ImportError)
    generator = np.random.default_rng(0)
    labels = generator.random(500) < 0.1
    scores = np.round(labels + generator.normal(size=500), 1)
    assert auc_pr(labels, scores) == pytest.approx(metrics.average_precision_score(labels, scores))


def test_a_perfect_ranking_scores_one_and_a_constant_one_the_anomaly_rate() -> None:
    labels = np.zeros(1000, dtype=np.bool_)
    labels[300:400] = True
    assert auc_pr(labels, labels.astype(np.float64)) == pytest.approx(1.0)
    assert range_auc_pr(labels, labels.astype(np.float64), 0) == pytest.approx(1.0)
    assert auc_pr(labels, np.zeros(1000)) == pytest.approx(0.1)


def test_events_found_delay_and_false_rows_before_the_first() -> None:
    labels = np.zeros(100, dtype=np.bool_)
    labels[20:30] = labels[50:60] = labels[80:90] = True
    alarm = np.zeros(100, dtype=np.bool_)
    alarm[[5, 23, 59, 70]] = True
    report = event_report(np.arange(100, dtype=np.int64) * MINUTE, labels, alarm)
    assert (report.total, report.found, report.false_rows_before_first) == (3, 2, 1)
    assert report.delays_s == (180.0, 540.0)
    assert alarm_share(labels, alarm) == pytest.approx(2 / 70)


def test_false_tickets_are_counted_per_day_of_normal_time() -> None:
    labels = np.zeros(2880, dtype=np.bool_)
    labels[1440:] = True
    alarm = np.zeros(2880, dtype=np.bool_)
    alarm[[10, 30, 200, 2000]] = True  # 30 lies in the refractory hour of 10, 2000 in an event
    times = np.arange(2880, dtype=np.int64) * MINUTE
    assert tickets_per_day(times, labels, alarm, interval_s=60.0) == pytest.approx(2.0)


def test_always_alarm_earns_a_ticket_an_hour() -> None:
    times = np.arange(1440, dtype=np.int64) * MINUTE
    clean = np.zeros(1440, dtype=np.bool_)
    assert tickets_per_day(times, clean, ~clean, interval_s=60.0) == pytest.approx(24.0)
    assert alarm_share(clean, ~clean) == 1.0


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([True, False], [1.0], "one of each a row"),
        ([True, False], [1.0, float("nan")], "not finite"),
        ([False, False], [1.0, 2.0], "no row is labelled"),
    ],
)
def test_bad_input_is_refused(labels: list[bool], scores: list[float], message: str) -> None:
    with pytest.raises(EilError, match=message):
        vus_pr(np.array(labels), np.array(scores))


def test_the_contest_score_gives_always_alarm_three_quarters_and_never_a_quarter() -> None:
    labels = np.zeros(100, dtype=np.bool_)
    labels[20:40] = True
    labels[70:80] = True
    times = np.arange(100, dtype=np.int64) * MINUTE
    assert batadal_score(times, labels, np.ones(100, dtype=np.bool_)) == pytest.approx(0.75)
    assert batadal_score(times, labels, np.zeros(100, dtype=np.bool_)) == pytest.approx(0.25)
    assert batadal_score(times, labels, labels) == pytest.approx(1.0)


def test_event_blocks_hold_every_row_once_and_one_event_each() -> None:
    labels = np.zeros(50, dtype=np.bool_)
    labels[[5, 6, 20, 40]] = True
    blocks = event_blocks(labels)
    assert [row for a, b in blocks for row in range(a, b)] == list(range(50))
    assert all(len(segments(labels[a:b])) == 1 for a, b in blocks)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(4)
    hits = 0
    for trial in range(100):
        runs = [(np.array([True]), np.array([value])) for value in generator.normal(size=30)]
        low, high = bootstrap_interval(runs, lambda _, scores: float(scores[0]), seed=trial)
        hits += low <= 0.0 <= high
    assert 85 <= hits <= 100


def test_a_single_run_is_resampled_by_its_events() -> None:
    labels = np.tile(np.repeat([False, True, False], [20, 5, 20]), 8)
    scores = labels + np.random.default_rng(1).normal(size=len(labels))
    low, high = bootstrap_interval([(labels, scores)], auc_pr, resamples=50)
    assert low < auc_pr(labels, scores) < high
