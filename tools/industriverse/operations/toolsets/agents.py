"""The agents toolset: the threat-response graph as tools; its question to a person is an elicitation."""

import uuid
from typing import Any, Literal

from pydantic import BaseModel, Field

from industriverse.operations.agents import ResponseRun
from industriverse.operations.context import ApprovalRequest, OperationContext
from industriverse.operations.errors import NotFoundError
from industriverse.operations.examples import agents as examples
from industriverse.operations.incidents import incident_of
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.responding import approve_plan

__all__ = [
    "ResumeInput",
    "RunInput",
    "RunOutput",
    "StateInput",
    "StateOutput",
    "agent_resume",
    "agent_run",
    "agent_state",
]


class RunInput(OperationInput):
    """What to answer, and how freely."""

    incident_id: str = Field(description="Incident to answer, from shield_threats")
    mode: Literal["supervised", "autonomous"] = Field(
        default="supervised", description="Ask before every plan, or only before what cannot be undone"
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
        shown = ("actions", "recovered_after_hours", "certificate_id", "proof_refusal", "minted_pft")
        details = [f"{key}: {self.state[key]}" for key in shown if self.state.get(key)]
        return "\n".join([f"run {self.thread_id}: {self.outcome}", *details])


class StateOutput(BaseModel):
    """Runs, newest first."""

    runs: list[RunOutput]

    def __str__(self) -> str:
        return "\n".join(str(run) for run in self.runs) or "no runs"


def _output(run: ResponseRun) -> RunOutput:
    status: Literal["done", "waiting", "interrupted"] = "done"
    if run.waiting_for is not None:
        status = "waiting"
    elif run.next_node is not None:
        status = "interrupted"
    return RunOutput(
        thread_id=run.thread_id,
        status=status,
        outcome=str(run.state.get("outcome", status)),
        next_node=run.next_node,
        waiting_for=run.waiting_for,
        state=run.state,
    )


async def _drive(run: ResponseRun, context: OperationContext) -> RunOutput:
    """Go on until the run ends, asking the person whenever it waits for one."""
    responses = context.platform.responses
    while run.next_node is not None:
        if run.waiting_for is None:
            run = await responses.proceed(run.thread_id, context.progress)
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
        run = await responses.answer(run.thread_id, answer.approved, answer.reason, context.progress)
    return _output(run)


@operation(
    "agent_run",
    toolset="agents",
    scope="respond",
    title="Respond to an incident",
    task=True,
    destructive=True,
    asks=True,
    examples=examples.RUN,
)
async def agent_run(request: RunInput, context: OperationContext) -> RunOutput:
    """Run the response loop for an incident: assess, forecast, plan, ask a person, act, verify, prove, record.

    The run survives the process; agent_resume goes on with one that was cut off.

    Raises:
        NotFoundError: If there is no such incident.
    """
    await context.platform.run(incident_of, context.platform.services, request.incident_id)
    thread_id = context.resume_token or request.thread_id or f"response-{uuid.uuid4().hex[:12]}"
    run = await context.platform.responses.start(
        thread_id, request.incident_id, request.mode, context.progress
    )
    return await _drive(run, context)


@operation(
    "agent_resume",
    toolset="agents",
    scope="respond",
    title="Go on with a response",
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
    run = await context.platform.responses.read(request.thread_id)
    if run is None:
        raise NotFoundError(f"no run {request.thread_id[:80]!r}", hint="list runs with agent_state")
    return await _drive(run, context)


@operation(
    "agent_state",
    toolset="agents",
    scope="read",
    title="State of responses",
    read_only=True,
    examples=examples.STATE,
)
async def agent_state(request: StateInput, context: OperationContext) -> StateOutput:
    """Show where response runs stand, newest first, as of their last checkpoints.

    Raises:
        NotFoundError: If there is no such run.
    """
    responses = context.platform.responses
    names = await responses.threads() if request.thread_id is None else [request.thread_id]
    runs = []
    for name in names[:20]:
        run = await responses.read(name)
        if run is None:
            raise NotFoundError(f"no run {name[:80]!r}", hint="list runs with agent_state")
        runs.append(_output(run))
    return StateOutput(runs=runs)
