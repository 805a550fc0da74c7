"""The ticket threshold keeps its promise on clean streams, or says that it cannot."""

import numpy as np
import pytest

from industriverse.eil.events import EventFitError, TicketRule, calibrate_threshold

DAY_NS = 86_400 * 10**9


def stream(days: float, per_day: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    generator = np.random.default_rng(seed)
    count = int(days * per_day)
    times = np.sort((generator.random(count) * days * DAY_NS).astype(np.int64))
    return generator.exponential(size=count), times, [f"e{i % 3}" for i in range(count)]


@pytest.mark.parametrize("refractory_s", [0.0, 3600.0])
def test_realised_tickets_stay_within_twice_the_promise_on_most_streams(refractory_s: float) -> None:
    within = 0
    for seed in range(10):
        scores, times, entities = stream(20.0, 2000, seed)
        calibration = calibrate_threshold(
            scores, times, entities, budget_per_day=1.0, refractory_s=refractory_s
        )
        assert calibration.certified
        later, later_times, later_entities = stream(20.0, 2000, 100 + seed)
        rule = TicketRule(refractory_s)
        tickets = sum(
            rule.due(later_entities[i], int(later_times[i]))
            for i in np.flatnonzero(later >= calibration.threshold)
        )
        within += tickets / 20.0 <= 2.0
    assert within >= 8


def test_too_short_a_stream_is_not_certifiable_and_says_what_is() -> None:
    scores, times, entities = stream(1.0, 1000, 0)
    calibration = calibrate_threshold(scores, times, entities, budget_per_day=0.1, refractory_s=0.0)
    assert not calibration.certified
    assert calibration.clean_tickets == 0
    assert calibration.promised_per_day == pytest.approx(3.0, rel=0.01)
    assert "not certifiable yet" in calibration.statement()
    assert "about 30 days would do" in calibration.statement()


def test_a_larger_budget_never_raises_the_threshold() -> None:
    scores, times, entities = stream(10.0, 1000, 3)
    thresholds = [
        calibrate_threshold(scores, times, entities, budget_per_day=budget, refractory_s=60.0).threshold
        for budget in (0.5, 1.0, 5.0, 50.0)
    ]
    assert thresholds == sorted(thresholds, reverse=True)


def test_events_at_a_single_time_promise_no_rate() -> None:
    with pytest.raises(EventFitError, match="all at one time"):
        calibrate_threshold(
            np.ones(5), np.zeros(5, dtype=np.int64), ["e"] * 5, budget_per_day=1.0, refractory_s=0.0
        )


def test_a_ticket_is_due_per_entity_and_refractory_time() -> None:
    rule = TicketRule(10.0)
    assert [rule.due("a", second * 10**9) for second in (0, 5, 10, 19, 20)] == [
        True,
        False,
        True,
        False,
        True,
    ]
    assert rule.due("b", 6 * 10**9)
    assert all(TicketRule(0.0).due("a", 0) for _ in range(3))


def test_remembered_tickets_are_bounded() -> None:
    rule = TicketRule(3600.0, maximum_entities=5)
    for i in range(1000):
        rule.due(f"e{i}", i)
    assert len(rule._last) == 5
