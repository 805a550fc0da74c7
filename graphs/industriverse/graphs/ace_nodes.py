"""The nodes of ACE: aspire, measure, question, refine, emit or abstain; none of them changes anything outside."""

from dataclasses import asdict
from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from industriverse.graphs.ace_questions import Answer, Goals, ask, next_settings
from industriverse.graphs.errors import GraphError, ToolCallError
from industriverse.graphs.state import AceState, GraphContext, tell

__all__ = ["abstain", "aspire", "emit", "measure", "question", "refine"]

FIRST_SETTINGS: dict[str, Any] = {
    "refinement": 1,
    "padding": 1.0,
    "members": 4,
    "infer": [],
    "history_rows": 1500,
}

MOST_ROUNDS = 12
"""Measurements in one run; the energy budget usually ends it before."""


def _goals(state: AceState) -> Goals:
    return Goals(**state["goals"])


async def aspire(state: AceState, runtime: Runtime[GraphContext]) -> AceState:
    """Fix what has to be reached; nothing after this may change it."""
    goals = _goals(state)
    tell(
        runtime,
        f"aspire: error at most {goals.accuracy:.2%}, band at most {goals.width:.2f}, "
        f"{goals.budget_steps} steps to spend",
    )
    return {"settings": FIRST_SETTINGS, "spent_steps": 0, "rounds": [], "asked_goals": dict(state["goals"])}


def _request(state: AceState) -> dict[str, Any]:
    return {**state["question"], **state["settings"], "with_values": True}


async def measure(state: AceState, runtime: Runtime[GraphContext]) -> Command[Literal["question", "abstain"]]:
    """Run the ensemble with the present settings."""
    try:
        found = await runtime.context.call_tool("nvp_ensemble", _request(state))
    except ToolCallError as refused:
        tell(runtime, f"measure: {refused.message}")
        return Command(goto="abstain", update={"reason": refused.message})
    tell(runtime, f"measure: {found['summary']}")
    spent = state["spent_steps"] + int(found["steps"])
    return Command(goto="question", update={"measured": found, "spent_steps": spent})


async def question(
    state: AceState, runtime: Runtime[GraphContext]
) -> Command[Literal["emit", "refine", "abstain"]]:
    """Ask of the measurement whatever would make it wrong."""
    answers = ask(state["measured"], _goals(state))
    failed = [answer for answer in answers if not answer.passed]
    for answer in failed:
        tell(runtime, f"question: {answer.question} {_shown(answer)}")
    record = {"settings": state["settings"], "steps": state["measured"]["steps"]}
    kept = [*state["rounds"], {**record, "answers": [asdict(answer) for answer in answers]}]
    if not failed:
        tell(runtime, "question: every question is answered")
        return Command(goto="emit", update={"rounds": kept, "failed": []})
    names = [f"{answer.question} {_shown(answer)}" for answer in failed]
    return Command(goto="refine", update={"rounds": kept, "failed": names})


def _shown(answer: Answer) -> str:
    measured = "cannot be told" if answer.measured is None else f"{answer.measured:.3g}"
    return f"({measured}, limit {answer.limit:.3g})"


async def refine(state: AceState, runtime: Runtime[GraphContext]) -> Command[Literal["measure", "abstain"]]:
    """Change the computation where a question failed, while there is something to change and to spend."""
    last = state["rounds"][-1]
    answers = tuple(Answer(**{**answer, "remedies": tuple(answer["remedies"])}) for answer in last["answers"])
    found = next_settings(
        state["settings"], answers, tuple(state["measured"]["remedies"]), tuple(state["may_infer"])
    )
    if found is None:
        return Command(
            goto="abstain", update={"reason": "no refinement is left: " + "; ".join(state["failed"])}
        )
    left = _goals(state).budget_steps - state["spent_steps"]
    if int(last["steps"]) > left or len(state["rounds"]) >= MOST_ROUNDS:
        reason = f"the energy budget leaves {max(left, 0)} steps: " + "; ".join(state["failed"])
        return Command(goto="abstain", update={"reason": reason})
    remedy, settings = found
    tell(runtime, f"refine: {remedy.replace('_', ' ')}")
    return Command(goto="measure", update={"settings": settings})


async def emit(state: AceState, runtime: Runtime[GraphContext]) -> AceState:
    """Give the forecast out, with the goals that it was asked to reach."""
    if state["goals"] != state["asked_goals"]:
        raise GraphError("the goals were changed during the run", hint="start a new run with other goals")
    tell(runtime, f"emit: {state['measured']['summary']}")
    return {"outcome": "emitted", "reason": "", "forecast": state["measured"]}


async def abstain(state: AceState, runtime: Runtime[GraphContext]) -> AceState:
    """Say that no forecast meets the goals, and why."""
    tell(runtime, f"abstain: {state['reason']}")
    return {"outcome": "abstained", "forecast": {}}
