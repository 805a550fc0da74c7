"""What the graphs remember between their nodes; plain JSON values, so checkpoints stay readable."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from langgraph.runtime import Runtime

__all__ = ["AceState", "CallTool", "GraphContext", "Mode", "ResponseState", "TilState", "tell"]

CallTool = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Calls a tool by name and returns its structured result; raises ToolCallError on an error result."""

Mode = Literal["passive", "detect", "supervised", "autonomous", "emergency"]
"""``passive`` looks and forecasts, ``detect`` also plans and does nothing, ``supervised`` asks before every plan,
``autonomous`` acts alone within limits where everything can be undone and its own record allows it, ``emergency``
does so at once and within wider limits. Nothing that cannot be undone is done without a person in any mode."""


class ResponseState(TypedDict, total=False):
    """State of one response.

    Keys:
        graph: ``response``.
        incident_id: The incident answered.
        mode: When a person is asked.
        stream: Stream of the incident.
        plant_id: Simulated plant behind the stream; empty for a real stream, for which no plan has actions yet.
        plant_hours: Simulated hours when the response began.
        pace_hours: How long the plant takes to show what a command did.
        advice: What TIL advised, or why it abstained.
        watch_ended: Whether the time for watching is over.
        free_energy_before: Free-energy excess when the response began, kT.
        explanation: Why the incident was opened.
        forecast: Where the stream goes if nothing is done.
        plan_id: Signed plan; empty if no action helps.
        plans_made: How many plans were made in this run.
        plan_ids: Signed plans that were carried out, oldest first.
        incidents_seen: Open incidents of the stream that have been thought about.
        patience_looks: Restless looks after which a run that may act alone thinks again.
        declined: Whether a person has declined in a run that may act alone.
        plan_text: The plan as shown to the person.
        irreversible: Whether the plan holds an action that cannot be undone.
        approved: Whether the plan may be executed.
        approval_reason: What the person said.
        actions: Descriptions of the actions that were carried out.
        act_refusal: Why the plan was not carried out to its end, empty if it was.
        watched_hours: Hours watched since the response began.
        recovered: Whether the stream left alarm and its free energy came back.
        recovered_after_hours: Hours from the first action to the beginning of the calm day that counts as recovery.
        free_energy_after: Free-energy excess after verification, kT.
        reverted: Whether the actions were taken back.
        certificate_id: Proof of equilibrium after recovery.
        certificate_file: Where the certificate lies.
        evidence_file: Where the raw window behind it lies.
        public_key_file: Key that verifies it.
        proof_refusal: Why no certificate was issued, if none was.
        minted_pft: PFT minted for the certificate.
        state_ids: Energy states recorded in the Atlas.
        plan_actions: Number of actions in the plan.
        plan_cost: Sum of their costs, in changes of set-point.
        autonomous_plans: Plans carried out without asking a person.
        may_act_alone: Whether the record of earlier expectations allows acting without a person.
        record: That record in words.
        outcome: One word for the end; ``observed`` and ``advised`` end passive runs and those that only
            detect, ``unproved`` is calm again, but no window passed the checks of a proof,
            ``contained`` is out of equilibrium, but worse off without what was done, which stays,
            ``not_done`` that the plan was refused or expired before anything was done.
    """

    graph: str
    incident_id: str
    mode: Mode
    stream: str
    plant_id: str
    plant_hours: float
    pace_hours: float
    advice: str
    watch_ended: bool
    free_energy_before: float
    explanation: str
    forecast: str
    plan_id: str
    plans_made: int
    plan_ids: list[str]
    incidents_seen: int
    patience_looks: int
    declined: bool
    plan_text: str
    irreversible: bool
    approved: bool
    approval_reason: str
    actions: list[str]
    act_refusal: str
    watched_hours: float
    recovered: bool
    recovered_after_hours: float
    free_energy_after: float
    reverted: bool
    certificate_id: str
    certificate_file: str
    evidence_file: str
    public_key_file: str
    proof_refusal: str
    minted_pft: str
    state_ids: list[str]
    plan_actions: int
    plan_cost: float
    autonomous_plans: int
    may_act_alone: bool
    record: str
    outcome: Literal[
        "observed",
        "advised",
        "no_action",
        "declined",
        "recovered",
        "unproved",
        "contained",
        "reverted",
        "not_done",
    ]


class AceState(TypedDict, total=False):
    """State of one questioned forecast.

    Keys:
        graph: ``ace``.
        question: Arguments of ``nvp_ensemble``: field or stream, horizon, decision.
        goals: Accuracy, width and budget, see ``ace_questions.Goals``.
        asked_goals: The goals as they were when the run began.
        may_infer: Coefficients that refinement may read from the frames.
        settings: How the forecast is computed at present.
        spent_steps: Evaluations spent.
        measured: The latest measurement.
        rounds: Settings and answers of every measurement, oldest first.
        failed: Questions that failed last, in words.
        forecast: What is given out, with its values; empty where ACE abstained.
        reason: Why it abstained.
        outcome: ``emitted`` or ``abstained``.
    """

    graph: str
    question: dict[str, Any]
    goals: dict[str, Any]
    asked_goals: dict[str, Any]
    may_infer: list[str]
    settings: dict[str, Any]
    spent_steps: int
    measured: dict[str, Any]
    rounds: list[dict[str, Any]]
    failed: list[str]
    forecast: dict[str, Any]
    reason: str
    outcome: Literal["emitted", "abstained"]


class TilState(TypedDict, total=False):
    """State of one piece of advice.

    Keys:
        graph: ``til``.
        stream: Which stream.
        horizon_hours: When outcomes count.
        options: What could be done, as ``eil_decide`` takes them; empty for the commands of its plant.
        attention: What ``eil_attention`` saw.
        decision: What ``eil_decide`` ranked.
        record: What ``eil_reflect`` found.
        advice: The best option; empty where TIL abstained.
        may_act_alone: Whether it may be taken without a person.
        reason: Why it may, or why there is no advice.
        outcome: ``advised`` or ``abstained``.
    """

    graph: str
    stream: str
    horizon_hours: float
    options: list[dict[str, Any]]
    attention: dict[str, Any]
    decision: dict[str, Any]
    record: dict[str, Any]
    advice: str
    may_act_alone: bool
    reason: str
    outcome: Literal["advised", "abstained"]


@dataclass(frozen=True, slots=True)
class GraphContext:
    """Run-scoped services, never checkpointed.

    Attributes:
        call_tool: Calls a tool by name.
    """

    call_tool: CallTool


def tell(runtime: Runtime[GraphContext], message: str) -> None:
    """Tell whoever follows the run what happens, as ``node: message``."""
    runtime.stream_writer({"message": message})
