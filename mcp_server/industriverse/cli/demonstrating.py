"""``industriverse demo``: run the demonstration and show what it saw."""

import asyncio
import json
import math
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from industriverse.agents.demonstration.client import Demonstration
from industriverse.agents.demonstration.outcome import Outcome
from industriverse.agents.demonstration.scenario import HOURS_PER_DAY, Scenario
from industriverse.cli.runs import open_run
from industriverse.operations.home import default_home

__all__ = ["run_demo"]

BARS = "▁▂▃▄▅▆▇█"
CURVE_WIDTH = 72
LABEL_WIDTH = 9
RESPONSE_STEPS = (
    "sense",
    "assess",
    "forecast",
    "plan",
    "approve",
    "act",
    "verify",
    "revert",
    "prove",
    "record",
)
FINISHED_AS_EXPECTED, FINISHED_OTHERWISE = 0, 1


def _sparkline(outcome: Outcome) -> str:
    """The energy curve on a logarithmic scale; stretches in alarm are red."""
    points = outcome.curve[:: max(1, math.ceil(len(outcome.curve) / CURVE_WIDTH))]
    if not points:
        return ""
    heights = [math.log1p(max(0.0, energy)) for _, energy, _ in points]
    top = max(*heights, 1e-9)
    marks = []
    for height, (_, _, alarm) in zip(heights, points, strict=True):
        bar = BARS[min(len(BARS) - 1, int(height / top * len(BARS)))]
        marks.append(f"[red]{bar}[/red]" if alarm else f"[green]{bar}[/green]")
    return "".join(marks)


def _line(console: Console, label: str, text: str) -> None:
    first, *rest = text.splitlines() or [""]
    console.print(f"[bold]{label:>{LABEL_WIDTH}}[/bold]  {escape(first)}", highlight=False, soft_wrap=True)
    for line in rest:
        console.print(f"{'':>{LABEL_WIDTH}}  {escape(line)}", highlight=False, soft_wrap=True)


def _timeline(outcome: Outcome) -> list[tuple[float, str]]:
    """What happened when, in simulated hours."""
    events = []
    if outcome.attack_hour is not None:
        events.append((outcome.attack_hour, "the intruder strikes (only the simulation knows)"))
    if outcome.ticket_hours:
        events.append((outcome.ticket_hours[0], "first ticket"))
    for response in outcome.responses:
        began = float(response["plant_hours"])
        if not response.get("actions"):
            events.append((began, f"answered an incident with no action ({response['outcome']})"))
            continue
        events.append((began, f"done: {', '.join(response['actions'])}"))
        word = "back in equilibrium" if response["recovered"] else "disturbed again; what could be undone was"
        events.append((began + float(response["recovered_after_hours"]), word))
    return sorted(events, key=lambda event: event[0])


def _share(part: float, whole: float) -> str:
    return f"{part:,.0f} m3 ({100.0 * part / whole:.1f} % of demand)" if whole > 0 else f"{part:,.0f} m3"


def _show_progress(console: Console, status: Status, message: str) -> None:
    """Steps of the response graph are part of the story; everything else only keeps the reader company."""
    label, colon, text = message.partition(": ")
    if colon and label in RESPONSE_STEPS:
        _line(console, label, text)
    else:
        status.update(escape(message))


def _report(console: Console, scenario: Scenario, outcome: Outcome) -> None:
    console.rule("what was seen")
    start, end = scenario.clean_days * HOURS_PER_DAY, outcome.last_hour
    _line(console, "energy", f"free-energy excess, log scale, hour {start:.0f} to {end:.0f} (red: in alarm)")
    console.print(f"{'':>{LABEL_WIDTH}}  {_sparkline(outcome)}", highlight=False, soft_wrap=True)
    if outcome.curve:
        peak = max(outcome.curve, key=lambda point: point[1])
        _line(
            console,
            "",
            f"peak {peak[1]:,.0f} kT at hour {peak[0]:.1f}, at the end {outcome.curve[-1][1]:.1f} kT",
        )
    for position, (hour, event) in enumerate(_timeline(outcome)):
        _line(console, "" if position else "timeline", f"hour {hour:8.2f}  {event}")
    detected = outcome.hours_to_detect
    tickets = f"{len(outcome.ticket_hours)} tickets"
    if detected is not None:
        tickets += f", the first {detected * 60:.0f} min after the attack"
    if outcome.ticket_before_attack:
        tickets += "; a false one came first (the budget allows one a month)"
    _line(console, "tickets", tickets)
    since = end - start
    demand = outcome.requested_m3 * since / end
    _line(console, "service", f"lost {_share(outcome.lost_m3, demand)} in the last {since:.0f} h")
    if outcome.unattended_lost_m3 is not None:
        _line(
            console,
            "",
            f"lost {_share(outcome.unattended_lost_m3, demand)} by the same plant without response",
        )
    for state in outcome.atlas_states:
        _line(console, "atlas", state)
    if outcome.certificate_file:
        _line(console, "verify", outcome.verified)
        _line(console, "tampered", outcome.tampered_refusal)
        _line(console, "ledger", f"{outcome.balance_pft} PFT; a second mint: {outcome.second_mint_refusal}")


def _artefacts(console: Console, folder: Path, outcome: Outcome) -> None:
    _line(console, "files", f"run          {folder}")
    _line(console, "", f"outcome      {folder / 'outcome.json'}")
    if outcome.certificate_file:
        _line(console, "", f"certificate  {outcome.certificate_file}")
        _line(console, "", f"public key   {outcome.public_key_file}")
        _line(console, "", f"evidence     {outcome.evidence_file}")


def _as_expected(scenario: Scenario, outcome: Outcome) -> bool:
    """Whether the platform did its job; nothing in the run is steered towards it."""
    if not scenario.attacked:
        return not outcome.ticket_hours
    if outcome.hours_to_detect is None:
        return False
    if not scenario.respond or not scenario.approve:
        return True
    return (
        any(response["outcome"] == "recovered" for response in outcome.responses)
        and outcome.verified.startswith("VALID")
        and not outcome.tampered_refusal.startswith("VALID")
    )


def run_demo(
    home: Path | None,
    *,
    no_attack: bool,
    no_response: bool,
    decline: bool,
    seed: int,
    as_json: bool,
) -> int:
    """Run the demonstration; returns the exit code: 0 if the platform did its job, 1 if not."""
    console = Console(stderr=as_json)
    scenario = Scenario(seed=seed, attacked=not no_attack, respond=not no_response, approve=not decline)
    folder, resumed = open_run((home or default_home()) / "demo", scenario.to_json())
    console.rule("Industriverse demonstration")
    console.print(
        "The water network is a SIMULATION (EPANET Net3, stepped hydraulically). Detector, plan, proof, ledger and "
        "Atlas are the product; nothing is scripted to succeed.",
        highlight=False,
    )
    _line(console, "state", f"{folder}{' (an interrupted run goes on)' if resumed else ''}")
    with console.status("starting", spinner="line") as status:
        demonstration = Demonstration(
            scenario,
            folder / "home",
            say=lambda label, text: _line(console, label, text),
            progress=lambda message: _show_progress(console, status, message),
            decide=lambda question: scenario.approve,  # noqa: ARG005
        )
        outcome = asyncio.run(demonstration.run())
    _report(console, scenario, outcome)
    (folder / "outcome.json").write_text(json.dumps(outcome.to_json(), indent=1))
    _artefacts(console, folder, outcome)
    good = _as_expected(scenario, outcome)
    _line(
        console,
        "result",
        "the platform did its job" if good else "the platform did NOT do its job in this run",
    )
    if as_json:
        print(json.dumps(outcome.to_json()))
    return FINISHED_AS_EXPECTED if good else FINISHED_OTHERWISE
