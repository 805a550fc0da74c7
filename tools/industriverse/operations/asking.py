"""What operations know of answering questions; the answerers live above and are handed in."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from industriverse.operations.context import OperationContext
from industriverse.signals import Channel

if TYPE_CHECKING:
    from industriverse.operations.services import Services

__all__ = [
    "AnswerKind",
    "Answered",
    "Answers",
    "Fact",
    "KnownIncident",
    "KnownNames",
    "KnownStream",
    "Question",
    "QuestionMode",
    "read_names",
]

QuestionMode = Literal["auto", "retrieval", "model"]

AnswerKind = Literal["answer", "documentation", "choice", "nothing", "refused", "needs_approval"]
"""``nothing``: understood, but there is no such thing; ``refused``: out of scope or not to be done by asking."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a person asks.

    Attributes:
        text: The question as written.
        conversation: Which conversation it goes on with; only its owner can.
        mode: Retrieval, a language model, or the model where one is set up.
        zone: IANA name of the time zone of times that name none.
    """

    text: str
    conversation: str
    mode: QuestionMode = "auto"
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Fact:
    """One field of a tool's result, with its unit (empty where it has none)."""

    name: str
    value: Any
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer and where it is from.

    Attributes:
        kind: What sort of answer this is.
        text: For people.
        mode: Which answerer wrote it.
        tool: Verb that was called, empty if none was.
        arguments: What it was called with.
        facts: The fields that the text prints.
        time: The time that the facts hold for, empty if they name none.
        link: Where the same can be read again: a resource or a route.
        choices: What the person may choose from, for ``choice``; calls to approve, for ``needs_approval``.
        evidence: Ids of the tool calls that the text rests on.
        note: What the person should know about how this answer came about, empty if nothing.
    """

    kind: AnswerKind
    text: str
    mode: Literal["retrieval", "model"]
    tool: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    facts: tuple[Fact, ...] = ()
    time: str = ""
    link: str = ""
    choices: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    note: str = ""


class Answers(Protocol):
    """Answers questions by calling operations on behalf of the person who asks."""

    async def answer(self, question: Question, context: OperationContext) -> Answered:
        """Answer with what the principal of the context may read."""
        ...


@dataclass(frozen=True, slots=True)
class KnownStream:
    """A stream that can be asked about, and the time of its latest sample."""

    name: str
    channels: tuple[Channel, ...]
    latest_ns: int | None


@dataclass(frozen=True, slots=True)
class KnownIncident:
    """An incident that can be asked about."""

    id: str
    stream: str
    entity: str
    opened_ns: int
    is_open: bool


@dataclass(frozen=True, slots=True)
class KnownNames:
    """What exists on this installation and may be named in a question; incidents newest first."""

    streams: tuple[KnownStream, ...] = ()
    incidents: tuple[KnownIncident, ...] = ()


def _stream(services: "Services", name: str) -> KnownStream:
    store = services.streams.store
    latest_ns = int(store.frame(name, last=1).timestamps_ns[-1]) if store.count(name) else None
    return KnownStream(name, store.channels(name), latest_ns)


def read_names(services: "Services") -> KnownNames:
    """Names of streams, channels and incidents; for the thread that owns the stores."""
    incidents = sorted(services.shield.incidents(), key=lambda incident: -incident.opened_ns)
    return KnownNames(
        streams=tuple(_stream(services, name) for name in services.streams.store.names()),
        incidents=tuple(
            KnownIncident(
                incident.id, incident.stream, incident.entity, incident.opened_ns, incident.closed_ns is None
            )
            for incident in incidents
        ),
    )
