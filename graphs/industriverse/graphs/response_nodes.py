"""The nodes of the threat-response graph; each calls tools and writes what it learned.

How freely a run acts is its mode; see ``state.Mode`` and ``response_limits``.

A node may run again after a crash, so every call that changes something is idempotent: plants advance *until*
an hour, actions carry the plan's id, certificates and mints are unique by their evidence.
"""

from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from industriverse.graphs.ace import build_ace_graph
from industriverse.graphs.errors import ToolCallError
from industriverse.graphs.response_limits import LIMITS, Limits, saves_enough, why_ask
from industriverse.graphs.state import AceState, GraphContext, ResponseState, TilState, tell
from industriverse.graphs.til import build_til_graph

__all__ = [
    "act",
    "approve",
    "assess",
    "forecast",
    "plan",
    "prove",
    "record",
    "reflect",
    "revert",
    "review",
    "sense",
    "verify",
]

MOST_LOOKS = 72
"""Looks at a plant, each after its own pace, after which it is asked whether the actions are worth keeping."""

RECOVERED_AFTER_LOOKS = 24
"""Consecutive calm looks that count as recovery: a whole day where the pace is an hour, because a wrong action
can look right for hours."""

REPLAN_AFTER_LOOKS = 6
"""Restless looks after which the plan is thought over: by then there is evidence that the first one lacked."""

MOST_PLANS = 3
"""Plans tried in one run with a person; after that it only watches, and reverts if the plant does not come back."""

FORECAST_PACES = 6.0
"""How far ahead is asked, in paces of the plant: six hours for a water network, half an hour for hosts."""

FORECAST_GOALS = {"accuracy": 0.5, "width": 3.0, "budget_steps": 7_000}
"""Advice beside a response: half a standard deviation is worth saying, and is not worth a second ensemble."""

PROOF_ATTEMPTS = 3
"""Windows tried for a certificate; a refusal by chance is expected once in 1/alpha windows."""


async def sense(state: ResponseState, runtime: Runtime[GraphContext]) -> ResponseState:
    """Read the incident and the present state of its stream."""
    threats = await runtime.context.call_tool("shield_threats", {"incident_id": state["incident_id"]})
    incident = threats["incidents"][0]
    regime = await runtime.context.call_tool("eil_regime", {"stream": incident["stream"]})
    tell(runtime, f"sense: {incident['stream']} is {regime['free_energy_kt']:.1f} kT above equilibrium")
    return {
        "stream": incident["stream"],
        "plant_id": regime["plant_id"] or "",
        "plant_hours": regime["plant_hours"] or 0.0,
        "pace_hours": regime["plant_pace_hours"] or 1.0,
        "free_energy_before": regime["free_energy_kt"],
        "incidents_seen": await _incidents({"stream": incident["stream"]}, runtime),
    }


async def assess(state: ResponseState, runtime: Runtime[GraphContext]) -> ResponseState:
    """Ask why."""
    explained = await runtime.context.call_tool("shield_explain", {"incident_id": state["incident_id"]})
    tell(runtime, f"assess: {explained['cause']}")
    return {"explanation": explained["text"]}


async def forecast(
    state: ResponseState, runtime: Runtime[GraphContext]
) -> Command[Literal["reflect", "plan", "__end__"]]:
    """Ask where the stream goes if nothing is done; in an emergency nobody waits for the answer."""
    if state["mode"] == "emergency":
        tell(runtime, "forecast: none in an emergency")
        return Command(goto="plan", update={"forecast": "none: emergency"})
    said = await _questioned_forecast(state, runtime)
    tell(runtime, f"forecast: {said}")
    if state["mode"] == "passive":
        return Command(goto="__end__", update={"forecast": said, "plan_id": "", "outcome": "observed"})
    return Command(goto="reflect", update={"forecast": said})


async def _questioned_forecast(state: ResponseState, runtime: Runtime[GraphContext]) -> str:
    """What ACE gives out, or why it abstains: a response must not wait for a forecast that cannot be made."""
    start: AceState = {
        "question": {"stream": state["stream"], "horizon_hours": FORECAST_PACES * state["pace_hours"]},
        "goals": FORECAST_GOALS,
        "may_infer": [],
    }
    ended = await build_ace_graph(None).ainvoke(start, context=runtime.context)
    return str(ended["forecast"]["summary"]) if ended["outcome"] == "emitted" else f"none: {ended['reason']}"


async def reflect(state: ResponseState, runtime: Runtime[GraphContext]) -> ResponseState:
    """Ask TIL where to look, whether to act, and whether its record allows acting without a person."""
    start: TilState = {
        "stream": state["stream"],
        "horizon_hours": FORECAST_PACES * state["pace_hours"],
        "options": [],
    }
    ended = await build_til_graph(None).ainvoke(start, context=runtime.context)
    record = ended.get("record") or await runtime.context.call_tool(
        "eil_reflect", {"stream": state["stream"]}
    )
    advice = ended["advice"] or f"none: {ended['reason']}"
    tell(runtime, f"reflect: TIL advises {advice}; {record['reason']}")
    return {"may_act_alone": record["may_act"], "record": record["reason"], "advice": advice}


async def plan(
    state: ResponseState, runtime: Runtime[GraphContext]
) -> Command[Literal["approve", "verify", "__end__"]]:
    """Ask for the plan that leaves the least expected free energy; alone, only what saves service is done."""
    if not state["plant_id"]:
        tell(runtime, f"plan: {state['stream']} has no actuators that this platform can reach")
        return Command(goto="__end__", update={"plan_id": "", "outcome": "no_action"})
    try:
        proposed = await _best_plan(state, runtime)
    except ToolCallError as refused:
        # A model that cannot say where the plant stands makes no plan; what was done before is still watched.
        tell(runtime, f"plan: none, {refused.message}")
        return _no_plan(state, {"plans_made": MOST_PLANS})
    update: ResponseState = {"plans_made": state.get("plans_made", 0) + 1, "plan_id": proposed["plan_id"]}
    if not proposed["actions"]:
        tell(runtime, f"plan: no action helps ({proposed['rationale']})")
        at_stake = saves_enough(proposed["do_nothing_loss"], proposed["service_requested"])
        return _no_plan(state, update, nothing_at_stake=not at_stake)
    tell(runtime, f"plan: {len(proposed['actions'])} actions")
    update["plan_text"], update["irreversible"] = proposed["text"], proposed["irreversible"]
    update["plan_actions"] = len(proposed["actions"])
    update["plan_cost"] = sum(action["cost"] for action in proposed["actions"])
    if state["mode"] == "detect":
        return Command(goto="__end__", update={**update, "outcome": "advised"})
    if state["mode"] in LIMITS:
        saved = proposed["do_nothing_loss"] - proposed["expected_loss"]
        if not saves_enough(saved, proposed["service_requested"]):
            tell(runtime, f"plan: not done alone, it saves {saved:.4g} {proposed['loss_unit']} of service")
            return _no_plan(state, update)
        if state.get("declined", False) and why_ask({**state, **update}):
            tell(runtime, f"plan: not done, {why_ask({**state, **update})}, and a person has declined before")
            return _no_plan(state, update)
    return Command(goto="approve", update=update)


def _no_plan(
    state: ResponseState, update: ResponseState, *, nothing_at_stake: bool = False
) -> Command[Literal["approve", "verify", "__end__"]]:
    """Watch on, with less and less haste, where something was done or may be done alone; else end.

    Where no loss was forecast, a thought took one rollout, and a loss may still grow from nothing: haste stays.
    """
    limits = LIMITS.get(state["mode"])
    if limits is not None:
        most = limits.patience_calm_looks if nothing_at_stake else limits.patience_most_looks
        update["patience_looks"] = min(2 * _patience(state, limits), most)
        return Command(goto="verify", update=update)
    if state.get("plan_ids"):
        return Command(goto="verify", update=update)
    return Command(goto="__end__", update={**update, "plan_id": "", "outcome": "no_action"})


def _patience(state: ResponseState, limits: Limits | None) -> int:
    """Restless looks after which a run thinks again."""
    return REPLAN_AFTER_LOOKS if limits is None else state.get("patience_looks", limits.patience_looks)


async def _best_plan(state: ResponseState, runtime: Runtime[GraphContext]) -> dict[str, Any]:
    """The best plan; while a run may still act alone, the best that can be undone, if any helps."""
    request: dict[str, Any] = {"incident_id": state["incident_id"]}
    limits = LIMITS.get(state["mode"])
    if limits is not None and (
        state.get("declined", False) or state.get("autonomous_plans", 0) < limits.plans
    ):
        alone = await runtime.context.call_tool("shield_plan", {**request, "alone": True})
        calm = not saves_enough(alone["do_nothing_loss"], alone["service_requested"])
        if alone["actions"] or calm or state.get("declined", False):
            return alone
    return await runtime.context.call_tool("shield_plan", request)


def approve(
    state: ResponseState, runtime: Runtime[GraphContext]
) -> Command[Literal["act", "verify", "__end__"]]:
    """Wait for a person, unless the run is autonomous and everything can be undone."""
    objection = why_ask(state)
    if not objection:
        alone = state.get("autonomous_plans", 0) + 1
        tell(runtime, f"approve: not asked, {state['mode']} and reversible")
        reason = f"reversible and {state['mode']}"
        return Command(
            goto="act", update={"approved": True, "approval_reason": reason, "autonomous_plans": alone}
        )
    answer: dict[str, Any] = interrupt({"plan_id": state["plan_id"], "question": state["plan_text"]})
    approved = bool(answer["approved"])
    tell(runtime, f"approve: {'approved' if approved else 'declined'}")
    update: ResponseState = {"approved": approved, "approval_reason": str(answer["reason"])}
    if approved:
        return Command(goto="act", update=update)
    if state["mode"] in LIMITS:
        # What may be done alone may still be done, and nobody is asked again.
        return Command(goto="verify", update={**update, "declined": True})
    if state.get("plan_ids"):
        # The person has seen enough plans: what was done before is watched, and nobody is asked again.
        return Command(goto="verify", update={**update, "plans_made": MOST_PLANS})
    return Command(goto="__end__", update={**update, "outcome": "declined"})


async def act(state: ResponseState, runtime: Runtime[GraphContext]) -> Command[Literal["verify", "revert"]]:
    """Carry the plan out; what a plan that failed or expired has done so far is taken back."""
    update: ResponseState = {"plan_ids": [*state.get("plan_ids", []), state["plan_id"]]}
    try:
        done = await runtime.context.call_tool("shield_act", {"plan_id": state["plan_id"]})
    except ToolCallError as refused:
        tell(runtime, f"act: {refused.message}")
        update["actions"], update["act_refusal"] = state.get("actions", []), refused.message
        return Command(goto="revert", update=update)
    for action in done["actions"]:
        tell(runtime, f"act: {action}")
    update["actions"], update["act_refusal"] = [*state.get("actions", []), *done["actions"]], ""
    limits = LIMITS.get(state["mode"])
    if limits is not None:
        update["patience_looks"] = limits.patience_looks
    return Command(goto="verify", update=update)


async def _look(state: ResponseState, runtime: Runtime[GraphContext], hours: float) -> dict[str, Any]:
    """The stream's reading ``hours`` after the response began, the same one however often it is asked for."""
    advanced = await runtime.context.call_tool(
        "sim_run", {"plant_id": state["plant_id"], "until_hours": state["plant_hours"] + hours}
    )
    return await runtime.context.call_tool("eil_regime", {"stream": state["stream"], "at": advanced["time"]})


async def verify(
    state: ResponseState, runtime: Runtime[GraphContext]
) -> Command[Literal["review", "prove", "__end__"]]:
    """Watch whether free energy comes back, and stays; think again if it does not, or on a new incident."""
    hours, pace = state.get("watched_hours", 0.0), state["pace_hours"]
    limits = LIMITS.get(state["mode"])
    patience, most = _patience(state, limits), MOST_LOOKS if limits is None else limits.looks
    may_think_again = state["plans_made"] < (MOST_PLANS if limits is None else limits.thoughts)
    known = state.get("incidents_seen", 0)
    calm = restless = 0
    regime: dict[str, Any] = {}
    while hours < (most - 0.5) * pace and calm < RECOVERED_AFTER_LOOKS:
        hours += pace
        regime = await _look(state, runtime, hours)
        back = not regime["alarm"] and regime["free_energy_kt"] <= regime["free_energy_limit_kt"]
        relapsed = regime["alarm"] and calm >= REPLAN_AFTER_LOOKS
        calm, restless = (calm + 1, 0) if back else (0, restless + 1)
        seen = known if back or limits is None else await _incidents(state, runtime)
        if may_think_again and (relapsed or restless >= patience or seen > known):
            why = "a new incident" if seen > known else "not back"
            tell(runtime, f"verify: {why} after {hours:.3g} h; thinking again with what was seen since")
            update: ResponseState = {"watched_hours": hours, "watch_ended": False, "incidents_seen": seen}
            if seen > known and limits is not None:
                update["patience_looks"] = limits.patience_looks
            return Command(goto="review", update=update)
    recovered = calm >= RECOVERED_AFTER_LOOKS
    after = hours - (calm - 1) * pace if recovered else hours
    outcome = f"back in equilibrium after {after:.3g} h" if recovered else f"not back after {after:.3g} h"
    excess = f", free-energy excess {regime['free_energy_kt']:.1f} kT" if regime else ""
    tell(runtime, f"verify: {outcome}{excess}")
    ended: ResponseState = {"watched_hours": hours, "recovered": recovered, "recovered_after_hours": after}
    if regime:
        ended["free_energy_after"] = regime["free_energy_kt"]
    if not state.get("plan_ids"):
        # Nothing was done, so nothing is to be kept, taken back or proved.
        ended["outcome"] = "declined" if state.get("declined", False) else "no_action"
        return Command(goto="__end__", update=ended)
    return Command(goto="prove" if recovered else "review", update={**ended, "watch_ended": True})


async def _incidents(state: ResponseState, runtime: Runtime[GraphContext]) -> int:
    """How many incidents of the stream are open: one for each group of assets that tickets implicate."""
    threats = await runtime.context.call_tool(
        "shield_threats", {"stream": state["stream"], "open_only": True}
    )
    return len(threats["incidents"])


async def review(
    state: ResponseState, runtime: Runtime[GraphContext]
) -> Command[Literal["plan", "revert", "__end__"]]:
    """Take back plans that make things worse by what is known since, and keep those that hold the harm down."""
    kept: list[str] = []
    helped = False
    done = state.get("plan_ids", [])
    for plan_id in done:
        verdict = await _verdict(plan_id, runtime)
        if verdict == "worse":
            undone = await runtime.context.call_tool("shield_revert", {"plan_id": plan_id})
            tell(runtime, f"review: a plan made things worse; {undone['text']}")
            continue
        helped = helped or verdict == "helps"
        kept.append(plan_id)
    taken_back = len(kept) < len(done)
    update: ResponseState = {"plan_ids": kept, "reverted": taken_back or state.get("reverted", False)}
    if not state["watch_ended"]:
        return Command(goto="plan", update=update)
    if helped:
        tell(runtime, "review: not in equilibrium, and worse without what was done, which stays in force")
        return Command(goto="__end__", update={**update, "outcome": "contained"})
    if kept and state["mode"] in LIMITS:
        # What was hidden for longer than a model remembers may still be there: a person takes the measures back.
        tell(
            runtime,
            "review: not in equilibrium, and nothing speaks against what was done, which stays in force",
        )
        return Command(goto="__end__", update={**update, "outcome": "contained"})
    if kept:
        return Command(goto="revert", update=update)
    return Command(goto="__end__", update={**update, "outcome": "reverted"})


async def _verdict(plan_id: str, runtime: Runtime[GraphContext]) -> str:
    """What keeping a plan is expected to bring; a plan of which nothing is in force makes no difference."""
    try:
        reviewed = await runtime.context.call_tool("shield_review", {"plan_id": plan_id})
    except ToolCallError as refused:
        tell(runtime, f"review: {refused.message}")
        return "no_difference"
    tell(
        runtime,
        f"review: loss {reviewed['loss_with']:.4g} {reviewed['loss_unit']} with the plan, "
        f"{reviewed['loss_without']:.4g} without",
    )
    return str(reviewed["verdict"])


async def revert(state: ResponseState, runtime: Runtime[GraphContext]) -> ResponseState:
    """Take back what did not help, the latest plan first."""
    for plan_id in reversed(state["plan_ids"]):
        try:
            undone = await runtime.context.call_tool("shield_revert", {"plan_id": plan_id})
        except ToolCallError as refused:
            if not (state["act_refusal"] and plan_id == state["plan_ids"][-1]):
                raise
            # Nothing of a plan that was refused has been done, so there is nothing to take back.
            tell(runtime, f"revert: {refused.message}")
        else:
            tell(runtime, f"revert: {undone['text']}")
    done_before = len(state["plan_ids"]) > 1 or not state["act_refusal"]
    return {"reverted": done_before, "outcome": "reverted" if done_before else "not_done"}


async def prove(state: ResponseState, runtime: Runtime[GraphContext]) -> ResponseState:
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
            tell(runtime, f"prove: {refusal}")
            continue
        tell(runtime, f"prove: certificate {proof['certificate_id'][:12]} issued")
        return {
            "certificate_id": proof["certificate_id"],
            "certificate_file": proof["certificate_file"],
            "evidence_file": proof["evidence_file"],
            "public_key_file": proof["public_key_file"],
            "proof_refusal": "",
        }
    return {"certificate_id": "", "proof_refusal": refusal}


async def _minted(certificate_id: str, runtime: Runtime[GraphContext]) -> str:
    """Mint, unless an attempt that was cut off has done so: evidence mints once, and says so by an error."""
    known = await runtime.context.call_tool("economy_read", {"certificate_id": certificate_id})
    if float(known["minted_for_certificate"]) > 0:
        return str(known["minted_for_certificate"])
    minted = await runtime.context.call_tool("economy_mint", {"certificate_id": certificate_id})
    return str(minted["amount_pft"])


async def record(state: ResponseState, runtime: Runtime[GraphContext]) -> ResponseState:
    """Mint PFT for the certificate and write the recovery into the Atlas."""
    recorded = await runtime.context.call_tool(
        "atlas_record", {"stream": state["stream"], "incident_id": state["incident_id"]}
    )
    update: ResponseState = {"state_ids": recorded["state_ids"], "outcome": "unproved", "minted_pft": ""}
    if state["certificate_id"]:
        update["outcome"] = "recovered"
        update["minted_pft"] = await _minted(state["certificate_id"], runtime)
        tell(
            runtime, f"record: {update['minted_pft']} PFT minted, {len(recorded['state_ids'])} energy states"
        )
    return update
