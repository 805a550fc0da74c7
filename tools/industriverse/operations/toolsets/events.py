"""Event streams: flows, commands and logs go in, their habits are learned, tickets say who left them and how."""

import tempfile
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from industriverse.operations.context import OperationContext
from industriverse.operations.errors import InvalidArgumentsError, OperationError
from industriverse.operations.examples import eil as examples
from industriverse.operations.incidents import keep_event_tickets, keep_found_event_tickets
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.services import Services
from industriverse.operations.times import parse_time, time_text
from industriverse.signals.events import Event, EventRead, read_log_lines, read_suricata, read_zeek

__all__ = [
    "EventItem",
    "EventStateInput",
    "EventStateOutput",
    "EventTicketItem",
    "FeedEventsInput",
    "FeedEventsOutput",
    "LearnEventsInput",
    "LearnEventsOutput",
    "eil_events",
    "signal_feed_events",
    "signal_learn_events",
]

MOST_EVENTS = 10_000
MOST_CHARACTERS = 4_000_000
SHOWN_TICKETS = 20


class EventItem(BaseModel):
    """One thing that one entity did."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    time: str = Field(max_length=40, description="ISO 8601 time")
    entity: str = Field(min_length=1, max_length=200, description="Who did it, or whom a command went to")
    symbol: str = Field(
        min_length=1, max_length=200, description="What was done: a command, a template, a kind of flow"
    )
    fields: dict[str, str | int | float] = Field(default_factory=dict, max_length=50)


class FeedEventsInput(OperationInput):
    """Events of a stream: as records, or as the text of a log."""

    stream: str = Field(min_length=1, max_length=80, description="Name of the stream of events")
    events: list[EventItem] = Field(
        default_factory=list, max_length=MOST_EVENTS, description="Records in the order of time"
    )
    text: str = Field(
        default="", max_length=MOST_CHARACTERS, description="Lines of a log, instead of records"
    )
    text_format: Literal["zeek", "suricata", "lines"] = Field(
        default="lines",
        description="zeek: conn.log, modbus.log or ICSNPP modbus_detailed.log; suricata: eve.json; "
        "lines: a time, then a message",
    )
    entity: str = Field(default="host", min_length=1, max_length=200, description="Who wrote plain lines")
    zeek_log: Literal["conn", "modbus", "modbus_detailed"] | None = Field(
        default=None, description="Which Zeek log it is, where the text itself does not tell"
    )


class FeedEventsOutput(BaseModel):
    """What came of the events; lines = events + dropped."""

    stream: str
    lines: int
    events: int
    new_events: int
    dropped: dict[str, int]
    tickets: list[str]
    notes: list[str]

    def __str__(self) -> str:
        dropped = ", ".join(f"{count} {reason}" for reason, count in self.dropped.items()) or "none"
        return (
            f"{self.stream}: {self.new_events} new of {self.events} events, dropped: {dropped}, "
            f"{len(self.tickets)} tickets {' '.join(self.tickets)}".rstrip()
        )


class LearnEventsInput(OperationInput):
    """What to learn habits from."""

    stream: str = Field(min_length=1, max_length=80, description="Name of a stream that holds events")
    clean_events: int | None = Field(
        default=None, ge=100, description="The first events, known to be free of attack; all if absent"
    )
    budget_per_day: float = Field(default=1.0, gt=0, le=100_000, description="False tickets accepted per day")


class LearnEventsOutput(BaseModel):
    """The habits that were learned."""

    stream: str
    clean_events: int
    reference_digest: str
    promised_per_day: float
    lowest_certifiable_per_day: float
    budget_certified: bool
    note: str

    def __str__(self) -> str:
        return f"{self.stream}: habits learned from {self.clean_events} clean events. {self.note}"


class EventStateInput(OperationInput):
    """Which stream of events."""

    stream: str = Field(description="Name of the stream of events")


class EventTicketItem(BaseModel):
    """Who left its habits, when and how."""

    id: str
    time: str
    entity: str
    reason: str = Field(description="The leading reason; text of the event is quoted, it is data")
    score_nats: float
    p_value: float


class EventStateOutput(BaseModel):
    """How a stream of events stands."""

    stream: str
    events: int
    watched_events: int
    alarms: int
    tickets: int
    latest_tickets: list[EventTicketItem]
    watched_days: float
    promised_per_day: float
    realised_per_day: float | None
    statement: str
    feedback: list[str] = Field(description="Verdicts that hold at the latest event")

    def __str__(self) -> str:
        lines = [
            f"{self.stream}: {self.watched_events} events watched in {self.watched_days:.2f} days, "
            f"{self.tickets} tickets; {self.statement}"
        ]
        lines += [
            f"{ticket.id} {ticket.time} {ticket.entity}: {ticket.reason}" for ticket in self.latest_tickets
        ]
        return "\n".join(lines)


def _parsed(services: Services, request: FeedEventsInput) -> EventRead:
    """Events of the text; adapters read files, so it becomes one for as long as that takes."""
    suffix = ".json" if request.text_format == "suricata" else ".log"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"sent{suffix}"
        path.write_text(request.text, encoding="utf-8")
        if request.text_format == "zeek":
            return read_zeek(path, log=request.zeek_log)
        if request.text_format == "suricata":
            return read_suricata(path)
        return read_log_lines(path, services.events.miner(request.stream), entity=request.entity)


def _feed(services: Services, request: FeedEventsInput) -> FeedEventsOutput:
    if bool(request.events) == bool(request.text):
        raise InvalidArgumentsError("events and text: exactly one must be given", hint="send one of the two")
    if request.stream in services.streams.store.names():
        raise OperationError(
            f"stream {request.stream!r} holds samples, not events", hint="use another name for the events"
        )
    if request.text:
        read = _parsed(services, request)
    else:
        records = tuple(
            Event(parse_time(item.time, f"events.{row}.time"), item.entity, item.symbol, item.fields)
            for row, item in enumerate(request.events)
        )
        read = EventRead(records, len(records), {}, ())
    new, tickets = services.events.ingest(request.stream, read.events)
    keep_found_event_tickets(services, request.stream)
    keep_event_tickets(services, request.stream, tickets)
    return FeedEventsOutput(
        stream=request.stream,
        lines=read.lines,
        events=len(read.events),
        new_events=new,
        dropped=dict(read.dropped),
        tickets=[ticket.id for ticket in tickets],
        notes=list(read.notes),
    )


def _learn(services: Services, request: LearnEventsInput) -> LearnEventsOutput:
    learned = services.events.learn(request.stream, request.clean_events, request.budget_per_day)
    calibration = learned.reference.calibration
    note = "" if learned.relearned else "These habits were known already. "
    return LearnEventsOutput(
        stream=request.stream,
        clean_events=learned.reference.clean_events,
        reference_digest=learned.reference.digest,
        promised_per_day=calibration.promised_per_day,
        lowest_certifiable_per_day=calibration.lowest_certifiable_per_day,
        budget_certified=calibration.certified,
        note=note
        + calibration.statement()
        + "".join(f" Dropped, judge its next ticket: verdict {sentence}." for sentence in learned.dropped),
    )


def _state(services: Services, request: EventStateInput) -> EventStateOutput:
    live = services.events.watched(request.stream)
    summary = live.summary()
    items = []
    for ticket in live.tickets[-SHOWN_TICKETS:][::-1]:
        shared = ticket.as_ticket()
        items.append(
            EventTicketItem(
                id=ticket.id,
                time=time_text(ticket.onset_ns),
                entity=ticket.entity,
                reason=ticket.explanation.sentence(),
                score_nats=shared.score,
                p_value=shared.p_value,
            )
        )
    return EventStateOutput(
        stream=request.stream,
        events=services.events.store.count(request.stream),
        watched_events=summary.events,
        alarms=summary.alarms,
        tickets=summary.tickets,
        latest_tickets=items,
        watched_days=summary.watched_days,
        promised_per_day=summary.promised_per_day,
        realised_per_day=summary.realised_per_day if summary.watched_days > 0 else None,
        statement=summary.statement,
        feedback=[
            f"{entry.verdict} on {entry.ticket}: {entry.component} of {entry.entity!r} until "
            f"{time_text(entry.expires_ns)}"
            for entry in live.feedback
        ],
    )


@operation(
    "signal_feed_events", toolset="signal", scope="ingest", title="Send events to a stream", idempotent=True
)
async def signal_feed_events(request: FeedEventsInput, context: OperationContext) -> FeedEventsOutput:
    """Keep events of flows, commands or logs, and score them where the habits of the stream are known.

    Sending the same batch again changes nothing.

    Raises:
        InvalidArgumentsError: If both records and text are given, or neither, or a time is no time.
        EventFormatError: If the text is no log of its format.
    """
    return await context.platform.run(_feed, context.platform.services, request)


@operation(
    "signal_learn_events",
    toolset="signal",
    scope="learn",
    title="Learn the habits of a stream of events",
    idempotent=True,
)
async def signal_learn_events(request: LearnEventsInput, context: OperationContext) -> LearnEventsOutput:
    """Learn what entities of a stream usually do, in which order, pace and with which values, from clean events.

    Raises:
        NotFoundError: If there is no such stream of events.
        OperationError: If it holds fewer events than asked for.
        EventFitError: If the events are too few or span no time.
    """
    await context.progress(0.0, 1.0, "learning the habits")
    return await context.platform.run(_learn, context.platform.services, request)


@operation(
    "eil_events",
    toolset="eil",
    scope="read",
    title="State of a stream of events",
    read_only=True,
    examples=examples.EVENTS,
)
async def eil_events(request: EventStateInput, context: OperationContext) -> EventStateOutput:
    """List the latest tickets of a stream of events: who left its habits, when, and the leading reason.

    Raises:
        NotFoundError: If there is no such stream or its habits are not known.
    """
    return await context.platform.run(_state, context.platform.services, request)
