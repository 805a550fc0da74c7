"""One simulated plant, learned, attacked and planned for once a test session; every test works on a copy."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from industriverse.mcp_server.composition import compose
from industriverse.operations.context import LOCAL_OPERATOR, ApprovalAnswer, ApprovalRequest, Principal
from industriverse.operations.home import Home
from industriverse.operations.platform import Platform
from industriverse.operations.policy import invoke
from industriverse.operations.services import Services
from industriverse.shield.plan import Action, Plan, RolloutOutcome, plan_id_of
from industriverse.shield.responder import Responder
from industriverse.shield.signing import PlanSigner
from industriverse.signals import NANOSECONDS_PER_SECOND

T = TypeVar("T")

Answer = Callable[[ApprovalRequest], Coroutine[Any, Any, ApprovalAnswer]]
"""How a person is asked and answers."""

PLANT = "practice"

NODES = (
    "sense",
    "assess",
    "forecast",
    "reflect",
    "plan",
    "approve",
    "act",
    "verify",
    "review",
    "prove",
    "record",
)
"""What a response to the prepared attack goes through, in this order, when a person agrees."""
CLEAN_HOURS = 24.0 * 30
"""Thirty simulated days: enough for a proof window of a day, and learned in seconds."""
ATTACK = {"start_hour": CLEAN_HOURS + 33.0, "wait_below_m": 5.2}


@dataclass(frozen=True, slots=True)
class Prepared:
    """Folders of one story, each a moment of it, and the names that came up.

    Attributes:
        learned: After 30 clean days, with a reference; the intruder has not come yet.
        alarmed: After the first ticket, with one open incident.
        planned: With a signed plan for the local operator, which holds an irreversible action.
        incident_id: The incident.
        plan_id: The signed plan.
        alarm_hours: Simulated hours at the ticket.
    """

    learned: Path
    alarmed: Path
    planned: Path
    incident_id: str
    plan_id: str
    alarm_hours: float


@contextlib.contextmanager
def opened(folder: Path, *, read_only: bool = False) -> Iterator[Platform]:
    """A platform on a home folder, closed afterwards."""
    with Home(folder) as home, compose(home, read_only=read_only) as platform:
        yield platform


def copied(folder: Path, target: Path) -> Path:
    """A copy of a home that a test may change."""
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("owner.lock"))
    return target


async def call(platform: Platform, name: str, *, caller: Principal = LOCAL_OPERATOR, **arguments: Any) -> Any:
    """Call an operation as the local operator, through the policy layer."""
    return await invoke(platform, name, arguments, principal=caller)


def on(folder: Path, story: Callable[[Platform], Coroutine[Any, Any, T]], *, read_only: bool = False) -> T:
    """Run an async story on a home folder in a loop of its own."""
    with opened(folder, read_only=read_only) as platform:
        return asyncio.run(story(platform))


async def approve(request: ApprovalRequest) -> ApprovalAnswer:
    """A person who says yes."""
    return ApprovalAnswer(approved=True, reason="the test agrees")


async def decline(request: ApprovalRequest) -> ApprovalAnswer:
    """A person who says no."""
    return ApprovalAnswer(approved=False, reason="the test disagrees")


async def _learn(platform: Platform) -> None:
    create = {"seed": 7, "attack": ATTACK}
    await call(platform, "sim_run", plant_id=PLANT, until_hours=CLEAN_HOURS, create=create)
    await call(platform, "signal_compile", stream=PLANT, budget_per_day=0.05)


async def _wait_for_the_alarm(platform: Platform) -> tuple[str, float]:
    until = CLEAN_HOURS + 24 * 6
    run = await call(platform, "sim_run", plant_id=PLANT, until_hours=until, stop_on_ticket=True)
    threats = await call(platform, "shield_threats")
    return threats.incidents[0].id, run.hours


@cache
def prepared() -> Prepared:
    """The story up to the plan, told once a session."""
    folder = Path(tempfile.mkdtemp(prefix="industriverse-tests-"))
    work = folder / "work"
    on(work, _learn)
    learned = copied(work, folder / "learned")
    incident_id, hours = on(work, _wait_for_the_alarm)
    alarmed = copied(work, folder / "alarmed")

    async def propose(platform: Platform) -> str:
        return await platform.run(_propose, platform.services, incident_id)

    return Prepared(learned, alarmed, work, incident_id, on(work, propose), hours)


def _propose(services: Services, incident_id: str) -> str:
    """A plan by hand, so that no test depends on the planner's choice: one step can be undone, one cannot."""
    now_ns = services.clock()
    expected = RolloutOutcome(1.0, 0.0, "m3")
    draft = Plan(
        id="",
        incident=incident_id,
        principal=LOCAL_OPERATOR.name,
        actions=(
            Action("1", "switch_sensor_link", "tank-1", None, "tank-1", -1.0, 0.0, True, 2.0, "radio again"),
            Action("2", "isolate_controller", "plc-1", None, "plc-1", -9.0, 0.0, False, 5.0, "on site"),
        ),
        created_ns=now_ns,
        expires_ns=now_ns + 3600 * NANOSECONDS_PER_SECOND,
        do_nothing=expected,
        expected=expected,
        rationale="made by hand",
    )
    signer = PlanSigner(services.home.secret(), services.clock)
    return Responder(services.shield, signer, services.clock).propose(replace(draft, id=plan_id_of(draft)))
