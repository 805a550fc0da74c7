"""The nodes of TIL: attend, weigh, reflect, advise; it advises and never acts."""

from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from industriverse.graphs.errors import ToolCallError
from industriverse.graphs.state import GraphContext, TilState, tell

__all__ = ["advise", "attend", "decline", "reflect", "weigh"]


async def attend(state: TilState, runtime: Runtime[GraphContext]) -> TilState:
    """Awareness: where the free energy sits, whether it grows, what drives what."""
    seen = await runtime.context.call_tool("eil_attention", {"stream": state["stream"]})
    held = ", ".join(f"{share['channel']} {share['share']:.0%}" for share in seen["shares"][:3])
    tell(runtime, f"attend: {seen['free_energy_kt']:.1f} kT, of it {held}")
    return {"attention": seen}


async def weigh(state: TilState, runtime: Runtime[GraphContext]) -> Command[Literal["reflect", "decline"]]:
    """Decision: rank what could be done by expected free energy over forecasts."""
    request = {
        "stream": state["stream"],
        "horizon_hours": state["horizon_hours"],
        "options": state["options"],
    }
    try:
        ranked = await runtime.context.call_tool("eil_decide", request)
    except ToolCallError as refused:
        return Command(goto="decline", update={"reason": refused.message})
    tell(runtime, f"weigh: {ranked['best']} is best of {len(ranked['ranking'])}")
    return Command(goto="reflect", update={"decision": ranked})


async def reflect(state: TilState, runtime: Runtime[GraphContext]) -> Command[Literal["advise", "decline"]]:
    """Metacognition: look at one's own record, and abstain where the choice is not told apart."""
    record = await runtime.context.call_tool(
        "eil_reflect", {"stream": state["stream"], "horizon_hours": state["horizon_hours"]}
    )
    tell(runtime, f"reflect: {record['reason']}")
    decision = state["decision"]
    if not decision["clear"] and not record["may_act"]:
        reason = f"the first two options are not told apart, and {record['reason']}"
        return Command(goto="decline", update={"record": record, "reason": reason})
    return Command(goto="advise", update={"record": record})


async def advise(state: TilState, runtime: Runtime[GraphContext]) -> TilState:
    """Name the best option, and whether it may be taken without a person."""
    decision, record = state["decision"], state["record"]
    alone = bool(record["may_act"] and decision["clear"] and not decision["needs_approval"])
    tell(runtime, f"advise: {decision['best']}{'' if alone else '; a person decides'}")
    return {
        "outcome": "advised",
        "advice": decision["best"],
        "may_act_alone": alone,
        "reason": record["reason"],
    }


async def decline(state: TilState, runtime: Runtime[GraphContext]) -> TilState:
    """Give no advice, and say why."""
    tell(runtime, f"decline: {state['reason']}")
    return {"outcome": "abstained", "advice": "", "may_act_alone": False}
