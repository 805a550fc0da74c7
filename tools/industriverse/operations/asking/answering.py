"""From a question to one read-only call and the fields of its result; nothing is said that no field says."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from typing import Any

from pydantic import BaseModel

from industriverse.operations.asking.retrieval import Hit, Retriever
from industriverse.operations.asking.slots import Slots, mask, read_slots
from industriverse.operations.asking.ways import WAYS
from industriverse.operations.registry import registry

__all__ = ["Answered", "Conversations", "Surroundings", "answer_question"]

THRESHOLD = 0.38
"""Below it no example is near enough: the question is out of scope."""

MARGIN = 0.03
"""Two verbs nearer than this are asked about."""

MOST_FOREIGN, MOST_FOREIGN_WITH_NAME = 0.5, 0.9
"""A question of which so much is in words that no example knows is out of scope."""

CLEARLY = 0.15
"""By so much an example of a verb that changes something must be nearer than one that only reads."""

MOST_CONVERSATIONS = 256
MOST_HOURS = 48.0

# Verbs that a question may call; all are read-only and quick.
ASKED = (
    "platform_status", "shield_threats", "shield_explain", "eil_regime", "nvp_forecast", "economy_read",
    "atlas_search", "agent_state", "eil_attention", "eil_reflect", "eil_decide", "shield_plan",
)  # fmt: skip
_LINKS = {
    "eil_regime": "eil://regime/{stream}",
    "shield_threats": "shield://threats/active",
    "shield_explain": "shield://alert/{incident_id}",
    "economy_read": "economy://account/{account}",
}

_STREAM_WORDS = (
    "the water network", "water network", "the water stream", "water stream", "the water", "water", "the stream",
    "the plant", "the network", "practice", "pump", "tank", "sensor",
)  # fmt: skip

Call = Callable[[str, dict[str, Any]], Awaitable[BaseModel]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What exists and may be named.

    Attributes:
        streams: Streams.
        channels: Channels and entities.
        incidents: Incidents, newest first, with their stream.
        now: Time of the latest sample.
    """

    streams: tuple[str, ...]
    channels: tuple[str, ...]
    incidents: tuple[tuple[str, str], ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, or why there is none.

    Attributes:
        status: ``answered``, ``clarify`` or ``refused``.
        text: What is shown.
        verb: The verb that was called; empty if none was.
        arguments: Its arguments.
        result: Its result.
        choices: Verbs between which the question does not decide.
        score: How near the nearest example was.
        link: Resource that shows the same.
    """

    status: str
    text: str
    verb: str = ""
    arguments: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    choices: tuple[str, ...] = ()
    score: float = 0.0
    link: str = ""


class Conversations:
    """What the last question of each conversation was about; the oldest are forgotten."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, tuple[Slots, str]] = OrderedDict()

    def before(self, name: str) -> tuple[Slots, str]:
        """Slots and shown time of the last answer."""
        return self._last.get(name, (Slots(), ""))

    def keep(self, name: str, slots: Slots, shown: str) -> None:
        """Remember an answer."""
        if name:
            self._last[name] = (slots, shown)
            self._last.move_to_end(name)
            while len(self._last) > MOST_CONVERSATIONS:
                self._last.popitem(last=False)


@cache
def retriever() -> Retriever:
    """Over the examples of every verb; those that change something are known in order to be refused by name."""
    declared_ways = (
        (declared.name, example.question) for declared in registry for example in declared.examples
    )
    further = ((verb, way) for verb, ways in WAYS.items() for way in ways)
    return Retriever((verb, mask(text, _STREAM_WORDS)) for verb, text in chain(declared_ways, further))


async def answer_question(
    question: str, conversation: str, kept: Conversations, around: Surroundings, call: Call
) -> Answered:
    """Answer, ask back, or refuse.

    Args:
        question: As written.
        conversation: Name under which follow-up questions are understood; empty for none.
        kept: Conversations so far.
        around: What exists.
        call: Calls a verb with the rights of who asks.
    """
    before, shown = kept.before(conversation)
    slots = read_slots(question, around.streams, around.channels, around.now, shown)
    names = (*_STREAM_WORDS, *around.streams, *around.channels)
    ranked = understood(mask(question, names))
    verb = _follow_up(question, slots, before, ranked)
    score = ranked[0].score if ranked else 0.0
    if not verb:
        refused = _refused_or_unclear(ranked)
        if refused is not None:
            return refused
        verb = ranked[0].verb
    slots = replace(slots.filled_from(before, question), verb=verb)
    arguments = _arguments(verb, slots, around)
    if isinstance(arguments, str):
        return Answered("clarify", arguments, verb=verb, score=score)
    result = await call(verb, arguments)
    fields = result.model_dump(mode="json")
    time = str(fields.get("time", ""))
    kept.keep(conversation, replace(slots, **_named_in(arguments)), time or shown)
    link = _LINKS.get(verb, "").format(
        **{"account": "treasury", "stream": "", "incident_id": "", **arguments}
    )
    return Answered("answered", str(result), verb, arguments, fields, (), score, link)


def _follow_up(question: str, slots: Slots, before: Slots, ranked: list[Hit]) -> str:
    """The verb of the question before, where this one only moves it in time or to another stream."""
    short = len(question.split()) <= 6
    moved = bool(slots.at or slots.stream or slots.hours is not None)
    strong = bool(ranked) and ranked[0].score >= 2 * THRESHOLD
    return before.verb if before.verb and short and moved and not strong else ""


def understood(masked: str) -> list[Hit]:
    """Verbs for a masked question, best first; none if most of its words are foreign to the platform."""
    limit = MOST_FOREIGN_WITH_NAME if "<name>" in masked else MOST_FOREIGN
    if retriever().foreign_share(masked) >= limit:
        return []
    return preferred(retriever().rank(masked))


def preferred(ranked: list[Hit]) -> list[Hit]:
    """What a question may call before what it may not, unless the latter is clearly meant."""
    if not ranked or ranked[0].verb in ASKED:
        return ranked
    nearest = next((hit for hit in ranked if hit.verb in ASKED), None)
    if nearest is None or ranked[0].score - nearest.score > CLEARLY:
        return ranked
    return [nearest, *(hit for hit in ranked if hit is not nearest)]


def _refused_or_unclear(ranked: list[Hit]) -> Answered | None:
    if not ranked or ranked[0].score < THRESHOLD:
        topics = ", ".join(registry[verb].title.lower() for verb in ASKED if verb in registry)
        text = f"That is outside of what can be answered from this platform's tools. I can answer about: {topics}."
        return Answered("refused", text, score=ranked[0].score if ranked else 0.0)
    best = ranked[0]
    if best.verb not in ASKED or not registry[best.verb].read_only:
        title = registry[best.verb].title.lower()
        text = f"That would need {best.verb} ({title}), which questions do not call: call it yourself."
        return Answered("refused", text, choices=(best.verb,), score=best.score)
    second = next((hit for hit in ranked[1:] if hit.verb in ASKED), None)
    if second is not None and best.score < 0.75 and best.score - second.score < MARGIN:
        titles = " or ".join(registry[hit.verb].title.lower() for hit in (best, second))
        return Answered(
            "clarify", f"Did you mean: {titles}?", choices=(best.verb, second.verb), score=best.score
        )
    return None


def _named_in(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {key: arguments[key] for key in ("stream", "incident_id") if arguments.get(key)}


def _arguments(verb: str, slots: Slots, around: Surroundings) -> dict[str, Any] | str:
    """Arguments of the call, or what to ask back."""
    declared = registry[verb].input_model.model_fields
    arguments: dict[str, Any] = {}
    if "incident_id" in declared and verb in ("shield_explain", "shield_plan"):
        own = [name for name, stream in around.incidents if not slots.stream or stream == slots.stream]
        if not slots.incident_id and not own:
            return "There is no incident that this could be about."
        arguments["incident_id"] = slots.incident_id or own[0]
    if "stream" in declared:
        if slots.stream:
            arguments["stream"] = slots.stream
        elif declared["stream"].is_required():
            if len(around.streams) != 1:
                known = ", ".join(around.streams) or "none yet"
                return f"Which stream? Streams are: {known}."
            arguments["stream"] = around.streams[0]
    if "at" in declared and slots.at:
        arguments["at"] = slots.at
    if "horizon_hours" in declared and slots.hours is not None:
        if not 0 < slots.hours <= MOST_HOURS:
            return f"How far ahead? At most {MOST_HOURS:.0f} hours can be forecast."
        arguments["horizon_hours"] = slots.hours
    return arguments


def utc(timestamp_ns: int) -> datetime:
    """A time in nanoseconds as a datetime."""
    return datetime.fromtimestamp(timestamp_ns / 1e9, tz=UTC)
