"""The response loop on the simulated plant, on every path that it can take."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from industriverse.graphs.errors import GraphError
from industriverse.operations.context import LOCAL_OPERATOR, ApprovalAnswer, ApprovalRequest
from industriverse.operations.errors import ApprovalUnavailableError, NotFoundError
from industriverse.operations.platform import Platform
from industriverse.operations.policy import invoke
from industriverse.simulation import Command
from prepared_plant import NODES, PLANT, Answer, Prepared, approve, call, decline, on
from wandering_telemetry import wandering


class Listener:
    """Hears progress and does something when a message begins with a word."""

    def __init__(self, word: str = "", then: Callable[[], Awaitable[None]] | None = None) -> None:
        self.messages: list[str] = []
        self._word, self._then = word, then

    async def __call__(self, *report: Any) -> None:
        message: str = report[2]
        self.messages.append(message)
        if self._then is not None and message.startswith(self._word):
            then, self._then = self._then, None
            await then()

    @property
    def nodes(self) -> list[str]:
        return list(dict.fromkeys(message.partition(":")[0] for message in self.messages))


async def respond(
    platform: Platform,
    incident_id: str,
    *,
    answer: Answer = approve,
    progress: Listener | None = None,
    **arguments: Any,
) -> Any:
    return await invoke(
        platform,
        "agent_run",
        {"incident_id": incident_id, "thread_id": "t", **arguments},
        principal=LOCAL_OPERATOR,
        approve=answer,
        progress=progress or Listener(),
    )


def commands(platform: Platform) -> list[str]:
    return [command.verb for command in platform.services.plants.find(PLANT).active_commands()]


def test_an_approved_plan_brings_equilibrium_back_and_is_proved_and_remembered(
    alarmed: Path, story: Prepared
) -> None:
    heard = Listener()

    async def tale(platform: Platform) -> None:
        run = await respond(platform, story.incident_id, progress=heard)
        assert run.status == "done"
        assert run.outcome == "recovered", heard.messages
        assert run.state["recovered"]
        assert commands(platform)
        read = await call(platform, "economy_read", certificate_id=run.state["certificate_id"])
        assert read.minted_for_certificate == run.state["minted_pft"] == read.supply
        states = await call(platform, "atlas_search", stream=PLANT)
        assert {item.fields["regime"] for item in states.items} == {"reference", "disturbed", "recovered"}
        proof = await call(platform, "atlas_get", kind="Proof", id=run.state["certificate_id"])
        assert any("recovered" in relation.target for relation in proof.relations)
        incident = (await call(platform, "shield_threats")).incidents[0]
        assert incident.closed is not None
        actions = await call(platform, "atlas_search", kind="Action")
        assert actions.total == len(run.state["actions"])

        again = await respond(platform, story.incident_id, answer=refuse_to_be_asked)
        assert again.state == run.state, "a run that has ended is told again, not run again"

    on(alarmed, tale)
    assert heard.nodes == list(NODES)


async def refuse_to_be_asked(request: ApprovalRequest) -> ApprovalAnswer:
    raise AssertionError(f"nobody was to be asked: {request.message}")


def test_a_declined_plan_ends_the_run_and_nothing_is_done(alarmed: Path, story: Prepared) -> None:
    async def tale(platform: Platform) -> None:
        run = await respond(platform, story.incident_id, answer=decline)
        assert run.outcome == "declined"
        assert run.state["approval_reason"] == "the test disagrees"
        assert commands(platform) == []
        assert (await call(platform, "shield_threats", open_only=True)).total == 1

    on(alarmed, tale)


def test_actions_that_do_not_help_are_taken_back(alarmed: Path, story: Prepared) -> None:
    async def tale(platform: Platform) -> None:
        asked: list[str] = []

        async def once(request: ApprovalRequest) -> ApprovalAnswer:
            asked.append(request.key)
            return ApprovalAnswer(approved=len(asked) == 1)

        async def somebody_closes_the_pump_by_hand() -> None:
            # Not a fault of the plan: from now on a hand switch on site overrides whatever it orders.
            plant = platform.services.plants.find(PLANT)
            await platform.run(plant.apply, Command("by-hand", "force_pump", "pump-335", "closed"))

        heard = Listener("act:", somebody_closes_the_pump_by_hand)
        run = await respond(platform, story.incident_id, answer=once, progress=heard)
        assert run.outcome == "reverted", heard.messages
        assert not run.state["recovered"]
        assert "certificate_id" not in run.state
        assert len(asked) == len(set(asked)) == 2, "a person who declined a second plan is not asked again"
        (carried_out,) = run.state["plan_ids"]
        plan = platform.services.shield.plan(carried_out.partition(".")[0])
        reversible = {action.verb for action in plan.plan.actions if action.reversible}
        assert not reversible & set(commands(platform))
        assert heard.messages[-1].startswith("revert:")
        assert (await call(platform, "economy_read")).supply == "0.000000"

    on(alarmed, tale)


def test_a_plan_that_is_not_enough_is_thought_over_and_the_person_asked_again(
    alarmed: Path, story: Prepared
) -> None:
    async def tale(platform: Platform) -> None:
        asked: list[str] = []

        async def note(request: ApprovalRequest) -> ApprovalAnswer:
            asked.append(request.key)
            return ApprovalAnswer(approved=True)

        async def somebody_closes_the_pump_by_hand() -> None:
            plant = platform.services.plants.find(PLANT)
            await platform.run(plant.apply, Command("by-hand", "force_pump", "pump-335", "closed"))

        heard = Listener("act:", somebody_closes_the_pump_by_hand)
        run = await respond(platform, story.incident_id, answer=note, progress=heard)
        assert any("thinking again" in message for message in heard.messages), heard.messages
        assert len(asked) == len(set(asked)) >= 2
        assert len(run.state["plan_ids"]) == len(set(run.state["plan_ids"])) >= 2

    on(alarmed, tale)


def test_autonomous_mode_asks_where_its_record_is_too_short_and_offers_what_can_be_undone(
    alarmed: Path, story: Prepared
) -> None:
    async def tale(platform: Platform) -> None:
        asked: list[str] = []

        async def note(request: ApprovalRequest) -> ApprovalAnswer:
            asked.append(request.message)
            return ApprovalAnswer(approved=False)

        run = await respond(platform, story.incident_id, answer=note, mode="autonomous")
        assert not run.state["irreversible"]
        assert len(asked) == 1
        assert "CANNOT be undone" not in asked[0]
        assert "of 30 expectations" in run.state["record"]
        assert run.outcome == "declined"
        assert commands(platform) == []

    on(alarmed, tale)


def test_a_caller_that_cannot_ask_leaves_the_run_waiting_and_nothing_done(
    alarmed: Path, story: Prepared
) -> None:
    async def first(platform: Platform) -> None:
        with pytest.raises(ApprovalUnavailableError, match="a person has to approve"):
            await call(platform, "agent_run", incident_id=story.incident_id, thread_id="t")
        assert commands(platform) == []

    async def second(platform: Platform) -> None:
        (run,) = (await call(platform, "agent_state")).runs
        assert (run.status, run.next_node) == ("waiting", "approve")
        done: Any = await invoke(
            platform, "agent_resume", {"thread_id": "t"}, principal=LOCAL_OPERATOR, approve=decline
        )
        assert done.outcome == "declined"

    on(alarmed, first)
    on(alarmed, second)


def test_a_plan_that_expires_before_the_answer_ends_the_run_with_nothing_done(
    alarmed: Path, story: Prepared
) -> None:
    import time

    from industriverse.mcp_server.composition import compose
    from industriverse.operations.home import Home

    shift = [0]
    with Home(alarmed) as home, compose(home, clock=lambda: time.time_ns() + shift[0]) as platform:

        async def long_lunch(request: ApprovalRequest) -> ApprovalAnswer:
            shift[0] = 2 * 3600 * 10**9
            return ApprovalAnswer(approved=True)

        run = asyncio.run(respond(platform, story.incident_id, answer=long_lunch))
        assert run.outcome == "not_done"
        assert "expired" in run.state["act_refusal"]
        assert commands(platform) == []


def test_a_stream_without_actuators_ends_without_action(tmp_path: Path) -> None:
    async def tale(platform: Platform) -> None:
        await platform.run(lambda: platform.services.streams.ingest("s", wandering(1000, fault_from=900)))
        await call(platform, "signal_compile", stream="s", clean_rows=700)
        incident = (await call(platform, "shield_threats")).incidents[0]
        heard = Listener()
        run = await respond(platform, incident.id, answer=refuse_to_be_asked, progress=heard)
        assert run.outcome == "no_action"
        assert "no actuators" in heard.messages[-1]
        assert (
            any(message.startswith("forecast: none") for message in heard.messages) or run.state["forecast"]
        )

    on(tmp_path / "home", tale)


def test_an_unknown_incident_starts_no_run(alarmed: Path) -> None:
    async def tale(platform: Platform) -> None:
        with pytest.raises(NotFoundError, match="no incident"):
            await respond(platform, "nonsense")
        assert (await call(platform, "agent_state")).runs == []
        for name in ("agent_state", "agent_resume"):
            with pytest.raises(NotFoundError, match="no run 'x'"):
                await call(platform, name, thread_id="x")

    on(alarmed, tale)


def test_a_thread_is_not_taken_over_by_another_incident_or_mode(alarmed: Path, story: Prepared) -> None:
    async def tale(platform: Platform) -> None:
        await respond(platform, story.incident_id, answer=decline)
        with pytest.raises(GraphError, match="in supervised mode"):
            await respond(platform, story.incident_id, mode="autonomous")

    on(alarmed, tale)


def test_two_calls_do_not_drive_one_run(alarmed: Path, story: Prepared) -> None:
    async def tale(platform: Platform) -> None:
        async def meanwhile() -> None:
            with pytest.raises(GraphError, match="is going on"):
                await call(platform, "agent_resume", thread_id="t")

        heard = Listener("assess", meanwhile)
        run = await respond(platform, story.incident_id, answer=decline, progress=heard)
        assert run.outcome == "declined"

    on(alarmed, tale)
