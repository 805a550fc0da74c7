"""Attacks are found, clean data is left alone, and a fake detector is convicted."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from eil.conftest import frame_of, vector_autoregression
from industriverse.eil.detector import Detector
from industriverse.eil.evaluation import alarm_share, event_report, tickets_per_day, vus_pr
from industriverse.eil.watch import Watcher
from industriverse.signals import Frame

Array = NDArray[np.float64]
ROWS, CLEAN, CHANNELS = 5000, 2500, 8
EVENTS = ((3000, 3080), (3600, 3700), (4300, 4400))


def attack(kind: str) -> Frame:
    values = vector_autoregression(ROWS, CHANNELS, seed=21)
    generator = np.random.default_rng(22)
    for start, stop in EVENTS:
        if kind == "bias":
            values[start:stop, 2] += 4.0
        elif kind == "freeze":
            values[start:stop, 2:5] = values[start, 2:5]
        elif kind == "noise":
            values[start:stop, 2] += 4.0 * generator.normal(size=stop - start)
        else:
            values[start:stop, 2:5] = values[start - 1500 : stop - 1500, 2:5]
    return frame_of(values)


def labels() -> NDArray[np.bool_]:
    marked = np.zeros(ROWS, dtype=np.bool_)
    for start, stop in EVENTS:
        marked[start:stop] = True
    return marked[CLEAN:]


@pytest.mark.parametrize("kind", ["bias", "freeze", "noise"])
def test_injected_attacks_are_found_at_a_clean_threshold(kind: str) -> None:
    frame = attack(kind)
    readings = Detector().fit(frame.rows(0, CLEAN)).score(frame.rows(CLEAN))
    report = event_report(readings.timestamps_ns, labels(), readings.alarm)
    assert report.found == 3
    # What remains after an event until the long filters are drained counts as normal time in alarm.
    assert alarm_share(labels(), readings.alarm) < 0.03
    assert vus_pr(labels(), readings.score, buffer=20) > 0.5


def test_an_alarm_ends_soon_after_its_cause() -> None:
    frame = attack("bias")
    readings = Detector().fit(frame.rows(0, CLEAN)).score(frame.rows(CLEAN))
    for _, stop in EVENTS:
        after = stop - CLEAN
        assert not readings.alarm[after + 40 : after + 100].any()


def test_the_attacked_channel_leads_the_evidence() -> None:
    frame = attack("bias")
    watcher = Watcher(Detector().fit(frame.rows(0, CLEAN)), "plant")
    watcher.feed(frame.rows(CLEAN, 3000))
    _, tickets = watcher.feed(frame.rows(3000, 3080))
    assert tickets[0].evidence[0].channel == "c2"


def convict(scores: Array, alarm: NDArray[np.bool_], marked: NDArray[np.bool_], frame: Frame) -> list[str]:
    """What is wrong with a detector: the acceptance rule that the real one passes."""
    reasons = []
    report = event_report(frame.timestamps_ns, marked, alarm)
    if report.found < report.total:
        reasons.append("misses events")
    if alarm_share(marked, alarm) > 0.03:
        reasons.append("is in alarm too long")
    if tickets_per_day(frame.timestamps_ns, marked, alarm, interval_s=60.0) > 5.0:
        reasons.append("raises too many tickets")
    if vus_pr(marked, scores, buffer=20) < 0.5:
        reasons.append("ranks badly")
    return reasons


FAKES: dict[str, Callable[[int], tuple[Array, NDArray[np.bool_]]]] = {
    "constant": lambda n: (np.zeros(n), np.zeros(n, dtype=np.bool_)),
    "always": lambda n: (np.ones(n), np.ones(n, dtype=np.bool_)),
    "random": lambda n: (np.random.default_rng(0).random(n), np.random.default_rng(0).random(n) > 0.99),
}


@pytest.mark.parametrize("fake", sorted(FAKES))
def test_a_fake_detector_is_convicted(fake: str) -> None:
    frame = attack("bias").rows(CLEAN)
    scores, alarm = FAKES[fake](len(frame))
    assert convict(scores, alarm, labels(), frame)


def test_the_real_detector_is_acquitted() -> None:
    frame = attack("bias")
    readings = Detector().fit(frame.rows(0, CLEAN)).score(frame.rows(CLEAN))
    assert convict(readings.score, readings.alarm, labels(), frame.rows(CLEAN)) == []


def test_false_tickets_on_clean_data_stay_within_twice_the_promise() -> None:
    tickets, days, promised = 0, 0.0, []
    for seed in range(6):
        frame = frame_of(vector_autoregression(15_000, 5, seed=100 + seed))
        watcher = Watcher(Detector(budget_per_day=2.0).fit(frame.rows(0, 5000)), f"clean-{seed}")
        watcher.feed(frame.rows(5000))
        summary = watcher.summary()
        tickets += summary.tickets
        days += summary.watched_days
        promised.append(summary.promised_per_day)
    assert tickets / days <= 2.0 * float(np.mean(promised))
    assert tickets > 0  # a detector that can never raise a ticket keeps any budget
