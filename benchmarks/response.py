"""Closed-loop evaluation of the response: three simulated plants, attacks and clean runs, five policies.

    python benchmarks/response.py [--quick] [--seeds 4711,4712,4713] [--plants water,grid,hosts] [--attacks TEXT]
        [--rows FILE] [--homes FOLDER] [--json FILE] [--page FILE]

Every run is written to the file of rows when it ends; a benchmark that was cut off goes on after its last row.

The plants are simulators: the EPANET network Net3 in closed loop (wntr), the IEEE 30-bus system under AC power flow
(lightsim2grid), and a host cluster of our own. The kinds of attack are written down in
``response_scenarios.py``; hour, targets and amounts are drawn from the seed. A policy sees telemetry and gives
commands, never the specification.

Policies: ``none``; ``static``, ``repeated`` and ``limits`` (``response_policies.py``: a practitioner's playbook on our
tickets, once or for as long as our alarm lasts, or on limit alarms); ``ours``: the platform in process, in autonomous
mode - samples into the stream, ticket, incident, response graph through the in-process MCP client, actuators. Nobody
answers when it asks, so what needs a person is not done.

The planner's model shares the equations of the plant, not its parameters or noise: nominal demand; in the grid
reactances wrong by 3 % and ratings by 5 %, in the cluster rates of encryption and spread wrong by up to 60 %.

Outcomes over the watched hours after each attack's start, the same for every policy: service lost (demand not met, plus
water spilled; requests not answered, plus those that encrypted hosts will not answer while they are rebuilt), hours
until service was whole again for good, commands given on clean runs, irreversible commands in force without approval,
and seconds from ticket to action.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.response_policies import PLAYBOOKS, LimitAlarms, Playbook, leading_channels
from benchmarks.response_scenarios import COURSES, Course, Scenario, scenarios_of, spec_of

from industriverse.mcp_server.composition import compose
from industriverse.operations.context import LOCAL_OPERATOR, ApprovalAnswer, ApprovalRequest
from industriverse.operations.home import Home
from industriverse.operations.platform import Platform
from industriverse.operations.policy import invoke
from industriverse.simulation.journaled_plant import JournaledPlant

PLANT = "plant"
LEARNED = "learned"
"""A file in a home that was learned to the end."""

SEEDS = (4711, 4712, 4713)
"""Of plants: each attack is run on one of them, clean days on all. The first also draws the attacks."""

BUDGET_PER_DAY = 0.05
POLICIES = ("none", "static", "repeated", "limits", "ours")
WHOLE_SHARE = 0.005
"""Service counts as whole in a step that loses at most this share of what is asked for."""

TARGET = 0.5
"""Ours is to lose at most this share of what the better playbook loses, at no more false actions."""

MOST_RUNS = 6
"""Responses begun in one run of a plant; a ticket storm must not keep the benchmark busy for ever."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one run.

    Attributes:
        plant: Kind of plant.
        policy: Who responded.
        name: The attack, ``clean`` for none.
        seed: Seed of the plant.
        lost: Service lost in the watched hours.
        requested: Service asked for in them.
        unit: Unit of both.
        recovery_hours: Hours after the attack's start until service was whole for good; the whole run if never.
        actions: Commands given.
        irreversible: Irreversible commands in force that nobody approved.
        decisions_s: Wall seconds from ticket to action, for each plan of ours carried out.
        decisions_cpu_s: The same in CPU seconds of the process.
        outcomes: How each response of ours ended.
        done: What was done.
    """

    plant: str
    policy: str
    name: str
    seed: int
    lost: float
    requested: float
    unit: str
    recovery_hours: float
    actions: int
    irreversible: int
    decisions_s: tuple[float, ...] = ()
    decisions_cpu_s: tuple[float, ...] = ()
    outcomes: tuple[str, ...] = ()
    done: tuple[str, ...] = ()


def learn(course: Course, seed: int, folder: Path) -> None:
    """A home with the clean part of a plant in its stream, the reference learned from it, and calm days watched."""
    with Home(folder) as home, compose(home) as platform:
        services = platform.services
        plant = services.plants.create(PLANT, spec_of(course, seed, None))
        services.streams.ingest(PLANT, plant.advance(course.steps(course.clean_hours)))
        services.streams.learn(PLANT, None, BUDGET_PER_DAY)
        services.streams.ingest(PLANT, plant.advance(course.steps(course.calm_before_hours)))
    for path in folder.glob("plants.sqlite*"):
        path.unlink()


def run(course: Course, seed: int, scenario: Scenario | None, policy: str, learned: Path) -> Result:
    """One run of one plant under one policy, on a copy of the home that has learned it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "home"
        shutil.copytree(learned, folder, ignore=shutil.ignore_patterns("owner.lock"))
        with Home(folder) as home, compose(home) as platform:
            services = platform.services
            plant = services.plants.create(PLANT, spec_of(course, seed, scenario))
            clean = plant.advance(course.steps(course.quiet_hours)).rows(0, course.steps(course.clean_hours))
            begin = course.steps(course.quiet_hours + (scenario.hour if scenario else 0.0))
            hours = course.watched_hours if scenario else course.calm_hours
            end = begin + course.steps(hours)
            ours = Ours()
            if policy == "ours":
                asyncio.run(ours.follow(platform, plant, end))
                actions = ours.actions
            else:
                actions = follow_rules(platform, plant, course, policy, clean, end)
            return Result(
                plant=course.kind,
                policy=policy,
                name="clean" if scenario is None else scenario.name,
                seed=seed,
                lost=plant.service(begin).harm - plant.service(end).harm,
                requested=plant.service(begin).requested - plant.service(end).requested,
                unit=plant.service().unit,
                recovery_hours=recovery_hours(plant, course, begin, end),
                actions=actions,
                irreversible=irreversible_in_force(plant),
                decisions_s=tuple(ours.decisions_s),
                decisions_cpu_s=tuple(ours.decisions_cpu_s),
                outcomes=tuple(ours.outcomes),
                done=tuple(ours.done),
            )


def follow_rules(
    platform: Platform, plant: JournaledPlant, course: Course, policy: str, clean: Any, end: int
) -> int:
    """Run to the end under a playbook or nothing; returns the number of orders given."""
    if policy == "none":
        plant.advance_to(end)
        return 0
    playbook = Playbook(PLAYBOOKS[course.kind], plant, max(1, round(course.pace_s / course.interval_s)))
    streams = platform.services.streams
    limits = LimitAlarms(clean)
    while plant.step < end:
        frame = plant.advance(1)
        if policy == "limits":
            playbook.look(alarm=limits.feed(frame), leading=limits.leading)
            continue
        tickets = streams.ingest(PLANT, frame).tickets
        live = streams.watched(PLANT)
        assert live.readings is not None
        if tickets:
            playbook.answer(leading_channels(live))
        again = live if policy == "repeated" else None
        playbook.look(
            alarm=bool(live.readings.alarm[-1]),
            leading=lambda again=again: leading_channels(again) if again else [],  # type: ignore[misc]
        )
    return playbook.given


class Ours:
    """The platform in autonomous mode, with nobody at the desk.

    Attributes:
        decisions_s: Wall seconds from ticket to action.
        decisions_cpu_s: CPU seconds from ticket to action.
        outcomes: How each response ended.
        done: Actions, in words.
    """

    def __init__(self) -> None:
        self.decisions_s: list[float] = []
        self.decisions_cpu_s: list[float] = []
        self.outcomes: list[str] = []
        self.done: list[str] = []
        self._began = (0.0, 0.0)
        self._answered: set[str] = set()

    @property
    def actions(self) -> int:
        """How many commands were given."""
        return len(self.done)

    async def follow(self, platform: Platform, plant: JournaledPlant, end: int) -> None:
        """Run to the end; answer incidents as they come."""
        hours = end * plant.interval_s / 3600
        while plant.step < end:
            ran = await self._call(
                platform, "sim_run", plant_id=PLANT, until_hours=hours, stop_on_ticket=True
            )
            self._began = (time.perf_counter(), time.process_time())
            if ran.tickets and len(self.outcomes) < MOST_RUNS:
                await self._respond(platform)

    async def _respond(self, platform: Platform) -> None:
        threats = await self._call(platform, "shield_threats", stream=PLANT, open_only=True)
        for incident in threats.incidents:
            thread = f"{incident.id}-{len(incident.tickets)}"
            if thread in self._answered:
                continue
            self._answered.add(thread)
            response = await invoke(
                platform,
                "agent_run",
                {"incident_id": incident.id, "thread_id": thread, "mode": "autonomous"},
                principal=LOCAL_OPERATOR,
                approve=nobody_there,
                progress=self._progress,
            )
            self.outcomes.append(str(response.outcome))  # type: ignore[attr-defined]
            return

    async def _progress(self, *report: Any) -> None:
        message = str(report[2] or "")
        if message.startswith("act: "):
            self.done.append(message.removeprefix("act: "))
            self.decisions_s.append(time.perf_counter() - self._began[0])
            self.decisions_cpu_s.append(time.process_time() - self._began[1])
        elif message.startswith(("verify: not back", "review: ")):
            self._began = (time.perf_counter(), time.process_time())

    @staticmethod
    async def _call(platform: Platform, name: str, **arguments: Any) -> Any:
        return await invoke(platform, name, arguments, principal=LOCAL_OPERATOR)


async def nobody_there(request: ApprovalRequest) -> ApprovalAnswer:
    """A desk at which nobody sits: no approval."""
    return ApprovalAnswer(approved=False, reason=f"nobody is there to say yes to {request.key[:40]}")


def recovery_hours(plant: JournaledPlant, course: Course, begin: int, end: int) -> float:
    """Hours after the attack's start after which no step lost service any more."""
    lost = np.array([plant.service(step).lost for step in range(begin, end + 1)])
    asked = np.array([plant.service(step).requested for step in range(begin, end + 1)])
    short = np.flatnonzero(-np.diff(lost) > WHOLE_SHARE * -np.diff(asked))
    return 0.0 if not short.size else float((short[-1] + 1) * course.interval_s / 3600)


def irreversible_in_force(plant: JournaledPlant) -> int:
    """Commands in force that cannot be undone; nobody approves any in this benchmark."""
    lasting = {(spec.verb, spec.target) for spec in plant.commands() if not spec.reversible}
    return sum((command.verb, command.target) in lasting for command in plant.active_commands())


class Rows:
    """Results so far, each kept as a line of JSON as soon as it is there.

    Args:
        path: Where they are kept; nowhere if None.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path is not None and path.exists() else []
        self.results = [Result(**json.loads(line)) for line in lines]

    def add(self, result: Result) -> None:
        """Keep one more."""
        self.results.append(result)
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps(asdict(result)) + "\n")

    def hold(self, kind: str, name: str, seed: int, policy: str) -> bool:
        """Whether a run was made already."""
        return any((r.plant, r.name, r.seed, r.policy) == (kind, name, seed, policy) for r in self.results)


Case = tuple[int, Scenario | None]
"""Seed of a plant, and what is done to it; None is a clean run."""


def cases_of(course: Course, seeds: tuple[int, ...], count: int) -> list[Case]:
    """Clean days of every seed, and attacks on one seed after another."""
    scenarios = scenarios_of(course.kind, seeds[0])[:count]
    return [
        *((seed, None) for seed in seeds),
        *((seeds[i % len(seeds)], scenario) for i, scenario in enumerate(scenarios)),
    ]


def evaluate(course: Course, cases: list[Case], policies: tuple[str, ...], folder: Path, rows: Rows) -> None:
    """Every policy on every case that the rows do not hold yet."""
    for seed, scenario in cases:
        name = "clean" if scenario is None else scenario.name
        for policy in policies:
            if rows.hold(course.kind, name, seed, policy):
                continue
            home = folder / f"{course.kind}-{seed}"
            if not (home / LEARNED).exists():
                shutil.rmtree(home, ignore_errors=True)
                learn(course, seed, home)
                (home / LEARNED).touch()
            began = time.process_time()
            result = run(course, seed, scenario, policy, home)
            rows.add(result)
            print(
                f"{course.kind:6s} {result.name[:52]:52s} {policy:8s} lost {result.lost:12.1f} {result.unit}, "
                f"whole after {result.recovery_hours:5.1f} h, {result.actions} actions, "
                f"{time.process_time() - began:4.1f} s "
                f"{', '.join(result.outcomes)} {'; '.join(result.done)}",
                file=sys.stderr,
                flush=True,
            )


def summary(results: list[Result]) -> str:
    """The tables, in Markdown."""
    lines = [
        "| plant | policy | service lost | share of asked | of static's | median h until whole | actions in attacks | "
        "actions on clean runs | irreversible |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for kind in dict.fromkeys(result.plant for result in results):
        attacks = [r for r in results if r.plant == kind and r.name != "clean"]
        static = sum(r.lost for r in attacks if r.policy == "static")
        for policy in dict.fromkeys(result.policy for result in results):
            own = [r for r in attacks if r.policy == policy]
            if not own:
                continue
            clean = [r for r in results if r.plant == kind and r.name == "clean" and r.policy == policy]
            lost, asked = sum(r.lost for r in own), sum(r.requested for r in own)
            lines.append(
                f"| {kind} | {policy} | {lost:,.0f} {own[0].unit} | {lost / asked:.2%} | "
                f"{f'{lost / static:.0%}' if static > 0 else '-'} | "
                f"{np.median([r.recovery_hours for r in own]):.1f} | {sum(r.actions for r in own)} | "
                f"{sum(r.actions for r in clean)} in {len(clean)} | {sum(r.irreversible for r in [*own, *clean])} |"
            )
    wall = [s for r in results for s in r.decisions_s]
    cpu = [s for r in results for s in r.decisions_cpu_s]
    if wall:
        lines += [
            "",
            f"From ticket to action, ours, {len(wall)} actions: wall p50 {np.quantile(wall, 0.5):.1f} s, p95 "
            f"{np.quantile(wall, 0.95):.1f} s; CPU p50 {np.quantile(cpu, 0.5):.1f} s, "
            f"p95 {np.quantile(cpu, 0.95):.1f} s.",
        ]
    return "\n".join(lines)


def details(results: list[Result]) -> str:
    """Loss of every attack under every policy, in Markdown."""
    lines = [
        f"| plant | attack | {' | '.join(POLICIES)} | ours ended |",
        "|---|---|" + "---|" * (len(POLICIES) + 1),
    ]
    keys = dict.fromkeys((r.plant, r.name, r.seed) for r in results if r.name != "clean")
    for plant, name, seed in keys:
        found = {r.policy: r for r in results if (r.plant, r.name, r.seed) == (plant, name, seed)}
        losses = " | ".join(f"{found[p].lost:,.0f}" if p in found else "-" for p in POLICIES)
        ended = found["ours"].outcomes or ("no ticket",) if "ours" in found else ("-",)
        lines.append(f"| {plant} | {name} | {losses} | {', '.join(ended)} |")
    return "\n".join(lines)


def verdict(results: list[Result]) -> str:
    """Ours beside the better of the two playbooks on our tickets, plant by plant."""
    lines = []
    for kind in dict.fromkeys(result.plant for result in results):
        own = [result for result in results if result.plant == kind]
        lost = {p: sum(r.lost for r in own if r.policy == p and r.name != "clean") for p in POLICIES}
        false = {p: sum(r.actions for r in own if r.policy == p and r.name == "clean") for p in POLICIES}
        best = min(("static", "repeated"), key=lost.__getitem__)
        share = lost["ours"] / lost[best] if lost[best] > 0 else float("nan")
        kept = lost["ours"] <= TARGET * lost[best] and false["ours"] <= false[best]
        lines.append(
            f"{kind}: ours loses {share:.0%} of the {lost[best]:,.1f} {own[0].unit} of `{best}`, with {false['ours']} "
            f"false actions to {false[best]}: {'kept' if kept else 'MISSED'}."
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Closed-loop evaluation of the response on simulated plants")
    parser.add_argument("--quick", action="store_true", help="one seed, three attacks a plant")
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)), help="the first draws the attacks")
    parser.add_argument("--plants", default="water,grid,hosts")
    parser.add_argument("--attacks", default="", help="only attacks whose name holds this, and no clean run")
    parser.add_argument("--policies", default=",".join(POLICIES))
    parser.add_argument("--rows", type=Path, help="keep results here, and go on from what is there")
    parser.add_argument("--homes", type=Path, help="keep here what was learned, to go on sooner")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path, help="write the tables to a page")
    arguments = parser.parse_args()
    seeds = tuple(int(seed) for seed in arguments.seeds.split(","))
    seeds, count = (seeds[:1], 3) if arguments.quick else (seeds, 99)
    wanted = arguments.plants.split(",")
    began = time.process_time()
    rows = Rows(arguments.rows)
    policies = tuple(arguments.policies.split(","))
    with tempfile.TemporaryDirectory() as folder:
        for course in COURSES:
            if course.kind in wanted:
                cases = cases_of(course, seeds, count)
                if arguments.attacks:
                    cases = [(s, a) for s, a in cases if a is not None and arguments.attacks in a.name]
                evaluate(course, cases, policies, arguments.homes or Path(folder), rows)
    results = rows.results
    text = (
        f"{summary(results)}\n\n{details(results)}\n\n{verdict(results)}\n\n"
        f"This part of the run: {time.process_time() - began:.0f} CPU s.\n"
    )
    print(text)
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(result) for result in results], indent=1))
    if arguments.page:
        arguments.page.write_text(f"# The response against simple rules\n\n{__doc__}\n{text}")
    if sum(result.irreversible for result in results):
        sys.exit("an irreversible command is in force that nobody approved")


if __name__ == "__main__":
    main()
