"""What people say of tickets and regimes is taken, kept, listed and expires; a slow drift is never adopted silently."""

import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from industriverse.eil.errors import RegimeError
from industriverse.operations.context import Principal
from industriverse.operations.errors import InvalidArgumentsError, NotAllowedError, NotFoundError
from industriverse.operations.live import LiveStream
from industriverse.operations.platform import Platform
from industriverse.operations.times import time_text
from industriverse.signals import Frame, Incident
from prepared_plant import call, on
from wandering_telemetry import MINUTE_NS, wandering

CLEAN, SHIFT = 1500, 1700
HOUR_NS = 60 * MINUTE_NS


def shifted(rows: int = 3600, *, ramp: bool = False) -> Frame:
    """A stream that is at another set point from SHIFT on, or drifts thirty deviations away in a day and a half."""
    frame = wandering(rows)
    values = frame.values.copy()
    deviation = values[:CLEAN, 0].std()
    away = np.arange(rows - SHIFT) * 30.0 / 2160.0 if ramp else np.full(rows - SHIFT, 12.0)
    values[SHIFT:, 0] += away * deviation
    return Frame(frame.timestamps_ns, values, frame.channels)


Tale = Callable[[Platform], Coroutine[Any, Any, None]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def feed(platform: Platform, frame: Frame) -> LiveStream:
    platform.services.streams.ingest("s", frame)
    return platform.services.streams.watched("s")


async def learned(platform: Platform, frame: Frame, **arguments: Any) -> None:
    platform.services.streams.ingest("s", frame.rows(0, CLEAN))
    await call(platform, "signal_compile", stream="s", **arguments)


def test_a_slow_drift_waits_in_quarantine_is_announced_and_never_joins_by_itself(home: Path) -> None:
    frame = shifted(ramp=True)

    async def tale(platform: Platform) -> None:
        await learned(platform, frame)
        feed(platform, frame.rows(CLEAN))
        regime = await call(platform, "eil_regime", stream="s")
        assert regime.regimes_admitted == 1
        assert [shift.state for shift in regime.shifts] == ["quarantined"]
        assert regime.shifts[0].channel == "a"
        assert regime.shifts[0].departure_sd < 10.0
        assert "not adopted; say what it is with eil_feedback" in str(regime)
        assert regime.admitted_without_a_person.startswith("none: a new regime needs a person")

    on(home, tale)


def test_an_operator_admits_a_regime_and_a_restart_comes_to_the_same_readings(home: Path) -> None:
    frame = shifted()

    async def tale(platform: Platform) -> None:
        await learned(platform, frame)
        feed(platform, frame.rows(CLEAN, 2900))
        shift = (await call(platform, "eil_regime", stream="s")).shifts[-1]
        said = await call(platform, "eil_feedback", stream="s", subject=shift.id, verdict="false")
        assert said.regimes_admitted == 2
        live = feed(platform, frame.rows(2900))
        assert live.readings is not None
        assert (live.readings.regime[-300:] == 1).mean() > 0.9
        regime = await call(platform, "eil_regime", stream="s")
        assert (regime.shifts[-1].state, regime.shifts[-1].decided_by) == ("admitted", "local-operator")
        told.append(
            (live.readings.score.tobytes(), live.readings.regime.tobytes(), live.tickets, live.shifts)
        )

    async def later(platform: Platform) -> None:
        live = platform.services.streams.watched("s")
        assert live.readings is not None
        assert live.not_taken == ()
        told.append(
            (live.readings.score.tobytes(), live.readings.regime.tobytes(), live.tickets, live.shifts)
        )

    told: list[Any] = []
    on(home, tale)
    on(home, later)
    assert told[0] == told[1]


def test_a_refused_regime_keeps_the_stream_in_question(home: Path) -> None:
    frame = shifted()

    async def tale(platform: Platform) -> None:
        await learned(platform, frame)
        feed(platform, frame.rows(CLEAN, 2900))
        shift = (await call(platform, "eil_regime", stream="s")).shifts[-1]
        await call(platform, "eil_feedback", stream="s", subject=shift.id, verdict="true")
        feed(platform, frame.rows(2900))
        states = [item.state for item in (await call(platform, "eil_regime", stream="s")).shifts]
        assert states[0] == "refused"
        assert states[-1] in ("collecting", "quarantined")
        with pytest.raises(NotFoundError, match="is refused; shifts that wait"):
            await call(platform, "eil_feedback", stream="s", subject=shift.id, verdict="false")

    on(home, tale)


def test_limits_of_every_channel_admit_after_probation_and_of_one_do_not(tmp_path: Path) -> None:
    frame = shifted()
    wide, admitted = (-1e4, 1e4), {}

    def tale_with(limits: dict[str, tuple[float, float]]) -> Tale:
        async def tale(platform: Platform) -> None:
            await learned(platform, frame, limits=limits, probation_days=0.5)
            feed(platform, frame.rows(CLEAN))
            regime = await call(platform, "eil_regime", stream="s")
            admitted[len(limits)] = (regime.regimes_admitted, regime.admitted_without_a_person)

        return tale

    on(tmp_path / "two", tale_with({"a": wide, "b": wide}))
    on(tmp_path / "one", tale_with({"a": wide}))
    assert admitted[2][0] == 2
    assert admitted[2][1].startswith("0.5 days with every channel within its absolute limits")
    assert admitted[1][0] == 1


def test_announced_work_admits_the_change_that_it_explains(home: Path) -> None:
    frame = shifted()

    async def tale(platform: Platform) -> None:
        await learned(platform, frame)
        start, end = (time_text(int(frame.timestamps_ns[SHIFT]) + side) for side in (-HOUR_NS, HOUR_NS))
        with pytest.raises(RegimeError, match="unknown channels"):
            await call(platform, "eil_expect", stream="s", order="w", start=start, end=end, channels=["z"])
        with pytest.raises(RegimeError, match="ends before it begins"):
            await call(platform, "eil_expect", stream="s", order="w", start=end, end=start, channels=["a"])
        await call(platform, "eil_expect", stream="s", order="w-7", start=start, end=end, channels=["a", "b"])
        feed(platform, frame.rows(CLEAN))
        regime = await call(platform, "eil_regime", stream="s")
        assert regime.regimes_admitted == 2
        assert regime.shifts[-1].decided_by == "work order w-7"

    on(home, tale)


def test_a_verdict_touches_one_component_is_listed_survives_a_restart_and_expires(home: Path) -> None:
    frame = wandering(2400, fault_from=SHIFT)

    async def tale(platform: Platform) -> None:
        await learned(platform, frame)
        live = feed(platform, frame.rows(CLEAN, SHIFT + 20))
        ticket = live.tickets[-1]
        surprises = live.surprises_of(ticket.id)
        said = await call(
            platform, "eil_feedback", stream="s", subject=ticket.id, verdict="planned_work", hold_hours=5
        )
        assert said.component == next(iter(surprises))
        assert said.component_nats == max(surprises.values())
        await holds(platform, said)
        live = feed(platform, frame.rows(SHIFT + 20, SHIFT + 60))
        assert live.readings is not None
        alarms.append(live.readings.alarm.tobytes())

    async def holds(platform: Platform, said: Any) -> None:
        (item,) = (await call(platform, "eil_regime", stream="s")).feedback
        assert (item.component, item.verdict, item.expires) == (said.component, "planned_work", said.expires)

    async def later(platform: Platform) -> None:
        live = platform.services.streams.watched("s")
        assert live.readings is not None
        alarms.append(live.readings.alarm.tobytes())
        assert len((await call(platform, "eil_regime", stream="s")).feedback) == 1
        feed(platform, frame.rows(SHIFT + 60))
        assert (await call(platform, "eil_regime", stream="s")).feedback == []

    alarms: list[bytes] = []
    on(home, tale)
    on(home, later)
    assert alarms[0] == alarms[1]


def test_words_that_mean_nothing_are_refused_and_not_kept(home: Path) -> None:
    frame = wandering(1800, fault_from=SHIFT)

    async def tale(platform: Platform) -> None:
        await learned(platform, frame)
        live = feed(platform, frame.rows(CLEAN))
        ticket = live.tickets[0].id
        for arguments, error, message in (
            ({"subject": "t-none"}, RegimeError, "no ticket"),
            ({"subject": "r-none"}, NotFoundError, "does not exist"),
            ({"subject": ticket, "component": "luck"}, InvalidArgumentsError, "took no part"),
            ({"subject": ticket, "hold_hours": 0}, InvalidArgumentsError, "hold_hours"),
        ):
            with pytest.raises(error, match=message):
                await call(platform, "eil_feedback", stream="s", verdict="false", **arguments)
        with pytest.raises(NotAllowedError, match="lacks the scope 'learn'"):
            await call(
                platform,
                "eil_feedback",
                caller=Principal("viewer", frozenset({"read"})),
                stream="s",
                subject=ticket,
                verdict="false",
            )
        assert live.feedback == ()

    on(home, tale)
    journal = sqlite3.connect(home / "streams" / "journal.sqlite")
    assert journal.execute("SELECT count(*) FROM entry").fetchone() == (0,)
    journal.close()


def test_an_entry_of_another_version_is_told_and_does_not_stop_the_watch(home: Path) -> None:
    frame = wandering(1800)

    async def tale(platform: Platform) -> None:
        await learned(platform, frame)
        feed(platform, frame.rows(CLEAN))
        digest = platform.services.streams.watched("s").reference.digest
        journal = sqlite3.connect(home / "streams" / "journal.sqlite")
        with journal:
            journal.execute(
                "INSERT INTO entry (stream, reference, after_ns, content) VALUES (?, ?, ?, ?)",
                ("s", digest, 0, '{"kind": "shift", "shift": "r-1", "admitted": true, "by": "someone"}'),
            )
        journal.close()

    async def later(platform: Platform) -> None:
        regime = await call(platform, "eil_regime", stream="s")
        assert len(regime.not_taken) == 1
        assert "shift of someone: no candidate 'r-1' in quarantine" in regime.not_taken[0]

    on(home, tale)
    on(home, later)


def test_an_explanation_names_the_earlier_incident_that_was_like_it(home: Path) -> None:
    frame = wandering(2000, fault_from=SHIFT)
    values = frame.values.copy()
    values[SHIFT + 30 : SHIFT + 260, 0] -= 25.0
    frame = Frame(frame.timestamps_ns, values, frame.channels)

    async def tale(platform: Platform) -> None:
        await learned(platform, frame)
        tickets = feed(platform, frame.rows(CLEAN)).tickets
        onsets = [int(frame.timestamps_ns[row]) for row in (SHIFT, SHIFT + 260)]
        first, again = (next(t for t in tickets if t.onset_ns >= onset) for onset in onsets)
        for number, ticket in enumerate((first, again)):
            platform.services.shield.add_ticket(ticket)
            closed = ticket.onset_ns + HOUR_NS
            platform.services.shield.put_incident(
                Incident(f"incident-{number}", "s", "a", (ticket.id,), ticket.onset_ns, closed)
            )
        later = await call(platform, "shield_explain", incident_id="incident-1")
        assert later.nearest_past_incident == "incident-0"
        assert "Most like it before: incident incident-0" in later.text
        earlier = await call(platform, "shield_explain", incident_id="incident-0")
        assert earlier.nearest_past_incident is None

    on(home, tale)


def test_learning_anew_carries_over_what_still_holds_and_lists_what_it_drops(home: Path) -> None:
    frame = shifted()
    told: list[Any] = []

    async def tale(platform: Platform) -> None:
        await learned(platform, frame, limits={"a": (-1e3, 1e3)})
        live = feed(platform, frame.rows(CLEAN, 2900))
        start, end = time_text(live.last_ns), time_text(live.last_ns + 5 * HOUR_NS)
        await call(platform, "eil_expect", stream="s", order="w-9", start=start, end=end, channels=["b"])
        shift = (await call(platform, "eil_regime", stream="s")).shifts[-1]
        await call(platform, "eil_feedback", stream="s", subject=shift.id, verdict="true")
        ticket = live.tickets[-1].id
        await call(platform, "eil_feedback", stream="s", subject=ticket, verdict="false", hold_hours=100)
        before = (await call(platform, "eil_regime", stream="s")).feedback
        again = await call(platform, "signal_compile", stream="s", clean_rows=CLEAN, budget_per_day=2.0)
        assert [sentence.split()[0] for sentence in again.carried_over] == ["limits", "work", "verdict"]
        (dropped,) = again.dropped
        assert dropped.startswith(f"regime of shift {shift.id} refused")
        assert f"dropped: {dropped}" in str(again)
        regime = await call(platform, "eil_regime", stream="s")
        assert regime.feedback == before
        assert "1 of 2 channels have no absolute limits" in regime.admitted_without_a_person
        told.append(regime)
        # The very same reference once more changes nothing.
        same = await call(platform, "signal_compile", stream="s", clean_rows=CLEAN, budget_per_day=2.0)
        assert (same.carried_over, same.dropped) == ([], [])

    async def after_a_restart(platform: Platform) -> None:
        assert await call(platform, "eil_regime", stream="s") == told[0]

    on(home, tale)
    on(home, after_a_restart)
