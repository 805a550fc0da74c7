"""eTaPR gives the published figures on published predictions, and trivial alarms what they deserve."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from industriverse.eil.errors import EilError
from industriverse.eil.etapr import etapr

DATA = Path(os.environ.get("INDUSTRIVERSE_DATA", "")) / "etapr_reference"
PUBLISHED = [
    ("hai", "HAI_Attack_Stream", "rnn_v1", 0.7714, 0.7993, 0.785),
    ("swat", "SWaT_Attack_Stream", "rnn_v1", None, None, 0.569),
    ("swat", "SWaT_Attack_Stream", "ocsvm", None, None, 0.252),
    ("swat", "SWaT_Attack_Stream", "iforest", None, None, 0.087),
]


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="INDUSTRIVERSE_DATA names no etapr_reference")
@pytest.mark.parametrize(("file", "truth", "method", "precision", "recall", "f1"), PUBLISHED)
def test_the_published_figures_come_out(
    file: str, truth: str, method: str, precision: float | None, recall: float | None, f1: float
) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.read_parquet(DATA / f"{file}.parquet")[[truth, method]].dropna()
    score = etapr((table[truth] == -1).to_numpy(), (table[method] == -1).to_numpy())
    assert score.f1 == pytest.approx(f1, abs=6e-4)
    if precision is not None and recall is not None:
        assert score.precision == pytest.approx(precision, abs=5e-5)
        assert score.recall == pytest.approx(recall, abs=5e-5)


def marked(n: int, *ranges: tuple[int, int]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    flags = np.zeros(n, dtype=np.bool_)
    for start, stop in ranges:
        flags[start:stop] = True
    return flags


def test_a_perfect_alarm_scores_one_and_silence_zero() -> None:
    labels = marked(100, (10, 20), (50, 70))
    assert etapr(labels, labels).f1 == 1.0
    assert etapr(labels, marked(100)).f1 == 0.0


def test_one_touched_row_of_a_long_event_is_no_detection() -> None:
    assert etapr(marked(200, (50, 150)), marked(200, (60, 61))).recall == 0.0


def test_an_alarm_mostly_on_normal_time_counts_for_nothing() -> None:
    score = etapr(marked(100, (40, 50)), marked(100, (0, 100)))
    assert (score.precision, score.recall) == (0.0, 0.0)


def test_half_an_event_covered_by_a_right_alarm_by_hand() -> None:
    score = etapr(marked(100, (40, 60)), marked(100, (40, 50), (80, 84)))
    assert score.recall == pytest.approx(0.5 * (1 + 0.5))
    root = np.sqrt([10.0, 4.0])
    assert score.precision == pytest.approx(root[0] * 1.0 / root.sum())


@settings(max_examples=80, deadline=None)
@given(
    labels=st.lists(st.booleans(), min_size=30, max_size=30).filter(any),
    alarm=st.lists(st.booleans(), min_size=30, max_size=30),
)
def test_every_score_lies_between_zero_and_one(labels: list[bool], alarm: list[bool]) -> None:
    score = etapr(np.array(labels), np.array(alarm))
    assert 0.0 <= score.precision <= 1.0
    assert 0.0 <= score.recall <= 1.0
    assert score.detected <= score.events


def test_labels_without_an_event_are_refused() -> None:
    with pytest.raises(EilError, match="no row is labelled"):
        etapr(marked(10), marked(10, (1, 2)))
