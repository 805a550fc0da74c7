"""The shield toolset: threats, why they are threats, what to do about them, and doing it."""

from typing import Literal

from pydantic import BaseModel, Field

from industriverse.operations.context import ApprovalRequest, OperationContext
from industriverse.operations.desk import require_mode, techniques_of
from industriverse.operations.errors import NotAllowedError, OperationError
from industriverse.operations.examples import shield as examples
from industriverse.operations.incidents import event_ticket_of, incident_of, tickets_of
from industriverse.operations.kept_reads import Dated
from industriverse.operations.past import nearest_past_incident
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.responding import act_on_plan, check_plan, draft_plan, revert_plan
from industriverse.operations.services import Services
from industriverse.operations.threats import IncidentItem, ThreatsInput, ThreatsOutput, list_threats
from industriverse.operations.times import time_text
from industriverse.shield.explain import explain
from industriverse.shield.plan import Plan

__all__ = [
    "ActInput",
    "ActOutput",
    "ExplainInput",
    "ExplainOutput",
    "IncidentItem",
    "PlanInput",
    "PlanOutput",
    "PlannedAction",
    "RevertInput",
    "RevertOutput",
    "SensorItem",
    "TechniqueItem",
    "ThreatsInput",
    "ThreatsOutput",
    "plan_text",
    "shield_act",
    "shield_explain",
    "shield_plan",
    "shield_revert",
    "shield_threats",
]

UNWORDED = "This is the plain explanation: only a tool call over MCP can reach the client's own model."


class ExplainInput(OperationInput):
    """Which incident."""

    incident_id: str = Field(description="Id of the incident, from shield_threats")
    wording: Literal["plain", "client"] = Field(
        default="plain", description="client: your own model words it (MCP sampling), its numbers checked"
    )


class SensorItem(BaseModel):
    """What one channel contributes; shares of all channels add up to the score."""

    channel: str
    entity: str
    unit: str
    share_percent: float
    work_kt: float
    heat_kt: float
    structure_kt: float
    actual: float | None
    expected: float | None
    temperature: float


class TechniqueItem(BaseModel):
    """An ATT&CK for ICS technique that the evidence speaks for."""

    id: str
    name: str
    tactic: str
    confidence: float
    reason: str


class ExplainOutput(BaseModel):
    """Why an incident was opened, from its first ticket."""

    incident_id: str
    ticket_id: str
    since: str
    score_nats: float
    p_value: float
    cause: str
    sensors: list[SensorItem]
    techniques: list[TechniqueItem]
    nearest_past_incident: str | None = Field(
        default=None, description="Id of the earlier incident most like this one"
    )
    text: str
    words: str = Field(
        default="", description="The same in the words of the client's own model, if it was asked"
    )
    note: str = Field(default="", description="Who worded it, or why it is the plain explanation")

    def __str__(self) -> str:
        return "\n\n".join(part for part in (self.words, self.text, self.note) if part)


class PlanInput(OperationInput):
    """Which incident to answer."""

    incident_id: str = Field(description="Id of the incident, from shield_threats")
    alone: bool = Field(default=False, description="Only what can be undone, and only if service is at stake")


class PlannedAction(BaseModel):
    """One step of a plan; negative changes are improvements."""

    verb: str
    target: str
    value: float | str | None
    entity: str
    expected_free_energy_change_kt: float
    expected_loss_change: float
    reversible: bool
    cost: float
    reversal: str


class PlanOutput(BaseModel):
    """A signed plan. Nothing happens until shield_act is called with its id."""

    plan_id: str
    incident_id: str
    actions: list[PlannedAction]
    irreversible: bool
    expires: str
    do_nothing_free_energy_kt: float
    do_nothing_loss: float
    expected_free_energy_kt: float
    expected_loss: float
    loss_unit: str
    service_requested: float = Field(description="Service asked for over the horizon, in the loss's unit")
    rationale: str
    text: str

    def __str__(self) -> str:
        return f"{self.text}\nCarry it out: shield_act with plan_id={self.plan_id} until {self.expires}"


class ActInput(OperationInput):
    """Which plan to carry out."""

    plan_id: str = Field(description="plan_id of shield_plan, unchanged")


class ActOutput(BaseModel):
    """What was done."""

    plan_id: str
    status: str
    actions: list[str]
    approved_by: str | None
    note: str

    def __str__(self) -> str:
        return f"{self.note} {'; '.join(self.actions)}".strip()


class RevertInput(OperationInput):
    """Which plan to take back."""

    plan_id: str = Field(description="plan_id of a plan that was carried out")


class RevertOutput(BaseModel):
    """What was undone, and what cannot be."""

    plan_id: str
    reverted: list[str]
    irreversible: list[str]
    failed: list[str]
    text: str

    def __str__(self) -> str:
        return self.text


def _number(value: float) -> float | None:
    return None if value != value else value


def plan_text(plan: Plan) -> str:
    """A plan as a person reads it before saying yes or no."""
    lines = [f"Plan for incident {plan.incident}: {plan.rationale}"]
    for position, action in enumerate(plan.actions, start=1):
        setting = "" if action.value is None else f" = {action.value}"
        undo = action.reversal if action.reversible else f"CANNOT be undone from here ({action.reversal})"
        lines.append(
            f"{position}. {action.verb} {action.target}{setting}: free energy "
            f"{action.expected_free_energy_change_kt:+.3g} kT, lost service {action.expected_loss_change:+.4g} "
            f"{plan.do_nothing.loss_unit}; {undo}"
        )
    return "\n".join(lines)


@operation(
    "shield_threats",
    toolset="shield",
    scope="read",
    title="List threats",
    read_only=True,
    default_on=True,
    examples=examples.THREATS,
)
async def shield_threats(request: ThreatsInput, context: OperationContext) -> ThreatsOutput:
    """List incidents: tickets fused by the asset that they implicate, newest first.

    Raises:
        NotFoundError: If the incident or the stream asked for does not exist.
    """
    platform = context.platform

    async def read() -> Dated[ThreatsOutput]:
        return await platform.run(list_threats, platform.services, request)

    key = (request.stream, request.incident_id, request.open_only)
    return await platform.shield_reads.get_dated(key, ThreatsOutput, read)


@operation(
    "shield_explain",
    toolset="shield",
    scope="read",
    title="Explain a threat",
    read_only=True,
    cost=10,
    default_on=True,
    examples=examples.EXPLAIN,
)
async def shield_explain(request: ExplainInput, context: OperationContext) -> ExplainOutput:
    """Say why an incident was opened: which sensors, by how much, work, heat or structure, and known techniques.

    Raises:
        NotFoundError: If there is no such incident.
    """

    def read(services: Services) -> ExplainOutput:
        incident = incident_of(services, request.incident_id)
        ticket = tickets_of(services, incident)[0]
        explanation = explain(ticket)
        tags, raised = techniques_of(services, incident, ticket), event_ticket_of(services, incident)
        text = explanation.text() if raised is None else raised.explanation.sentence()
        if tags:
            named = [f"{t.technique.id} {t.technique.name} (confidence {t.confidence:.2f})" for t in tags]
            text += f"\nATT&CK: {', '.join(named)}."
        past = nearest_past_incident(services, incident, ticket)
        if past is not None:
            text += f"\n{past.sentence()}"
        return ExplainOutput(
            incident_id=incident.id,
            ticket_id=ticket.id,
            since=time_text(ticket.onset_ns),
            score_nats=ticket.score,
            p_value=ticket.p_value,
            cause=explanation.cause if raised is None else raised.explanation.sentence(),
            nearest_past_incident=None if past is None else past.incident.id,
            sensors=[
                SensorItem(
                    channel=sensor.channel,
                    entity=sensor.entity,
                    unit=sensor.unit,
                    share_percent=sensor.share_percent,
                    work_kt=sensor.work,
                    heat_kt=sensor.heat,
                    structure_kt=sensor.structure,
                    actual=_number(sensor.actual),
                    expected=_number(sensor.expected),
                    temperature=sensor.temperature,
                )
                for sensor in explanation.sensors
            ],
            techniques=[
                TechniqueItem(
                    id=tag.technique.id,
                    name=tag.technique.name,
                    tactic=tag.technique.tactic,
                    confidence=tag.confidence,
                    reason=tag.reason,
                )
                for tag in tags
            ],
            text=text,
            note=UNWORDED if request.wording == "client" else "",
        )

    return await context.platform.run(read, context.platform.services)


@operation(
    "shield_plan",
    toolset="shield",
    scope="plan",
    title="Plan a response",
    read_only=True,
    cost=5_000,
    default_on=True,
    examples=examples.PLAN,
)
async def shield_plan(request: PlanInput, context: OperationContext) -> PlanOutput:
    """Compare doing nothing with what the plant can be told to do, and return a signed plan. Does nothing yet.

    Raises:
        NotFoundError: If there is no such incident.
        OperationError: If the stream has no actuators.
    """
    await context.progress(0.0, None, "forecasting each candidate with the operator's model")
    signed_id, plan = await context.platform.run(
        draft_plan,
        context.platform.services,
        request.incident_id,
        context.principal.name,
        alone=request.alone,
    )
    return PlanOutput(
        plan_id=signed_id,
        incident_id=plan.incident,
        actions=[
            PlannedAction(
                verb=action.verb,
                target=action.target,
                value=action.value,
                entity=action.entity,
                expected_free_energy_change_kt=action.expected_free_energy_change_kt,
                expected_loss_change=action.expected_loss_change,
                reversible=action.reversible,
                cost=action.cost,
                reversal=action.reversal,
            )
            for action in plan.actions
        ],
        irreversible=bool(plan.irreversible_actions),
        expires=time_text(plan.expires_ns),
        do_nothing_free_energy_kt=plan.do_nothing.free_energy_excess_kt,
        do_nothing_loss=plan.do_nothing.loss,
        expected_free_energy_kt=plan.expected.free_energy_excess_kt,
        expected_loss=plan.expected.loss,
        loss_unit=plan.expected.loss_unit,
        service_requested=plan.do_nothing.requested,
        rationale=plan.rationale,
        text=plan_text(plan),
    )


@operation(
    "shield_act",
    toolset="shield",
    scope="act",
    title="Carry a plan out",
    destructive=True,
    idempotent=True,
    asks=True,
    examples=examples.ACT,
)
async def shield_act(request: ActInput, context: OperationContext) -> ActOutput:
    """Carry out a signed plan. Asks a person first if an action cannot be undone. A plan acts once.

    Raises:
        NotAllowedError: If the person declines.
        ShieldError: If the plan id is altered, expired, or made for someone else.
    """
    services, run = context.platform.services, context.platform.run
    record = await run(check_plan, services, request.plan_id, context.principal.name)
    approver = record.approved_by
    must_ask = await run(require_mode, services, record.plan)
    if must_ask and approver is None:
        answer = await context.approve(
            ApprovalRequest(key=record.plan.id, message=plan_text(record.plan), resume_token=record.plan.id)
        )
        if not answer.approved:
            raise NotAllowedError(
                f"the plan was declined{': ' + answer.reason if answer.reason else ''}",
                hint="nothing was done; make another plan or respond by hand",
            )
        approver = context.principal.name
    done = await run(act_on_plan, services, request.plan_id, context.principal.name, approver)
    if done.error:
        raise OperationError(
            f"the plan stopped at {done.error}", hint="shield_revert undoes what was done before it"
        )
    return ActOutput(
        plan_id=request.plan_id,
        status=done.status,
        actions=list(done.actions),
        approved_by=approver,
        note="Done." if done.now else "This plan was carried out before; nothing was done now.",
    )


@operation(
    "shield_revert",
    toolset="shield",
    scope="act",
    title="Take a plan back",
    destructive=True,
    idempotent=True,
    examples=examples.REVERT,
)
async def shield_revert(request: RevertInput, context: OperationContext) -> RevertOutput:
    """Undo the reversible actions of a plan in reverse order, and name those that cannot be undone.

    Raises:
        ShieldError: If there is no such plan or it was never carried out.
    """
    report = await context.platform.run(revert_plan, context.platform.services, request.plan_id)
    text = f"undone: {', '.join(report.reverted) or 'nothing'}"
    if report.irreversible:
        text += f"; cannot be undone: {', '.join(report.irreversible)}"
    if report.failed:
        text += f"; failed: {', '.join(report.failed)}"
    return RevertOutput(
        plan_id=request.plan_id,
        reverted=list(report.reverted),
        irreversible=list(report.irreversible),
        failed=list(report.failed),
        text=text,
    )
