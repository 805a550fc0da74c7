"""A verdict touches the one component that it names, in the alarm only, and expires."""

import dataclasses

import numpy as np
import pytest

from eil.conftest import frame_of, vector_autoregression
from industriverse.eil.detector import Detector
from industriverse.eil.errors import FeedbackError
from industriverse.eil.feedback import Feedback, FeedbackBook, Verdict
from industriverse.eil.reference import Reference
from industriverse.eil.watch import Watcher
from industriverse.signals import NANOSECONDS_PER_SECOND, Frame

CLEAN, ROWS = 3000, 5000
MINUTE = 60 * NANOSECONDS_PER_SECOND


@pytest.fixture(scope="module")
def biased() -> tuple[Reference, Frame]:
    """A reference, and later rows with a lasting small bias on channel 0 that the long filters see."""
    values = vector_autoregression(ROWS, 4, 8)
    values[CLEAN + 200 :, 0] += 2.0
    frame = frame_of(values)
    return Detector(budget_per_day=2.0).fit(frame.rows(0, CLEAN)).reference, frame.rows(CLEAN)


def give(detector: Detector, verdict: Verdict, component: str, now_ns: int, hold_s: float) -> None:
    detector.take_feedback("t-1", verdict, component=component, surprise=20.0, given_ns=now_ns, hold_s=hold_s)


def test_false_lowers_the_alarm_and_leaves_the_score(biased: tuple[Reference, Frame]) -> None:
    reference, frame = biased
    plain, told = Detector.from_reference(reference), Detector.from_reference(reference)
    for name in ("work_sum_64", "work_max_64", "work_sum_16", "work_max_16"):
        give(told, Verdict.FALSE, name, int(frame.timestamps_ns[0]) - 1, 86_400.0 * 5)
    before, after = plain.score(frame), told.score(frame)
    assert before.score.tobytes() == after.score.tobytes()
    assert after.alarm.sum() < before.alarm.sum()


def test_only_the_named_component_is_relieved(biased: tuple[Reference, Frame]) -> None:
    reference, frame = biased
    detector = Detector.from_reference(reference)
    detector.score(frame.rows(0, 10))
    give(detector, Verdict.PLANNED_WORK, "heat_16", int(frame.timestamps_ns[9]), 3600.0)
    relief = detector.snapshot().state.relief
    names = detector.surprises()
    assert "heat_16" in names
    assert (relief != 1.0).sum() == 1


def test_a_muted_component_does_not_hide_the_others(biased: tuple[Reference, Frame]) -> None:
    reference, frame = biased
    values = frame.values.copy()
    values[500:520, 1] += 15.0
    attacked = Frame(frame.timestamps_ns, values, frame.channels)
    detector = Detector.from_reference(reference)
    give(detector, Verdict.PLANNED_WORK, "work_sum_64", int(frame.timestamps_ns[0]) - 1, 86_400.0 * 5)
    assert detector.score(attacked).alarm[500:520].any()


def test_a_verdict_expires_to_the_sample_in_blocks_and_one_by_one(biased: tuple[Reference, Frame]) -> None:
    reference, frame = biased
    block, single = Detector.from_reference(reference), Detector.from_reference(reference)
    for detector in (block, single):
        give(detector, Verdict.PLANNED_WORK, "work_max_64", int(frame.timestamps_ns[0]) - MINUTE, 60.0 * 301)
    readings = block.score(frame.rows(0, 600))
    for row in range(600):
        assert single.update(int(frame.timestamps_ns[row]), frame.values[row]) == readings[row]
        muted = single.snapshot().state.relief.max() > 1.0
        assert muted == (row < 300)


def test_true_withdraws_earlier_relief(biased: tuple[Reference, Frame]) -> None:
    reference, frame = biased
    detector = Detector.from_reference(reference)
    start = int(frame.timestamps_ns[0]) - 1
    give(detector, Verdict.FALSE, "t2", start, 3600.0)
    give(detector, Verdict.TRUE, "t2", start, 3600.0)
    assert (detector.snapshot().state.relief == 1.0).all()


@pytest.mark.parametrize(("component", "hold_s"), [("nonsense", 60.0), ("t2", 0.0), ("t2", 86_400.0 * 40)])
def test_an_unknown_component_or_an_endless_verdict_is_refused(
    biased: tuple[Reference, Frame], component: str, hold_s: float
) -> None:
    with pytest.raises(FeedbackError):
        give(Detector.from_reference(biased[0]), Verdict.FALSE, component, 1000, hold_s)


def test_the_strongest_verdict_that_holds_counts() -> None:
    book = FeedbackBook(("a", "b"))
    weak = Feedback("t", Verdict.FALSE, "a", 3.0, 0, 100)
    book.add(weak)
    book.add(dataclasses.replace(weak, surprise=5.0, given_ns=10, expires_ns=50))
    assert book.relief_at(5).tolist() == [3.0, 1.0]
    assert book.relief_at(20).tolist() == [5.0, 1.0]
    assert book.relief_at(60).tolist() == [3.0, 1.0]
    assert np.array_equal(book.relief_at(100), np.ones(2))
    assert book.next_change_ns(20) == 50


def test_tickets_do_not_depend_on_where_a_verdict_expires_in_a_block(biased: tuple[Reference, Frame]) -> None:
    reference, frame = biased
    found = []
    for size in (2000, 41):
        detector = Detector.from_reference(reference)
        give(detector, Verdict.PLANNED_WORK, "work_max_64", int(frame.timestamps_ns[0]) - 1, 60.0 * 500)
        watcher = Watcher(detector, "s")
        found.append(
            [t for start in range(0, 2000, size) for t in watcher.feed(frame.rows(start, start + size))[1]]
        )
    assert found[0] == found[1]
    assert found[0]
