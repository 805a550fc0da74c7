"""Questions answered without a language model: retrieve the verb, fill its arguments, call it, print its fields."""

import asyncio
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from industriverse.agents.answering.index import Candidate, Utterance
from industriverse.agents.answering.links import link_of
from industriverse.agents.answering.memory import Conversations, Frame, Pending
from industriverse.agents.answering.moments import read_times
from industriverse.agents.answering.naming import Reading, read_naming
from industriverse.agents.answering.orders import asks, orders
from industriverse.agents.answering.pages import Pages
from industriverse.agents.answering.ranking import OUTSIDE, Ranking, ranking_of
from industriverse.agents.answering.slots import (
    Filled,
    Missing,
    Situation,
    entities_of,
    fill,
    stream_of,
)
from industriverse.agents.answering.text import FUNCTION_WORDS, fold, tokens, ungreeted
from industriverse.agents.answering.wording import word_result
from industriverse.operations.asking import Answered, KnownNames, KnownStream, Question, read_names
from industriverse.operations.context import OperationContext
from industriverse.operations.errors import NotAllowedError
from industriverse.operations.examples.further import further, styles
from industriverse.operations.examples.outside import OUTSIDE as OUTSIDE_QUESTIONS
from industriverse.operations.examples.platform import DOCUMENTATION
from industriverse.operations.policy import invoke
from industriverse.operations.registry import Example, Operation, Registry
from industriverse.operations.times import parse_time
from industriverse.physics import IndustriverseError

__all__ = ["RetrievalAnswers", "known_questions"]

PAGES = "documentation"
EXAMPLE_STREAM = "water"
"""The stream that examples speak of."""
SHOWN = ("eil_regime", "shield_threats", "shield_explain", "nvp_forecast", "eil_decide", "platform_status")
"""Verbs whose first questions are shown to who asked for something else."""
LEAST_SCORE = 0.2
"""Below this no verb is near enough; this and the next by leaving out one style of asking after the other."""
FOREIGN_WORD = 0.05
"""What each of the first two words that no question in scope has takes from a verb's lead over `outside`."""
MOST_FOREIGN_WORDS = 2
LEAST_MARGIN = 0.03
"""Nearer together than this, the person is asked which of two verbs was meant."""

_MASKS = frozenset(
    [
        "ENTITY",
        "STREAM",
        "TIME",
        "PERIOD",
        "AHEAD",
        "SHIFT",
        "UNIT",
        "AMOUNT",
        "ADDRESS",
        "INCIDENT",
        "RECORD",
        "THREAD",
        "PLANID",
        "DIGEST",
    ]
)
_CHOICE = re.compile(
    r"^(?:the |option |number |i mean |i meant )*"
    r"(?:(?P<letter>[a-f])|(?P<number>[1-6])|(?P<word>first|second|third|former|latter))(?: one)?[.!)]*$"
)
_DEFINE = re.compile(
    r"^(?:what(?:'?s| is| does| do)?|define|explain|meaning of|what is meant by|what is the meaning of) "
    r"(?:an? |the )?([a-z]{3,6})(?: mean| stand for| stands for| means)?[?. ]*$"
)
"""Asks what an abbreviation means."""
_WORD_OF_ART = re.compile(
    r"\b(?:by (?:what|which) formula|formula (?:for|of|behind)|meant (?:by|with)|stands? for|definition of|"
    r"what do(?:es)? .+ mean)\b|^(?:define|what do you mean (?:by|with))\b"
)
"""Asks what something means, which no verb tells."""
_IN_GENERAL = re.compile(
    r"^(?:(?:so|and|please|tell me|(?:can|could) you (?:explain|tell me)|explain(?: to me)?),? )*"
    r"(?:what (?:is|are) (?:an? |the (?:difference|meaning|purpose|point|definition)\b)|"
    r"what'?s (?:an? |the difference\b)|"
    r"what (?:is|are) .* (?:good|used) for|what distinguishes|how (?:do|can|should|would) (?:i|we|one|you|people)\b|"
    r"how (?:do|does|is|are|did) |why (?:do|does|is|are) (?:the|an?) )"
)
"""Asks how things are in general; of the documentation, if that knows every word and no verb is near."""
MOST_OUTSIDE = 0.4
"""More alike than this to what is out of scope, such a question is refused."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A verb, or the pages, and the example that led there."""

    label: str
    example: Example | None
    follow_up: bool = False


def _told(registry: Registry, without: Collection[str] = ()) -> dict[str, tuple[Example, ...]]:
    """Questions by what they mean: a verb, the pages, or nothing here; without those of some styles."""
    told = {o.name: o.examples for o in registry if o.examples}
    told |= {PAGES: DOCUMENTATION, OUTSIDE: tuple(Example(question, {}) for question in OUTSIDE_QUESTIONS)}
    more = [further(), *(by_verb for who, by_verb in styles().items() if who not in without)]
    return {
        label: (*examples, *(example for by_verb in more for example in by_verb.get(label, ())))
        for label, examples in told.items()
    }


def known_questions(registry: Registry, without: Collection[str] = ()) -> tuple[Utterance, ...]:
    """Masked questions of all verbs, of the pages, and of what is out of scope.

    Args:
        registry: The verbs.
        without: Styles of asking that are left out, to see how well others stand in for them.
    """
    return tuple(
        Utterance(label, _masked(example, label != OUTSIDE), position)
        for label, examples in _told(registry, without).items()
        for position, example in enumerate(examples)
    )


def _masked(example: Example, inside: bool) -> str:
    """An example as questions are compared: its streams, names and times masked."""
    stream = example.arguments.get("stream")
    known = {stream} if isinstance(stream, str) else set()
    # Out of scope, water is what one drinks.
    known |= {EXAMPLE_STREAM} if inside else set()
    names = KnownNames(streams=tuple(KnownStream(name, (), None) for name in sorted(known)))
    return read_times(read_naming(fold(example.question), names).masked, 0, "UTC")[0]


class RetrievalAnswers:
    """Answers by retrieval.

    Args:
        registry: The verbs and the questions that they are known by.
        conversations: What was said before.
        without: Styles of asking that are not learnt from (see :func:`known_questions`).
    """

    def __init__(
        self, registry: Registry, conversations: Conversations, without: Collection[str] = ()
    ) -> None:
        self._registry = registry
        self._conversations = conversations
        self._without = without
        self._examples = _told(registry, without)

    @cached_property
    def _ranking(self) -> Ranking:
        return ranking_of(known_questions(self._registry, self._without))

    def rank(self, text: str, names: KnownNames) -> list[Candidate]:
        """Verbs for a question, the nearest first."""
        return self._ranking.rank(self._mask(text, names)[1])

    def _mask(self, text: str, names: KnownNames) -> tuple[Reading, str]:
        reading = read_naming(ungreeted(fold(text)), names, self._ranking.vocabulary)
        return reading, read_times(reading.masked, 0, "UTC")[0]

    async def answer(self, question: Question, context: OperationContext) -> Answered:
        """Answer with one call of a verb that changes nothing."""
        platform = context.platform
        names = await platform.run(lambda: read_names(platform.services))
        # The first question of a process fits the ranking, which takes about a second.
        await asyncio.to_thread(lambda: self._ranking.rank("ready"))
        owner = context.principal.identity
        frame = self._conversations.recall(owner, question.conversation)
        answered, after = await self._answer(question, context, names, frame)
        self._conversations.keep(owner, question.conversation, after)
        return answered

    async def _answer(
        self, question: Question, context: OperationContext, names: KnownNames, frame: Frame
    ) -> tuple[Answered, Frame]:
        text, chosen, forced = question.text, dict[str, str](), ""
        picked = _picked(frame.pending, fold(question.text)) if frame.pending else None
        if frame.pending is not None and picked is not None:
            text, chosen = frame.pending.question, {**frame.chosen, frame.pending.field: picked}
            forced = chosen.get("tool", frame.pending.tool)
        frame = replace(frame, pending=None, chosen={})
        reading, masked = self._mask(text, names)
        if not tokens(masked):
            return _refused("This is no question in words."), frame
        if orders(reading.folded, masked):
            return _refused(
                "That is an order, and a question never changes anything. Call the verb itself."
            ), frame
        found = self._find(reading, masked, frame, forced)
        if isinstance(found, Answered):
            pending = Pending(text, "tool", found.choices) if found.kind == "choice" else None
            return found, replace(frame, pending=pending, chosen=chosen)
        if found.label == PAGES:
            return self._quote(reading), frame
        declared = self._registry[found.label]
        if not declared.read_only:
            return _acting(declared), frame
        situation = self._situate(reading, question.zone, names, frame, chosen, context)
        return await self._call(declared, found, situation, context, text)

    def _find(self, reading: Reading, masked: str, frame: Frame, forced: str) -> _Found | Answered:
        ranked = self._ranking.rank(masked)
        if asks(reading.folded):
            ranked = [c for c in ranked if c.label in (PAGES, OUTSIDE) or self._registry[c.label].read_only]
        if forced:
            example = next((c.utterance for c in ranked if c.label == forced), None)
            return _Found(forced, None if example is None else self._examples[forced][example.position])
        best, second = ranked[0], ranked[1]
        defined = _DEFINE.match(reading.folded)
        if defined and self._documentation.explains(defined[1]):
            return _Found(PAGES, None)
        if frame.tool and _asks_nothing_new(masked):
            return _Found(frame.tool, Example("", frame.arguments), follow_up=True)
        outside_score = next(candidate.score for candidate in ranked if candidate.label == OUTSIDE)
        in_general = outside_score < MOST_OUTSIDE and self._is_written(reading.folded, masked)
        if in_general and _WORD_OF_ART.search(reading.folded):
            return _Found(PAGES, None)
        if self._is_strange(best, outside_score, masked):
            if in_general and _IN_GENERAL.match(reading.folded):
                return _Found(PAGES, None)
            return _refused("I cannot answer that: nothing that I can look up is near to it.", self._topics())
        if best.score - second.score < LEAST_MARGIN and best.label != PAGES:
            both = (best.label, second.label)
            if all(label not in (PAGES, OUTSIDE) and self._registry[label].read_only for label in both):
                titles = " or ".join(f"{self._registry[label].title} ({label})" for label in both)
                return Answered("choice", f"Did you mean {titles}?", "retrieval", choices=both)
        return _Found(best.label, self._examples[best.label][best.utterance.position])

    def _is_strange(self, best: Candidate, outside_score: float, masked: str) -> bool:
        """Whether a verb's lead over what is out of scope is too small for the words that were used."""
        if best.label == OUTSIDE or best.score < LEAST_SCORE:
            return True
        foreign = self._ranking.foreign(masked, FUNCTION_WORDS | _MASKS)
        return best.score - outside_score < FOREIGN_WORD * min(foreign, MOST_FOREIGN_WORDS)

    def _is_written(self, folded: str, masked: str) -> bool:
        """Whether the pages know every word of a question that names nothing."""
        if any(word in _MASKS for word in tokens(masked)) or self._documentation.strangers(folded):
            return False
        return self._documentation.find(folded) is not None

    def _topics(self) -> str:
        titles = [
            f"“{self._registry[name].examples[0].question}”" for name in SHOWN if name in self._registry
        ]
        return "I can answer, for instance: " + ", ".join(titles)

    @cached_property
    def _documentation(self) -> Pages:
        return Pages()

    def _quote(self, reading: Reading) -> Answered:
        page = self._documentation.find(reading.folded)
        # "What is dark energy" is near to the pages; what has a word that is nowhere here is none of their business.
        strangers = self._documentation.strangers(reading.folded)
        if page is None or self._ranking.foreign(" ".join(strangers), FUNCTION_WORDS):
            return _refused("The documentation says nothing near to that.", self._topics())
        text = f"{page.text}\n(from the documentation: {page.link})"
        return Answered("documentation", text, "retrieval", tool=PAGES, link=page.link)

    def _situate(
        self,
        reading: Reading,
        zone: str,
        names: KnownNames,
        frame: Frame,
        chosen: dict[str, str],
        context: OperationContext,
    ) -> Situation:
        """Read the times relative to the latest sample of the stream that is meant, or to the clock."""
        anchor_ns = context.platform.clock()
        _, times = read_times(reading.masked, anchor_ns, zone)
        situation = Situation(reading, times, names, frame, chosen)
        stream = stream_of(situation)
        samples = [s.latest_ns for s in names.streams if s.latest_ns and stream in (None, s.name)]
        if samples:
            _, times = read_times(reading.masked, max(samples), zone)
        return replace(situation, times=times)

    async def _call(
        self, declared: Operation, found: _Found, situation: Situation, context: OperationContext, text: str
    ) -> tuple[Answered, Frame]:
        frame = situation.frame
        if "stream" not in declared.input_model.model_fields and declared.toolset == "ops":
            now_ns = context.platform.clock()
            situation = replace(situation, times=read_times(situation.reading.masked, now_ns, "UTC")[1])
        unclear = _unclear_time(situation)
        if unclear is not None:
            return unclear, frame
        filled = _which_asset(situation) or fill(declared, found.example, situation)
        if isinstance(filled, Missing):
            kind = "choice" if filled.choices else "nothing"
            asked = Answered(kind, filled.text, "retrieval", choices=filled.choices)  # type: ignore[arg-type]
            pending = Pending(text, filled.field, filled.choices, declared.name) if filled.choices else None
            return asked, replace(frame, pending=pending, chosen=situation.chosen)
        arguments = _carried(found, filled.arguments, situation) if found.follow_up else filled.arguments
        try:
            result = await invoke(
                context.platform,
                declared.name,
                arguments,
                principal=context.principal,
                progress=context.progress,
            )
        except NotAllowedError as error:
            return _refused(str(error)), frame
        except IndustriverseError as error:
            return Answered(
                "nothing", str(error), "retrieval", tool=declared.name, arguments=arguments
            ), frame
        return self._worded(declared, arguments, result, situation, filled)

    def _worded(
        self,
        declared: Operation,
        arguments: dict[str, Any],
        result: BaseModel,
        situation: Situation,
        filled: Filled,
    ) -> tuple[Answered, Frame]:
        entities = entities_of(situation)
        channels = tuple(arguments.get("channels") or ())
        reading, frame = situation.reading, situation.frame
        rest = situation.times if "start" not in declared.input_model.model_fields else None
        worded = word_result(
            result,
            reading,
            rest or type(situation.times)(),
            () if "entity" in arguments else entities,
            channels,
        )
        told = str(getattr(result, "time", "") or getattr(result, "since", "") or "")
        link = link_of(declared, arguments)
        source = ", ".join(part for part in (declared.name, told, link) if part)
        answered = Answered(
            kind="answer",
            text=f"{worded.text}\n({source})",
            mode="retrieval",
            tool=declared.name,
            arguments=arguments,
            facts=worded.facts,
            time=told,
            link=link,
            note=_joined(filled.note, _unused(declared, situation)),
        )
        after = Frame(
            tool=declared.name,
            arguments=arguments,
            stream=str(arguments.get("stream") or stream_of(situation) or frame.stream),
            entity=entities[0] if len(entities) == 1 else frame.entity,
            incident=_incident_in(arguments, result) or frame.incident,
            time_ns=parse_time(told, "time") if told else frame.time_ns,
            turns=frame.turns,
        )
        return answered, after


def _refused(why: str, instead: str = "") -> Answered:
    return Answered("refused", f"{why} {instead}".strip(), "retrieval")


def _acting(declared: Operation) -> Answered:
    return _refused(
        f"That would change something ({declared.title.lower()}); a question never does. "
        f"Call {declared.name} yourself if you mean it."
    )


def _asks_nothing_new(masked: str) -> bool:
    words = tokens(masked)
    said = [word for word in words if word not in FUNCTION_WORDS and word not in _MASKS]
    return not said and (any(word in _MASKS for word in words) or "still" in words)


def _picked(pending: Pending | None, folded: str) -> str | None:
    """The choice that a reply names, None if it is no reply to the question."""
    if pending is None:
        return None
    named = [choice for choice in pending.choices if choice.casefold() in folded]
    if len(named) == 1:
        return named[0]
    match = _CHOICE.match(folded.rstrip("?. "))
    if match is None:
        return None
    if match["letter"]:
        position = ord(match["letter"]) - ord("a")
    elif match["number"]:
        position = int(match["number"]) - 1
    else:
        position = {"first": 0, "former": 0, "second": 1, "latter": -1, "third": 2}[match["word"]]
    return pending.choices[position] if position < len(pending.choices) else None


def _which_asset(situation: Situation) -> Missing | None:
    """Ask where one asset of several is meant: "the pump"."""
    reading, entities = situation.reading, entities_of(situation)
    if reading.entities or reading.channels or len(entities) < 2:
        return None
    if any(
        re.search(rf"\b(?:the|that|this|my|our) {kind}\b(?! levels)", reading.folded)
        for kind in reading.kinds
    ):
        shown = entities[:6]
        return Missing("entity", f"Which do you mean: {' or '.join(shown)}?", shown)
    return None


def _unclear_time(situation: Situation) -> Answered | None:
    times = situation.times
    if times.either is not None:
        return Answered(
            "choice",
            f"Which day do you mean: {times.either[0]} or {times.either[1]}? Ask again with the day written so.",
            "retrieval",
            choices=times.either,
        )
    if times.unknown_zone:
        return Answered(
            "nothing",
            f"I cannot tell which time zone {times.unknown_zone!r} is: write UTC, +01:00 or a name like Europe/Berlin.",
            "retrieval",
        )
    if times.shift_hours is not None and situation.frame.time_ns is None:
        return Answered("nothing", "Earlier or later than what? Name the time.", "retrieval")
    return None


def _carried(found: _Found, arguments: dict[str, Any], situation: Situation) -> dict[str, Any]:
    """A follow-up keeps what the call before had, save what it says anew."""
    before = dict(found.example.arguments if found.example else {})
    reading, times = situation.reading, situation.times
    if times.named:
        for name in ("at", "start", "stop", "horizon_hours"):
            before.pop(name, None)
    if reading.names_something:
        for name in ("entity", "channels", "incident_id", "id"):
            if name in arguments or reading.streams:
                before.pop(name, None)
    kept = (
        arguments
        if reading.names_something
        else {
            name: value
            for name, value in arguments.items()
            if name not in ("entity", "channels") or name not in before
        }
    )
    channels = before.get("channels")
    merged = {**before, **kept}
    if channels is None and found.example is not None and reading.entities:
        asked_before = found.example.arguments.get("channels") or []
        wanted = {channel.rsplit(".", 1)[-1] for channel in asked_before}
        same = [c for c in merged.get("channels") or [] if c.rsplit(".", 1)[-1] in wanted]
        if same:
            merged["channels"] = same
    return merged


def _unused(declared: Operation, situation: Situation) -> str:
    """Say so when a time that was named had no effect."""
    times, fields = situation.times, set(declared.input_model.model_fields)
    if times.ahead_hours is not None and fields & {"horizon_hours"}:
        return ""
    if not times.named or fields & {"at", "start", "stop"} or times.start_ns is not None:
        return ""
    if times.at_ns is not None or times.shift_hours is not None or times.ahead_hours is not None:
        return f"{declared.name} cannot look at another time: this is the latest."
    return ""


def _incident_in(arguments: dict[str, Any], result: BaseModel) -> str:
    if "incident_id" in arguments:
        return str(arguments["incident_id"])
    incidents = getattr(result, "incidents", None)
    return str(incidents[0].id) if isinstance(incidents, list) and len(incidents) == 1 else ""


def _joined(*parts: str) -> str:
    return " ".join(_nonempty(parts))


def _nonempty(parts: Iterable[str]) -> list[str]:
    return [part for part in parts if part]
