"""The agents toolset: the graphs as tools; a graph's question to a person is an elicitation."""

import uuid
from typing import Any, Literal

from pydantic import BaseModel, Field

from industriverse.operations.agents import GraphName, GraphRun
from industriverse.operations.context import ApprovalRequest, OperationContext
from industriverse.operations.ensembling import describe_field
from industriverse.operations.errors import InvalidArgumentsError, NotFoundError
from industriverse.operations.examples import agents as examples
from industriverse.operations.incidents import incident_of
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.responding import approve_plan
from industriverse.operations.toolsets.deciding import OptionInput

__all__ = [
    "GoalsInput",
    "ResumeInput",
    "RunInput",
    "RunOutput",
    "StateInput",
    "StateOutput",
    "agent_resume",
    "agent_run",
    "agent_state",
]


class GoalsInput(OperationInput):
    """What a forecast has to reach; ACE abstains rather than lower it."""

    accuracy: float = Field(
        default=0.05,
        gt=0,
        le=10,
        description="Largest estimated error relative to the spread of the forecast",
    )
    width: float = Field(default=1.0, gt=0, le=100, description="Largest relative width of the 90 % band")
    budget_ceu: float = Field(
        default=20.0, gt=0, le=1000, description="Energy that it may spend: 1 CEU is 1,000 evaluations"
    )


class RunInput(OperationInput):
    """Which graph, what about, and how freely."""

    graph: Literal["response", "ace", "til"] = Field(
        default="response",
        description="response answers an incident, ace gives a forecast that was questioned, til advises",
    )
    incident_id: str | None = Field(default=None, description="For response: incident, from shield_threats")
    stream: str | None = Field(default=None, max_length=80, description="For ace and til: which stream")
    field_id: str | None = Field(
        default=None, max_length=64, description="For ace: a field instead of a stream, from nvp_field"
    )
    horizon_hours: float = Field(default=6.0, gt=0, le=48, description="For ace and til: hours ahead")
    horizon_frames: int = Field(default=5, ge=1, le=100, description="For ace on a field: frames ahead")
    goals: GoalsInput = Field(default=GoalsInput(), description="For ace: what the forecast has to reach")
    channel: str | None = Field(default=None, description="For ace: channel of the decision")
    limit: float | None = Field(default=None, description="For ace: decision, is the forecast above this?")
    options: list[OptionInput] = Field(
        default=[], max_length=50, description="For til: what could be done; the plant's commands if absent"
    )
    mode: Literal["passive", "detect", "supervised", "autonomous", "emergency"] = Field(
        default="supervised",
        description="For response: look; also plan; ask before every plan; act alone within limits; at once",
    )
    thread_id: str | None = Field(
        default=None, max_length=80, description="Name of the run; the same name continues the same run"
    )


class ResumeInput(OperationInput):
    """Which run to go on with."""

    thread_id: str = Field(description="Name of the run, from agent_state")


class StateInput(OperationInput):
    """Which run to look at."""

    thread_id: str | None = Field(default=None, description="Name of a run; absent lists the newest runs")


class RunOutput(BaseModel):
    """Where a run stands."""

    thread_id: str
    graph: GraphName
    status: Literal["done", "waiting", "interrupted"]
    outcome: str
    next_node: str | None
    waiting_for: str | None
    state: dict[str, Any]

    def __str__(self) -> str:
        if self.status == "waiting":
            return f"run {self.thread_id} waits for a person; agent_resume asks again"
        if self.status == "interrupted":
            return f"run {self.thread_id} was cut off before {self.next_node}; agent_resume goes on"
        shown = (
            "advice",
            "reason",
            "actions",
            "recovered_after_hours",
            "certificate_id",
            "proof_refusal",
            "minted_pft",
        )
        details = [f"{key}: {self.state[key]}" for key in shown if self.state.get(key)]
        forecast = self.state.get("forecast")
        if isinstance(forecast, dict) and forecast:
            details.append(forecast["summary"])
        return "\n".join([f"run {self.thread_id}: {self.outcome}", *details])


class StateOutput(BaseModel):
    """Runs, newest first."""

    runs: list[RunOutput]

    def __str__(self) -> str:
        return "\n".join(str(run) for run in self.runs) or "no runs"


def _output(run: GraphRun) -> RunOutput:
    status: Literal["done", "waiting", "interrupted"] = "done"
    if run.waiting_for is not None:
        status = "waiting"
    elif run.next_node is not None:
        status = "interrupted"
    return RunOutput(
        thread_id=run.thread_id,
        graph=run.graph,
        status=status,
        outcome=str(run.state.get("outcome", status)),
        next_node=run.next_node,
        waiting_for=run.waiting_for,
        state=run.state,
    )


async def _drive(run: GraphRun, context: OperationContext) -> RunOutput:
    """Go on until the run ends, asking the person whenever it waits for one."""
    graphs = context.platform.graphs
    while run.next_node is not None:
        if run.waiting_for is None:
            run = await graphs.proceed(run.thread_id, context.progress)
            continue
        answer = await context.approve(
            # One run may ask about several plans; an answer to one must never count for another.
            ApprovalRequest(
                key=f"{run.thread_id}/{run.plan_id}", message=run.waiting_for, resume_token=run.thread_id
            )
        )
        if answer.approved:
            await context.platform.run(
                approve_plan, context.platform.services, run.plan_id, context.principal.name
            )
        run = await graphs.answer(run.thread_id, answer.approved, answer.reason, context.progress)
    return _output(run)


async def _begin_response(request: RunInput, context: OperationContext) -> dict[str, Any]:
    if request.incident_id is None:
        raise InvalidArgumentsError(
            "incident_id: the response graph needs one", hint="list incidents with shield_threats"
        )
    await context.platform.run(incident_of, context.platform.services, request.incident_id)
    return {"incident_id": request.incident_id, "mode": request.mode}


async def _begin_ace(request: RunInput, context: OperationContext) -> dict[str, Any]:
    if (request.stream is None) == (request.field_id is None):
        raise InvalidArgumentsError(
            "stream or field_id: give exactly one to ace", hint="nvp_field keeps a field"
        )
    services, run = context.platform.services, context.platform.run
    question: dict[str, Any] = {"limit": request.limit}
    may_infer: list[str] = []
    if request.field_id is not None:
        may_infer = (await run(describe_field, services, request.field_id))["infer"]
        question |= {"field_id": request.field_id, "horizon_frames": request.horizon_frames}
    else:
        assert request.stream is not None
        await run(lambda: services.streams.watched(request.stream or ""))
        question |= {
            "stream": request.stream,
            "horizon_hours": request.horizon_hours,
            "channel": request.channel,
        }
    goals = request.goals
    wanted = {
        "accuracy": goals.accuracy,
        "width": goals.width,
        "budget_steps": round(1000 * goals.budget_ceu),
    }
    return {"question": question, "goals": wanted, "may_infer": may_infer}


async def _begin_til(request: RunInput, context: OperationContext) -> dict[str, Any]:
    if request.stream is None:
        raise InvalidArgumentsError("stream: til needs one", hint="list streams with platform_status")
    services = context.platform.services
    await context.platform.run(lambda: services.streams.watched(request.stream or ""))
    options = [option.model_dump(mode="json") for option in request.options]
    return {"stream": request.stream, "horizon_hours": request.horizon_hours, "options": options}


@operation(
    "agent_run",
    toolset="agents",
    scope="respond",
    title="Run a graph",
    task=True,
    destructive=True,
    asks=True,
    examples=examples.RUN,
)
async def agent_run(request: RunInput, context: OperationContext) -> RunOutput:
    """Run a graph: answer an incident (asks a person first), question a forecast (ace), or advise (til).

    The run survives the process; agent_resume goes on with one that was cut off.

    Raises:
        NotFoundError: If there is no such incident, stream or field.
        InvalidArgumentsError: If the graph lacks what it needs.
    """
    begin = {"response": _begin_response, "ace": _begin_ace, "til": _begin_til}[request.graph]
    values = await begin(request, context)
    name = context.resume_token or request.thread_id or f"{request.graph}-{uuid.uuid4().hex[:12]}"
    run = await context.platform.graphs.start(request.graph, name, values, context.progress)
    return await _drive(run, context)


@operation(
    "agent_resume",
    toolset="agents",
    scope="respond",
    title="Go on with a run",
    task=True,
    destructive=True,
    asks=True,
    examples=examples.RESUME,
)
async def agent_resume(request: ResumeInput, context: OperationContext) -> RunOutput:
    """Go on with a run from its last checkpoint; asks the person again if it waits for one.

    Raises:
        NotFoundError: If there is no such run.
    """
    run = await context.platform.graphs.read(request.thread_id)
    if run is None:
        raise NotFoundError(f"no run {request.thread_id[:80]!r}", hint="list runs with agent_state")
    return await _drive(run, context)


@operation(
    "agent_state",
    toolset="agents",
    scope="read",
    title="State of runs",
    read_only=True,
    examples=examples.STATE,
)
async def agent_state(request: StateInput, context: OperationContext) -> StateOutput:
    """Show where runs of the graphs stand, newest first, as of their last checkpoints.

    Raises:
        NotFoundError: If there is no such run.
    """
    graphs = context.platform.graphs
    names = await graphs.threads() if request.thread_id is None else [request.thread_id]
    runs = []
    for name in names[:20]:
        run = await graphs.read(name)
        if run is None:
            raise NotFoundError(f"no run {name[:80]!r}", hint="list runs with agent_state")
        runs.append(_output(run))
    return StateOutput(runs=runs)
