"""Verbs of the desk: handle an incident, hand it on in a standard form, contain, and set the mode."""

from typing import Literal

from pydantic import BaseModel, Field

from industriverse.operations.context import OperationContext
from industriverse.operations.errors import InvalidArgumentsError
from industriverse.operations.examples import shield as examples
from industriverse.operations.incidents import incident_of
from industriverse.operations.judging import judge_incident
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.services import Services
from industriverse.operations.times import parse_time, time_text

__all__ = [
    "ContainInput",
    "ContainOutput",
    "ExportInput",
    "ExportOutput",
    "ModeInput",
    "ModeOutput",
    "TriageInput",
    "TriageOutput",
    "shield_contain",
    "shield_export",
    "shield_mode",
    "shield_triage",
]

Change = Literal["acknowledge", "close", "reopen", "assign", "note", "judge", "suppress", "lift", "show"]


class TriageInput(OperationInput):
    """What to do with an incident."""

    incident_id: str = Field(description="Id of the incident, from shield_threats")
    change: Change = Field(default="show", description="What to do; suppress silences its stream and asset")
    text: str = Field(
        default="", max_length=2000, description="Note, reason of a suppression, or suppression id to lift"
    )
    assignee: str = Field(
        default="", max_length=200, description="For assign: who takes it; empty takes it back"
    )
    verdict: Literal["true", "false", "planned_work"] | None = Field(
        default=None, description="For judge: what it was; also recalibrates the detector, as eil_feedback"
    )
    until: str | None = Field(default=None, description="For suppress: ISO 8601 end, at most 30 days ahead")


class TriageOutput(BaseModel):
    """How the incident is handled now."""

    incident_id: str
    status: str
    assignee: str
    verdict: str
    notes: list[str]
    suppressed_until: str | None
    suppression: str | None = Field(description="Id and reason of the suppression that holds")
    effect: str = Field(description="What a verdict changed in the detector, empty otherwise")

    def __str__(self) -> str:
        held = f", suppressed until {self.suppressed_until}" if self.suppressed_until else ""
        said = f"{self.incident_id}: {self.status}, assigned to {self.assignee or 'nobody'}{held}"
        return f"{said}. {self.effect}" if self.effect else said


@operation(
    "shield_triage",
    toolset="shield",
    scope="respond",
    title="Handle an incident",
    examples=examples.TRIAGE,
)
async def shield_triage(request: TriageInput, context: OperationContext) -> TriageOutput:
    """Acknowledge, close, reopen, assign, annotate, judge or suppress an incident; every change stays on record.

    Raises:
        NotFoundError: If there is no such incident.
        TriageError: If the change is not allowed or lacks what it needs.
    """
    who = context.principal.name

    def handle(services: Services) -> TriageOutput:
        from industriverse.shield.triage import TriageStatus

        incident, desk, now = incident_of(services, request.incident_id), services.triage, services.clock()
        effect = ""
        steps = {
            "acknowledge": TriageStatus.ACKNOWLEDGED,
            "close": TriageStatus.CLOSED,
            "reopen": TriageStatus.OPEN,
        }
        if request.change in steps:
            desk.set_status(incident.id, steps[request.change], who=who, at_ns=now)
        elif request.change == "assign":
            desk.assign(incident.id, request.assignee, who=who, at_ns=now)
        elif request.change == "judge":
            if request.verdict is None:
                raise InvalidArgumentsError("verdict: it is missing", hint="say true, false or planned_work")
            effect = judge_incident(services, incident, request.verdict, who)
            desk.judge(incident.id, request.verdict, who=who, at_ns=now)
        elif request.change == "suppress":
            if request.until is None:
                raise InvalidArgumentsError("until: it is missing", hint="say when the suppression ends")
            desk.suppress(
                incident.stream,
                entity=incident.entity,
                reason=request.text,
                until_ns=parse_time(request.until, "until"),
                who=who,
                at_ns=now,
            )
        elif request.change == "lift":
            desk.lift(request.text, who=who, at_ns=now)
        if request.change == "note" or (
            request.text and request.change in ("acknowledge", "close", "reopen", "judge")
        ):
            desk.note(incident.id, request.text, who=who, at_ns=now)
        handling = desk.handling(incident.id)
        held = desk.suppressed_by(incident, now)
        return TriageOutput(
            incident_id=incident.id,
            status=handling.status,
            assignee=handling.assignee,
            verdict=handling.verdict,
            notes=[f"{time_text(note.time_ns)} {note.who}: {note.text}" for note in handling.notes],
            suppressed_until=None if held is None else time_text(held.until_ns),
            suppression=None if held is None else f"{held.id}: {held.reason}",
            effect=effect,
        )

    return await context.platform.run(handle, context.platform.services)


class ExportInput(OperationInput):
    """Which incident, in which form."""

    incident_id: str = Field(description="Id of the incident, from shield_threats")
    form: Literal["ocsf", "stix", "ecs", "cef", "syslog", "bundle"] = Field(
        default="ocsf", description="bundle holds all the others, signed with the installation's key"
    )


class ExportOutput(BaseModel):
    """The incident for other tools."""

    incident_id: str
    form: str
    content: str = Field(description="JSON, or one line for cef and syslog")

    def __str__(self) -> str:
        return self.content


@operation(
    "shield_export",
    toolset="shield",
    scope="read",
    title="Export an incident",
    read_only=True,
    examples=examples.EXPORT,
)
async def shield_export(request: ExportInput, context: OperationContext) -> ExportOutput:
    """Write an incident as OCSF 1.5, STIX 2.1, ECS, CEF or syslog, or as one signed bundle of all of them.

    Raises:
        NotFoundError: If there is no such incident.
    """

    def write(services: Services) -> ExportOutput:
        from industriverse.operations.desk import export_incident

        content = export_incident(services, request.incident_id, request.form)
        return ExportOutput(incident_id=request.incident_id, form=request.form, content=content)

    return await context.platform.run(write, context.platform.services)


class ContainInput(OperationInput):
    """What to contain, and how."""

    incident_id: str = Field(description="Id of the incident that it answers")
    kind: Literal["block_address", "isolate_host", "limit_rate", "isolate_pods"] = Field(
        description="What to do"
    )
    address: str = Field(default="", max_length=60, description="IP address or network of a host")
    namespace: str = Field(default="", max_length=63, description="Kubernetes namespace, for isolate_pods")
    pod_labels: dict[str, str] = Field(
        default_factory=dict, description="Labels of the pods, for isolate_pods"
    )
    packets_per_s: int = Field(default=100, ge=1, le=1_000_000, description="For limit_rate")
    allow: list[str] = Field(default_factory=list, max_length=20, description="Addresses that keep access")
    present: str = Field(
        default="", max_length=20_000, description="What is in force now, for the difference"
    )


class ContainOutput(BaseModel):
    """The action as text for whoever carries it out; nothing was done."""

    language: str
    text: str
    reversal: str
    difference: str
    cost: float
    irreversibility: str
    dry_run: bool

    def __str__(self) -> str:
        return f"{self.language}, nothing was done yet:\n{self.text}\nTake it back with:\n{self.reversal}"


@operation(
    "shield_contain",
    toolset="shield",
    scope="plan",
    title="Write a containment",
    read_only=True,
    examples=examples.CONTAIN,
)
async def shield_contain(request: ContainInput, context: OperationContext) -> ContainOutput:
    """Write a containment as an nftables script or a Kubernetes NetworkPolicy, with difference, cost and reversal.

    Nothing is carried out.

    Raises:
        NotFoundError: If there is no such incident.
        RenderError: If a parameter is not what it should be.
    """

    def write(services: Services) -> ContainOutput:
        from industriverse.shield.rendering import Containment, render_network_policy, render_nftables
        from industriverse.shield.rendering.containment import ContainmentKind

        incident = incident_of(services, request.incident_id)
        action = Containment(
            id=incident.id.removeprefix("incident-"),
            kind=ContainmentKind(request.kind),
            address=request.address,
            namespace=request.namespace,
            pod_labels=tuple(sorted(request.pod_labels.items())),
            packets_per_s=request.packets_per_s,
            allow=tuple(request.allow),
        )
        pods = action.kind is ContainmentKind.ISOLATE_PODS
        rendered = (render_network_policy if pods else render_nftables)(action, present=request.present)
        return ContainOutput(
            language=rendered.language,
            text=rendered.text,
            reversal=rendered.reversal,
            difference=rendered.difference,
            cost=rendered.cost,
            irreversibility=rendered.irreversibility,
            dry_run=rendered.dry_run,
        )

    return await context.platform.run(write, context.platform.services)


class ModeInput(OperationInput):
    """Which mode."""

    mode: Literal["passive", "detect", "autonomous", "emergency"] = Field(
        description="passive: never act. detect: a person decides on every action. autonomous and emergency: what "
        "can be undone needs no question"
    )


class ModeOutput(BaseModel):
    """The mode in force."""

    mode: str
    before: str

    def __str__(self) -> str:
        return f"mode {self.mode} (before: {self.before})"


@operation(
    "shield_mode",
    toolset="shield",
    scope="respond",
    title="Set the mode",
    idempotent=True,
    examples=examples.MODE,
)
async def shield_mode(request: ModeInput, context: OperationContext) -> ModeOutput:
    """Set how much the shield may do by itself; what cannot be undone always needs a person."""

    def change(services: Services) -> ModeOutput:
        from industriverse.shield.hybrid.modes import Mode

        before = services.triage.mode
        if before != request.mode:
            services.triage.set_mode(Mode(request.mode), who=context.principal.name, at_ns=services.clock())
        return ModeOutput(mode=request.mode, before=before)

    return await context.platform.run(change, context.platform.services)
