"""The nodes of the threat-response graph; each calls tools and writes what it learned.

A node may run again after a crash, so every call that changes something is idempotent: plants advance *until*
an hour, actions carry the plan's id, certificates and mints are unique by their evidence.
"""

from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from industriverse.graphs.errors import ToolCallError
from industriverse.graphs.state import ResponseContext, ResponseState

__all__ = ["act", "approve", "assess", "forecast", "plan", "prove", "record", "revert", "sense", "verify"]

VERIFY_STEP_HOURS = 1.0
"""How long is waited between two looks at the stream."""

VERIFY_LIMIT_HOURS = 72.0
"""A plant that is not back by then is taken to be no better off, and the actions are reverted."""

RECOVERED_AFTER_LOOKS = 24
"""Consecutive calm looks that count as recovery: a whole day, because a wrong action can look right for hours."""

RELAPSE_AFTER_LOOKS = 6
"""Calm looks after which a new alarm is a relapse, not the tail of the old one."""

FORECAST_HOURS = 6.0

PROOF_ATTEMPTS = 3
"""Windows tried for a certificate; a refusal by chance is expected once in 1/alpha windows."""


def _tell(runtime: Runtime[ResponseContext], message: str) -> None:
    runtime.stream_writer({"message": message})


async def sense(state: ResponseState, runtime: Runtime[ResponseContext]) -> ResponseState:
    """Read the incident and the present state of its stream."""
    threats = await runtime.context.call_tool("shield_threats", {"incident_id": state["incident_id"]})
    incident = threats["incidents"][0]
    regime = await runtime.context.call_tool("eil_regime", {"stream": incident["stream"]})
    _tell(runtime, f"sense: {incident['stream']} is {regime['free_energy_kt']:.1f} kT above equilibrium")
    return {
        "stream": incident["stream"],
        "plant_id": regime["plant_id"] or "",
        "plant_hours": regime["plant_hours"] or 0.0,
        "free_energy_before": regime["free_energy_kt"],
    }


async def assess(state: ResponseState, runtime: Runtime[ResponseContext]) -> ResponseState:
    """Ask why."""
    explained = await runtime.context.call_tool("shield_explain", {"incident_id": state["incident_id"]})
    _tell(runtime, f"assess: {explained['cause']}")
    return {"explanation": explained["text"]}


async def forecast(state: ResponseState, runtime: Runtime[ResponseContext]) -> ResponseState:
    """Ask where the stream goes if nothing is done."""
    try:
        predicted = await runtime.context.call_tool(
            "nvp_forecast", {"stream": state["stream"], "horizon_hours": FORECAST_HOURS}
        )
    except ToolCallError as refused:
        # A forecast is advice; a response must not wait for one that cannot be made.
        _tell(runtime, f"forecast: none ({refused.message})")
        return {"forecast": f"none: {refused.message}"}
    _tell(runtime, f"forecast: {predicted['summary']}")
    return {"forecast": predicted["summary"]}


async def plan(
    state: ResponseState, runtime: Runtime[ResponseContext]
) -> Command[Literal["approve", "__end__"]]:
    """Ask for the plan that brings the most free energy back at the least cost."""
    if not state["plant_id"]:
        _tell(runtime, f"plan: {state['stream']} has no actuators that this platform can reach")
        return Command(goto="__end__", update={"plan_id": "", "outcome": "no_action"})
    proposed = await runtime.context.call_tool("shield_plan", {"incident_id": state["incident_id"]})
    if not proposed["actions"]:
        _tell(runtime, f"plan: no action helps ({proposed['rationale']})")
        return Command(goto="__end__", update={"plan_id": "", "outcome": "no_action"})
    _tell(runtime, f"plan: {len(proposed['actions'])} actions")
    return Command(
        goto="approve",
        update={
            "plan_id": proposed["plan_id"],
            "plan_text": proposed["text"],
            "irreversible": proposed["irreversible"],
        },
    )


def approve(state: ResponseState, runtime: Runtime[ResponseContext]) -> Command[Literal["act", "__end__"]]:
    """Wait for a person, unless the run is autonomous and everything can be undone."""
    if state["mode"] == "autonomous" and not state["irreversible"]:
        return Command(goto="act", update={"approved": True, "approval_reason": "reversible and autonomous"})
    answer: dict[str, Any] = interrupt({"plan_id": state["plan_id"], "question": state["plan_text"]})
    approved = bool(answer["approved"])
    _tell(runtime, f"approve: {'approved' if approved else 'declined'}")
    update: ResponseState = {"approved": approved, "approval_reason": str(answer["reason"])}
    if approved:
        return Command(goto="act", update=update)
    return Command(goto="__end__", update={**update, "outcome": "declined"})


async def act(
    state: ResponseState, runtime: Runtime[ResponseContext]
) -> Command[Literal["verify", "revert"]]:
    """Carry the plan out; what a plan that failed or expired has done so far is taken back."""
    try:
        done = await runtime.context.call_tool("shield_act", {"plan_id": state["plan_id"]})
    except ToolCallError as refused:
        _tell(runtime, f"act: {refused.message}")
        return Command(goto="revert", update={"actions": [], "act_refusal": refused.message})
    for action in done["actions"]:
        _tell(runtime, f"act: {action}")
    return Command(goto="verify", update={"actions": done["actions"], "act_refusal": ""})


async def _look(state: ResponseState, runtime: Runtime[ResponseContext], hours: float) -> dict[str, Any]:
    """The stream's reading ``hours`` after the response began, the same one however often it is asked for."""
    advanced = await runtime.context.call_tool(
        "sim_run", {"plant_id": state["plant_id"], "until_hours": state["plant_hours"] + hours}
    )
    return await runtime.context.call_tool("eil_regime", {"stream": state["stream"], "at": advanced["time"]})


async def verify(
    state: ResponseState, runtime: Runtime[ResponseContext]
) -> Command[Literal["prove", "revert"]]:
    """Watch whether free energy comes back, and stays for a day."""
    looks, calm = 0, 0
    regime: dict[str, Any] = {}
    while looks * VERIFY_STEP_HOURS < VERIFY_LIMIT_HOURS and calm < RECOVERED_AFTER_LOOKS:
        looks += 1
        regime = await _look(state, runtime, looks * VERIFY_STEP_HOURS)
        back = not regime["alarm"] and regime["free_energy_kt"] <= regime["free_energy_limit_kt"]
        if regime["alarm"] and calm >= RELAPSE_AFTER_LOOKS:
            break
        calm = calm + 1 if back else 0
    recovered = calm >= RECOVERED_AFTER_LOOKS
    hours = (looks - calm + 1 if recovered else looks) * VERIFY_STEP_HOURS
    outcome = f"back in equilibrium after {hours:.0f} h" if recovered else f"not back after {hours:.0f} h"
    _tell(runtime, f"verify: {outcome}, free-energy excess {regime['free_energy_kt']:.1f} kT")
    return Command(
        goto="prove" if recovered else "revert",
        update={
            "recovered": recovered,
            "recovered_after_hours": hours,
            "free_energy_after": regime["free_energy_kt"],
        },
    )


async def revert(state: ResponseState, runtime: Runtime[ResponseContext]) -> ResponseState:
    """Take back what did not help."""
    try:
        undone = await runtime.context.call_tool("shield_revert", {"plan_id": state["plan_id"]})
    except ToolCallError as refused:
        if not state["act_refusal"]:
            raise
        # Nothing of a plan that was refused has been done, so there is nothing to take back.
        _tell(runtime, f"revert: {refused.message}")
        return {"reverted": False, "outcome": "not_done"}
    _tell(runtime, f"revert: {undone['text']}")
    return {"reverted": True, "outcome": "reverted"}


async def prove(state: ResponseState, runtime: Runtime[ResponseContext]) -> ResponseState:
    """Ask for a certificate of a whole window after recovery."""
    refusal = ""
    hours = state["recovered_after_hours"]
    for _ in range(PROOF_ATTEMPTS):
        hours += (await _look(state, runtime, hours))["proof_window_hours"]
        at = (await _look(state, runtime, hours))["time"]
        try:
            proof = await runtime.context.call_tool("eil_prove", {"stream": state["stream"], "at": at})
        except ToolCallError as refused:
            refusal = refused.message
            _tell(runtime, f"prove: {refusal}")
            continue
        _tell(runtime, f"prove: certificate {proof['certificate_id'][:12]} issued")
        return {
            "certificate_id": proof["certificate_id"],
            "certificate_file": proof["certificate_file"],
            "evidence_file": proof["evidence_file"],
            "public_key_file": proof["public_key_file"],
            "proof_refusal": "",
        }
    return {"certificate_id": "", "proof_refusal": refusal}


async def _minted(certificate_id: str, runtime: Runtime[ResponseContext]) -> str:
    """Mint, unless an attempt that was cut off has done so: evidence mints once, and says so by an error."""
    known = await runtime.context.call_tool("economy_read", {"certificate_id": certificate_id})
    if float(known["minted_for_certificate"]) > 0:
        return str(known["minted_for_certificate"])
    minted = await runtime.context.call_tool("economy_mint", {"certificate_id": certificate_id})
    return str(minted["amount_pft"])


async def record(state: ResponseState, runtime: Runtime[ResponseContext]) -> ResponseState:
    """Mint PFT for the certificate and write the recovery into the Atlas."""
    recorded = await runtime.context.call_tool(
        "atlas_record", {"stream": state["stream"], "incident_id": state["incident_id"]}
    )
    update: ResponseState = {"state_ids": recorded["state_ids"], "outcome": "unproved", "minted_pft": ""}
    if state["certificate_id"]:
        update["outcome"] = "recovered"
        update["minted_pft"] = await _minted(state["certificate_id"], runtime)
        _tell(
            runtime, f"record: {update['minted_pft']} PFT minted, {len(recorded['state_ids'])} energy states"
        )
    return update
