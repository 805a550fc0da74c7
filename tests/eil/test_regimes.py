"""Regimes are found, told apart from anomalies, and join only when somebody or something vouches for them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eil.conftest import frame_of, vector_autoregression
from industriverse.eil.detector import Detector
from industriverse.eil.errors import RegimeError
from industriverse.eil.focus import ChangeClock
from industriverse.eil.layout import component_names
from industriverse.eil.quarantine import AdmissionConditions
from industriverse.eil.regimes import RegimeBank, RegimeShift, ShiftState, WorkOrder
from industriverse.eil.watch import Watcher
from industriverse.signals import Frame, ThermoReadings

CLEAN, CHANGE = 3000, 4000
MINUTE = 60 * 1_000_000_000


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=60))
def test_the_change_clock_agrees_with_every_change_time_tried(increments: list[float]) -> None:
    clock, sums = ChangeClock(), np.concatenate([[0.0], np.cumsum(increments)])
    for t, increment in enumerate(increments, start=1):
        found = clock.add(increment)
        best = max(max(sums[t] - sums[tau], 0.0) ** 2 / (2 * (t - tau)) for tau in range(t))
        assert found == pytest.approx(best, abs=1e-9)


def test_the_change_clock_keeps_few_candidates() -> None:
    clock = ChangeClock()
    for value in np.random.default_rng(0).normal(size=20_000):
        clock.add(float(value))
    assert len(clock._hull) < 60


def shifted(rows: int = 9000, stop: int | None = None) -> Frame:
    """Rows whose channels 0 and 1 move to another set point at CHANGE, until ``stop``."""
    values = vector_autoregression(rows, 4, 12)
    values[CHANGE:stop, :2] += 9.0
    return frame_of(values)


def bank_of(
    frame: Frame,
    *,
    limits: dict[str, tuple[float, float]] | None = None,
    probation_s: float = 7 * 86_400.0,
    candidate_rows: int = 500,
) -> RegimeBank:
    return RegimeBank(
        Detector().fit(frame.rows(0, CLEAN)),
        "plant",
        conditions=AdmissionConditions(limits or {}, probation_s),
        candidate_rows=candidate_rows,
    )


def run(bank: RegimeBank, frame: Frame, start: int, stop: int, block: int = 100) -> list[RegimeShift]:
    return [
        s for at in range(start, stop, block) for s in bank.feed(frame.rows(at, min(at + block, stop))).shifts
    ]


def test_a_lasting_shift_is_raised_once_with_its_change_time() -> None:
    frame = shifted()
    shifts = run(bank_of(frame), frame, CLEAN, 9000)
    assert [s.state for s in shifts] == [ShiftState.COLLECTING, ShiftState.QUARANTINED]
    assert abs(shifts[0].change_ns // MINUTE - CHANGE) <= 3


def test_clean_rows_raise_no_shift() -> None:
    frame = frame_of(vector_autoregression(9000, 4, 13))
    assert run(bank_of(frame), frame, CLEAN, 9000) == []


def test_a_passing_anomaly_never_becomes_a_regime() -> None:
    frame = shifted(stop=CHANGE + 150)
    shifts = run(bank_of(frame), frame, CLEAN, 9000, block=50)
    assert [s.state for s in shifts] == [ShiftState.COLLECTING, ShiftState.PASSED]


def test_without_limits_time_alone_admits_nothing() -> None:
    frame = shifted()
    bank = bank_of(frame, probation_s=3600.0)
    run(bank, frame, CLEAN, 9000)
    assert len(bank.detectors) == 1
    assert bank.candidate is not None
    assert bank.candidate.shift.state is ShiftState.QUARANTINED


def test_probation_within_every_limit_admits_and_one_broken_limit_does_not() -> None:
    frame = shifted()
    wide = dict.fromkeys(frame.names, (-1000.0, 1000.0))
    good = bank_of(frame, probation_s=86_400.0, limits=wide)
    assert run(good, frame, CLEAN, 9000)[-1].decided_by == "probation within every absolute limit"
    bad = bank_of(frame, probation_s=86_400.0, limits={**wide, "c0": (-8.0, 8.0)})
    run(bad, frame, CLEAN, 9000)
    assert len(bad.detectors) == 1
    part = bank_of(frame, probation_s=86_400.0, limits={"c0": (-1e3, 1e3)})
    run(part, frame, CLEAN, 9000)
    assert len(part.detectors) == 1


@pytest.mark.parametrize(("channel", "admitted"), [("c0", True), ("c3", False)])
def test_only_a_work_order_for_the_moving_channel_admits(channel: str, admitted: bool) -> None:
    frame = shifted()
    bank = bank_of(frame)
    channels = frozenset({"c0", "c1"} if channel == "c0" else {channel})
    bank.expect_work(WorkOrder("w-1", (CHANGE - 60) * MINUTE, (CHANGE + 60) * MINUTE, channels))
    run(bank, frame, CLEAN, 6000)
    assert (len(bank.detectors) == 2) == admitted


def test_an_admitted_regime_explains_both_sides_and_takes_over() -> None:
    frame = shifted(stop=7500)
    bank = bank_of(frame)
    shifts = run(bank, frame, CLEAN, 6000)
    bank.admit(shifts[-1].id, by="operator")
    there = bank.feed(frame.rows(6000, 7400)).readings
    assert (there.regime[200:] == 1).mean() > 0.95
    assert there.alarm[200:].mean() < 0.05
    back = bank.feed(frame.rows(7400, 9000)).readings
    assert (back.regime[400:] == 0).mean() > 0.95


def test_the_bank_never_holds_more_than_eight_and_keeps_the_founder() -> None:
    values = vector_autoregression(CLEAN + 9 * 800, 4, 14)
    for visit in range(9):
        values[CLEAN + visit * 800 :, 0] += 12.0
    frame = frame_of(values)
    bank = bank_of(frame, candidate_rows=400)
    founder, admitted = bank.detectors[0], 0
    for start in range(CLEAN, len(frame), 100):
        for shift in bank.feed(frame.rows(start, start + 100)).shifts:
            if shift.state is ShiftState.QUARANTINED:
                bank.admit(shift.id, by="operator")
                admitted += 1
        assert len(bank.detectors) <= 8
    assert admitted == 9
    assert len(bank.detectors) == 8
    assert bank.detectors[0] is founder


def test_the_same_rows_give_the_same_bits_however_they_are_cut() -> None:
    frame = shifted(rows=6000)
    given: list[tuple[bytes, list[str], list[RegimeShift]]] = []
    for block in (1, 37, 3000):
        bank = bank_of(frame)
        bank.expect_work(
            WorkOrder("w-1", (CHANGE - 60) * MINUTE, (CHANGE + 60) * MINUTE, frozenset({"c0", "c1"}))
        )
        fed = [bank.feed(frame.rows(at, min(at + block, 6000))) for at in range(CLEAN, 6000, block)]
        readings = ThermoReadings.concatenate([part.readings for part in fed])
        given.append(
            (
                readings.score.tobytes() + readings.alarm.tobytes() + readings.regime.tobytes(),
                [ticket.id for part in fed for ticket in part.tickets],
                [shift for part in fed for shift in part.shifts],
            )
        )
        assert len(bank.detectors) == 2
    assert given[0] == given[1] == given[2]


def test_a_bank_of_one_regime_says_what_its_detector_says() -> None:
    frame = shifted(stop=CHANGE + 40)
    bank = bank_of(frame)
    watcher = Watcher(Detector.from_reference(bank.detectors[0].reference), "plant")
    readings, tickets = watcher.feed(frame.rows(CLEAN))
    fed = bank.feed(frame.rows(CLEAN))
    assert fed.readings.score.tobytes() == readings.score.tobytes()
    assert fed.readings.alarm.tobytes() == readings.alarm.tobytes()
    assert list(fed.tickets) == tickets
    assert bank.summary() == watcher.summary()


def test_a_ticket_remembers_what_each_component_said() -> None:
    frame = shifted()
    bank = bank_of(frame)
    ticket = bank.feed(frame.rows(CLEAN, CHANGE + 100)).tickets[-1]
    detector, surprises = bank.surprises_of(ticket.id)
    assert detector is bank.detectors[0]
    assert ticket.score == pytest.approx(
        sum(surprises[name] * weight for name, weight in weights(detector).items() if name in surprises)
    )
    with pytest.raises(RegimeError, match="no ticket"):
        bank.surprises_of("t-0")


def weights(detector: Detector) -> dict[str, float]:
    names = component_names(detector.reference.scales)
    return dict(zip(names, detector.reference.model.weights.tolist(), strict=True))


def test_a_shift_names_the_channel_that_left_and_how_far() -> None:
    frame = shifted()
    shift = run(bank_of(frame), frame, CLEAN, 9000)[0]
    assert shift.leading in {"c0", "c1"}
    assert shift.departure_sd > 2.0


def test_conditions_and_orders_that_mean_nothing_are_refused() -> None:
    with pytest.raises(RegimeError, match="give the low one first"):
        AdmissionConditions({"c0": (1.0, 0.0)})
    with pytest.raises(RegimeError, match="probation_s is -1"):
        AdmissionConditions(probation_s=-1.0)
    with pytest.raises(RegimeError, match="ends before it begins"):
        WorkOrder("w", 2, 1, frozenset({"c0"}))
    bank = bank_of(shifted())
    with pytest.raises(RegimeError, match="unknown channels"):
        bank.conditions = AdmissionConditions({"odd": (0.0, 1.0)})
    with pytest.raises(RegimeError, match="unknown channels"):
        bank.expect_work(WorkOrder("w", 1, 2, frozenset({"odd"})))


def test_deciding_on_no_candidate_or_without_a_name_is_refused() -> None:
    frame = shifted()
    bank = bank_of(frame)
    with pytest.raises(RegimeError, match="no candidate"):
        bank.admit("r-0", by="operator")
    shifts = run(bank, frame, CLEAN, 6000)
    with pytest.raises(RegimeError, match="needs a name"):
        bank.admit(shifts[-1].id, by="")
    assert bank.refuse(shifts[-1].id, by="operator").state is ShiftState.REFUSED
    assert bank.candidate is None


def test_a_slow_ramp_is_not_adopted_in_silence() -> None:
    values = vector_autoregression(14_000, 4, 15)
    values[CHANGE:, 0] += np.arange(10_000) * 1.5e-3
    frame = frame_of(values)
    bank = bank_of(frame)
    shifts = run(bank, frame, CLEAN, 14_000)
    assert shifts
    reached = (shifts[0].detected_ns // MINUTE - CHANGE) * 1.5e-3
    assert reached < 10.0
    assert len(bank.detectors) == 1
