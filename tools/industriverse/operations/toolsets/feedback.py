"""The eil toolset, what people say: verdicts on tickets, decisions on regimes, planned work."""

from typing import Literal

from pydantic import BaseModel, Field

from industriverse.operations.context import OperationContext
from industriverse.operations.errors import NotFoundError
from industriverse.operations.examples import eil as examples
from industriverse.operations.incidents import is_of_events
from industriverse.operations.journal import ShiftEntry, WorkEntry
from industriverse.operations.judging import judge_ticket
from industriverse.operations.live import LiveStream
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.services import Services
from industriverse.operations.times import parse_time, time_text

__all__ = [
    "ExpectInput",
    "ExpectOutput",
    "FeedbackInput",
    "FeedbackOutput",
    "eil_expect",
    "eil_feedback",
]

LONGEST_HOLD_HOURS = 720.0
WORK_BEFORE_CHANGE_NS = 3600 * 1_000_000_000


class FeedbackInput(OperationInput):
    """What a person says of a ticket or of a regime shift."""

    stream: str = Field(description="Name of the stream")
    subject: str = Field(max_length=80, description="Id of a ticket (t-...) or of a regime shift (r-...)")
    verdict: Literal["false", "true", "planned_work"] = Field(
        description="false: nothing is wrong. true: something is. planned_work: we did it"
    )
    component: str | None = Field(
        default=None,
        max_length=80,
        description="For a ticket: the one component to recalibrate; the one that led the ticket if absent",
    )
    hold_hours: float = Field(
        default=24.0, gt=0, le=LONGEST_HOLD_HOURS, description="For a ticket: when the verdict expires"
    )


class FeedbackOutput(BaseModel):
    """What follows from the verdict."""

    stream: str
    subject: str
    verdict: str
    component: str | None
    component_nats: float | None = Field(description="What that component said at the ticket")
    expires: str | None
    regimes_admitted: int
    effect: str

    def __str__(self) -> str:
        return self.effect


class ExpectInput(OperationInput):
    """Planned work on a stream."""

    stream: str = Field(description="Name of the stream")
    order: str = Field(min_length=1, max_length=80, description="Number of the work order")
    start: str = Field(description="ISO 8601 time from which the work may move the stream")
    end: str = Field(description="ISO 8601 time until which it may")
    channels: list[str] = Field(min_length=1, max_length=1000, description="Channels that it may move")


class ExpectOutput(BaseModel):
    """Announced work."""

    stream: str
    order: str
    start: str
    end: str
    channels: list[str]

    def __str__(self) -> str:
        return (
            f"work order {self.order} on {self.stream} from {self.start} to {self.end}: a change of regime that "
            f"begins in this time and is led by {', '.join(self.channels[:5])} joins without a further word"
        )


def _on_ticket(services: Services, request: FeedbackInput, by: str) -> FeedbackOutput:
    judged = judge_ticket(
        services, request.stream, request.subject, request.verdict, by=by, component=request.component,
        hold_hours=request.hold_hours,
    )  # fmt: skip
    of_samples = not is_of_events(services, request.stream)
    return FeedbackOutput(
        stream=request.stream,
        subject=request.subject,
        verdict=request.verdict,
        component=judged.component,
        component_nats=judged.component_nats,
        expires=judged.expires,
        regimes_admitted=services.streams.watched(request.stream).regimes if of_samples else 0,
        effect=judged.effect,
    )


def _on_shift(services: Services, live: LiveStream, request: FeedbackInput, by: str) -> FeedbackOutput:
    known = {shift.id: shift for shift in live.shifts}
    shift = known.get(request.subject)
    if shift is None or not shift.pending:
        waiting = ", ".join(s.id for s in live.shifts if s.pending) or "none"
        state = f"is {shift.state}" if shift else "does not exist"
        raise NotFoundError(
            f"regime shift {request.subject[:40]!r} {state}", hint=f"shifts that wait: {waiting}"
        )
    if request.verdict == "planned_work":
        entry: ShiftEntry | WorkEntry = WorkEntry(
            order=f"feedback on {shift.id}",
            start_ns=shift.change_ns - WORK_BEFORE_CHANGE_NS,
            stop_ns=shift.change_ns + WORK_BEFORE_CHANGE_NS,
            channels=(shift.leading,),
            by=by,
        )
    else:
        entry = ShiftEntry(shift=shift.id, admitted=request.verdict == "false", by=by)
    services.streams.tell(request.stream, entry)
    effects = {
        "false": "the regime in quarantine is admitted: from now on it counts as equilibrium too",
        "true": "the regime in quarantine is refused: the stream is judged by the admitted regimes alone",
        "planned_work": f"the work is noted: the regime joins at the next decision, {shift.leading} led it",
    }
    return FeedbackOutput(
        stream=request.stream,
        subject=request.subject,
        verdict=request.verdict,
        component=None,
        component_nats=None,
        expires=None,
        regimes_admitted=live.regimes,
        effect=f"{effects[request.verdict]} ({by})",
    )


@operation(
    "eil_feedback", toolset="eil", scope="learn", title="Say what a ticket was", examples=examples.FEEDBACK
)
async def eil_feedback(request: FeedbackInput, context: OperationContext) -> FeedbackOutput:
    """Say of a ticket or a regime shift that it was false, true or planned work.

    On a ticket, of samples or of events, the verdict recalibrates one component of the alarm and expires. On a
    regime shift, false admits the regime that waits in quarantine and true refuses it.

    Raises:
        NotFoundError: If there is no such stream or no such shift waits.
        RegimeError: If the stream raised no such ticket, or the regime is still being collected.
        InvalidArgumentsError: If the component took no part in the ticket.
    """

    def take(services: Services) -> FeedbackOutput:
        if not request.subject.startswith("r-"):
            return _on_ticket(services, request, context.principal.name)
        live = services.streams.watched(request.stream)
        return _on_shift(services, live, request, context.principal.name)

    return await context.platform.run(take, context.platform.services)


@operation(
    "eil_expect", toolset="eil", scope="learn", title="Announce planned work", examples=examples.EXPECT
)
async def eil_expect(request: ExpectInput, context: OperationContext) -> ExpectOutput:
    """Announce planned work: a regime shift that begins in its time on its channels is admitted when it is fitted.

    Raises:
        NotFoundError: If there is no such stream or nothing was learned from it.
        RegimeError: If a channel is unknown or the work ends before it begins.
    """

    def take(services: Services) -> ExpectOutput:
        start_ns, stop_ns = parse_time(request.start, "start"), parse_time(request.end, "end")
        services.streams.tell(
            request.stream,
            WorkEntry(
                order=request.order,
                start_ns=start_ns,
                stop_ns=stop_ns,
                channels=tuple(request.channels),
                by=context.principal.name,
            ),
        )
        return ExpectOutput(
            stream=request.stream,
            order=request.order,
            start=time_text(start_ns),
            end=time_text(stop_ns),
            channels=request.channels,
        )

    return await context.platform.run(take, context.platform.services)
