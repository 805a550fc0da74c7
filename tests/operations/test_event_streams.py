"""Events in, tickets with reasons out, the same after a restart as before."""

import json
from pathlib import Path
from typing import Any

import pytest

from industriverse.eil.errors import RegimeError
from industriverse.operations.errors import InvalidArgumentsError, NotFoundError, OperationError
from industriverse.operations.platform import Platform
from industriverse.operations.times import time_text
from industriverse.operations.upkeep import check_atlas
from industriverse.signals.events import EventFormatError
from prepared_plant import call, on

SECOND_NS = 10**9
START_NS = 1_767_571_200 * SECOND_NS
ZEEK_HEAD = (
    "#separator \\x09\n#unset_field\t-\n#path\tmodbus\n"
    "#fields\tts\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tfunc\texception\n"
)


def polls(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "time": time_text(START_NS + (start + row) * SECOND_NS),
            "entity": "plc-1",
            "symbol": ("read coils", "read inputs", "read registers")[(start + row) % 3],
            "fields": {"address": 16 * ((start + row) % 3)},
        }
        for row in range(count)
    ]


def attack(at: int) -> dict[str, Any]:
    return {"time": time_text(START_NS + at * SECOND_NS), "entity": "plc-1", "symbol": "write coil"}


async def learned(platform: Platform) -> None:
    await call(platform, "signal_feed_events", stream="bus", events=polls(3000))
    said = await call(platform, "signal_learn_events", stream="bus")
    assert said.clean_events == 3000
    assert "not certifiable yet" in said.note


def test_a_command_never_seen_raises_a_ticket_that_says_so(tmp_path: Path) -> None:
    async def tale(platform: Platform) -> None:
        await learned(platform)
        calm = await call(platform, "signal_feed_events", stream="bus", events=polls(300, 3000))
        assert (calm.new_events, calm.tickets) == (300, [])
        raised = await call(platform, "signal_feed_events", stream="bus", events=[attack(3300)])
        assert len(raised.tickets) == 1
        state = await call(platform, "eil_events", stream="bus")
        assert (state.events, state.watched_events, state.tickets) == (3301, 301, 1)
        assert state.latest_tickets[0].id == raised.tickets[0]
        assert "'plc-1' did 'write coil'" in state.latest_tickets[0].reason

    on(tmp_path / "home", tale)


def test_after_a_restart_the_tickets_are_those_of_before_and_a_repeated_batch_changes_nothing(
    tmp_path: Path,
) -> None:
    batch = [*polls(50, 3000), attack(3050), *polls(50, 3051)]

    async def tale(platform: Platform) -> None:
        await learned(platform)
        for start in range(0, len(batch), 17):
            await call(platform, "signal_feed_events", stream="bus", events=batch[start : start + 17])
        told.append(await call(platform, "eil_events", stream="bus"))
        again = await call(platform, "signal_feed_events", stream="bus", events=batch)
        assert (again.new_events, again.tickets) == (0, [])

    async def later(platform: Platform) -> None:
        told.append(await call(platform, "eil_events", stream="bus"))
        known = await call(platform, "signal_learn_events", stream="bus", clean_events=3000)
        assert known.note.startswith("These habits were known already")

    told: list[Any] = []
    on(tmp_path / "home", tale)
    on(tmp_path / "home", later)
    assert told[0] == told[1]
    assert told[0].tickets == 1


def test_the_text_of_a_zeek_log_is_read_and_every_line_accounted_for(tmp_path: Path) -> None:
    rows = [f"{1_767_571_200 + row}\t10.0.0.1\t5000\t10.0.0.9\t502\tREAD_COILS\t-\n" for row in range(20)]
    text = ZEEK_HEAD + "".join(rows) + "broken line\n"

    async def tale(platform: Platform) -> None:
        fed = await call(platform, "signal_feed_events", stream="bus", text=text, text_format="zeek")
        assert (fed.lines, fed.new_events) == (25, 20)
        assert sum(fed.dropped.values()) + fed.events == fed.lines
        with pytest.raises(EventFormatError):
            await call(platform, "signal_feed_events", stream="x", text="no log\n", text_format="zeek")
        with pytest.raises(EventFormatError):
            await call(platform, "signal_feed_events", stream="x", text="no json\n", text_format="suricata")

    on(tmp_path / "home", tale)


def test_log_lines_keep_their_templates_over_batches_and_restarts(tmp_path: Path) -> None:
    def lines(start: int, stop: int) -> str:
        return "".join(
            f"{time_text(START_NS + row * SECOND_NS)} job {row} {'started' if row % 2 else 'ended'} well\n"
            for row in range(start, stop)
        )

    async def tale(platform: Platform) -> None:
        for start in (0, 100):
            await call(platform, "signal_feed_events", stream="log", text=lines(start, start + 100))
        symbols.append({event.symbol for event in platform.services.events.store.events("log")})

    async def later(platform: Platform) -> None:
        await call(platform, "signal_feed_events", stream="log", text=lines(200, 300))
        symbols.append({event.symbol for event in platform.services.events.store.events("log")})

    symbols: list[set[str]] = []
    on(tmp_path / "home", tale)
    on(tmp_path / "home", later)
    assert symbols[0] == symbols[1]
    assert len(symbols[0]) <= 2


def test_requests_that_mean_nothing_are_refused_with_what_would(tmp_path: Path) -> None:
    async def tale(platform: Platform) -> None:
        with pytest.raises(InvalidArgumentsError, match="exactly one must be given"):
            await call(platform, "signal_feed_events", stream="bus")
        with pytest.raises(InvalidArgumentsError, match=r"events\.1\.time"):
            await call(
                platform,
                "signal_feed_events",
                stream="bus",
                events=[attack(1), {**attack(2), "time": "soon"}],
            )
        with pytest.raises(NotFoundError, match="no stream of events 'bus'"):
            await call(platform, "eil_events", stream="bus")
        await call(platform, "signal_feed_events", stream="bus", events=polls(120))
        with pytest.raises(NotFoundError, match="call signal_learn_events"):
            await call(platform, "eil_events", stream="bus")
        with pytest.raises(OperationError, match="holds 120 events, not 500"):
            await call(platform, "signal_learn_events", stream="bus", clean_events=500)

    on(tmp_path / "home", tale)


def test_a_ticket_of_events_becomes_an_incident_with_techniques_reasons_and_a_verdict_that_expires(
    tmp_path: Path,
) -> None:
    async def tale(platform: Platform) -> None:
        await learned(platform)
        raised = await call(
            platform, "signal_feed_events", stream="bus", events=[*polls(50, 3000), attack(3050)]
        )
        (incident,) = (await call(platform, "shield_threats")).incidents
        assert (incident.stream, incident.entity, incident.tickets) == ("bus", "plc-1", raised.tickets)
        said = await call(platform, "shield_explain", incident_id=incident.id)
        assert "'plc-1' did 'write coil'" in said.cause
        assert "T0855" in {technique.id for technique in said.techniques}
        assert json.loads((await call(platform, "shield_export", incident_id=incident.id)).content)
        joined = (await call(platform, "shield_correlate")).joined
        assert any(incident.id in item.incidents and item.layers == ["cyber"] for item in joined)
        judged = await call(
            platform, "shield_triage", incident_id=incident.id, change="judge", verdict="false"
        )
        assert "of 'plc-1' does not count in the alarm until" in judged.effect
        told.append(await call(platform, "eil_events", stream="bus"))
        (held,) = told[0].feedback
        assert held.startswith(f"false on {raised.tickets[0]}")

    async def after_a_restart(platform: Platform) -> None:
        assert await call(platform, "eil_events", stream="bus") == told[0]
        with pytest.raises(RegimeError, match="no ticket"):
            await call(platform, "eil_feedback", stream="bus", subject="t-0", verdict="false")
        await call(platform, "signal_feed_events", stream="bus", events=[attack(3050 + 26 * 3600)])
        assert (await call(platform, "eil_events", stream="bus")).feedback == []

    told: list[Any] = []
    on(tmp_path / "home", tale)
    on(tmp_path / "home", after_a_restart)


def test_an_incident_of_events_is_found_in_the_graph_once_also_after_a_restart(tmp_path: Path) -> None:
    async def tale(platform: Platform) -> None:
        await learned(platform)
        await call(platform, "signal_feed_events", stream="bus", events=[*polls(50, 3000), attack(3050)])

    async def later(platform: Platform) -> None:
        await call(platform, "signal_feed_events", stream="bus", events=polls(50, 3000))
        (incident,) = (await call(platform, "shield_threats")).incidents
        recorded = await call(platform, "atlas_record", stream="bus", incident_id=incident.id)
        assert (recorded.state_ids, recorded.proof_ids, recorded.waiting) == ([], [], "")
        found = await call(platform, "atlas_search", kind="Incident", stream="bus", entity="plc-1")
        assert [item.id for item in found.items] == [incident.id]
        around = (await call(platform, "atlas_get", kind="Incident", id=incident.id)).relations
        assert ("AFFECTS", "Entity plc-1") in {(one.relation, one.target) for one in around}
        assert (await call(platform, "atlas_search", kind="Service", text="bus")).total == 1
        report = await platform.run(lambda: check_atlas(platform.services, repair=False))
        assert not report.findings

    on(tmp_path / "home", tale)
    on(tmp_path / "home", later)
