"""Arguments of a verb from what a question names, what was said before, and what exists."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from industriverse.agents.answering.memory import Frame
from industriverse.agents.answering.moments import Times
from industriverse.agents.answering.naming import Reading
from industriverse.agents.answering.quantities import convert, dimension_of
from industriverse.agents.answering.said import said_outright
from industriverse.operations.asking import KnownIncident, KnownNames
from industriverse.operations.registry import Example, Operation
from industriverse.operations.times import time_text

__all__ = ["Filled", "Missing", "Situation", "fill"]

SLOTS = frozenset(
    [
        "stream",
        "at",
        "start",
        "stop",
        "horizon_hours",
        "incident_id",
        "entity",
        "channels",
        "plan_id",
        "thread_id",
        "plant_id",
        "id",
        "account",
        "certificate_id",
        "principal",
        "trace_id",
        "options",
        "limit",
        "cursor",
        "nonce",
        "zone",
        "address",
        "channel",
        "rows",
        "field_id",
    ]
)
"""Arguments that are never taken over from an example."""

_ASSETS = {
    "saving": "SAVING",
    "saved": "SAVING",
    "ceu": "CEU",
    "compute": "CEU",
    "pft": "PFT",
    "proof": "PFT",
    "munt": "MUNT",
    "model unit": "MUNT",
}
_COUNTS = {
    word: i + 1
    for i, word in enumerate(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"])
}
_COUNT = r"(\d{1,3}|" + "|".join(_COUNTS) + ")"
_LIMIT = re.compile(
    rf"\b(?:last|latest|newest|top|first|most recent|show(?: me)?|list) {_COUNT} "
    r"(?!s\b|sec|min|h\b|hour|hrs|day|week|month)"
    rf"|\b{_COUNT} (?:latest|last|newest|most recent|recent)\b(?! (?:h|hour|min|day|week))"
    rf"|\b(?:max(?:imum)?|at most|not more than|no more than) {_COUNT}\b(?! ?(?:h|hour|min|day|week|sec))"
)
_THRESHOLD = re.compile(
    r"(?:\b(?:above|over|exceed(?:s|ing)?|past|beyond|more than|higher than|greater than|reach(?:es|ing)?) |>=? ?)"
    r"(-?\d+(?:\.\d+)?)"
)
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?\b")
_ACCOUNT = re.compile(r"\b((?:account|budget|escrow|user):[\w.@-]*\w)")
_ROWS = re.compile(r"\b(\d{1,6}) (?:samples|rows|readings|values|points|records)\b")
_WHO = re.compile(r"\b(?:user|caller|principal|account of|by|did|has|of|from) ([a-z][\w.@-]*[\w])")
_CALLER = re.compile(
    r"\b(?:user|caller|principal|account of) (?P<a>[a-z][\w.@-]*\w)|"
    r"\b(?:calls?|entries|activity|activities|actions|requests|operations|anything|everything|log|history|made|done|called|issued)"
    r" (?:of|by|from) (?P<b>[a-z][\w.@-]*\w)|\bdid (?P<c>[a-z][\w.@-]*\w) (?:do|call|use|change|touch)\b|"
    r"\bhas (?P<d>[a-z][\w.@-]*\w) (?:been doing|done|called|used)\b|\beverything (?P<e>[a-z][\w.@-]*\w) did\b|"
    r"\b(?P<f>[a-z][\w.@-]*\w)'s (?:calls|activity|actions|requests|entries)\b|"
    r"what (?P<g>[a-z][\w.@-]*\w) (?:called|did)\b"
)
_NOBODY = frozenset(
    [
        "all",
        "each",
        "every",
        "everyone",
        "everybody",
        "users",
        "user",
        "people",
        "today",
        "yesterday",
        "tool",
        "tools",
        "hour",
        "last",
        "time",
        "us",
        "me",
        "operation",
        "whom",
        "last",
        "guests",
        "been",
        "just",
        "something",
        "plan",
        "the",
        "a",
        "an",
        "anyone",
        "anybody",
        "someone",
        "somebody",
        "who",
        "which",
        "what",
        "it",
        "he",
        "she",
        "they",
        "you",
        "we",
        "i",
        "any",
        "this",
        "that",
    ]
)
_RECORD_KINDS = {"state": "EnergyState", "shift": "RegimeShift", "action": "Action", "proof": "Proof"}


@dataclass(frozen=True, slots=True)
class Situation:
    """A question read in full: names, times, what exists and what was said before."""

    reading: Reading
    times: Times
    names: KnownNames
    frame: Frame
    chosen: dict[str, str]


@dataclass(frozen=True, slots=True)
class Filled:
    """Arguments, and what the person should know about how they were chosen."""

    arguments: dict[str, Any]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """An argument that is open.

    Attributes:
        field: Its name.
        text: What to say: a question if there are choices, else why there is no answer.
        choices: What the person can choose from.
    """

    field: str
    text: str
    choices: tuple[str, ...] = ()


def entities_of(situation: Situation) -> tuple[str, ...]:
    """Assets that a question is about: named, pointed at, or all of a sort."""
    reading, frame = situation.reading, situation.frame
    if "entity" in situation.chosen:
        return (situation.chosen["entity"],)
    if reading.entities or reading.channels:
        return reading.entities
    known = {c.entity for stream in situation.names.streams for c in stream.channels if c.entity}
    known |= {incident.entity for incident in situation.names.incidents}
    if reading.kinds:
        if frame.entity.rsplit("-", 1)[0] in reading.kinds:
            return (frame.entity,)
        return tuple(sorted(name for name in known if name.rsplit("-", 1)[0] in reading.kinds))
    return (frame.entity,) if frame.entity and reading.refers else ()


def stream_of(situation: Situation) -> str | None:
    """The stream that a question is about, None if it names none."""
    reading, frame, names = situation.reading, situation.frame, situation.names
    if "stream" in situation.chosen:
        return situation.chosen["stream"]
    if reading.streams:
        return reading.streams[0]
    wanted = set(entities_of(situation)) | set(reading.channels)
    having = [
        s.name for s in names.streams if any(c.entity in wanted or c.name in wanted for c in s.channels)
    ]
    if len(having) == 1:
        return having[0]
    if frame.stream in (having or [stream.name for stream in names.streams]):
        return frame.stream
    return None


def _stream(situation: Situation, needed: bool) -> str | Missing | None:
    found = stream_of(situation)
    if found is not None or not needed:
        return found
    known = tuple(stream.name for stream in situation.names.streams)
    if len(known) == 1:
        return known[0]
    if not known:
        return Missing("stream", "There is no stream here yet: send telemetry first.")
    return Missing("stream", f"Which stream do you mean: {' or '.join(known[:6])}?", known[:6])


def _incident(situation: Situation, needed: bool) -> tuple[str | Missing | None, str]:
    """An incident, and a note if it is not filed under the asset that was named."""
    if "incident_id" in situation.chosen:
        return situation.chosen["incident_id"], ""
    named = situation.reading.ids.get("incidents")
    if named or not needed:
        return (named[0] if named else None), ""
    known = situation.names.incidents
    if not known:
        return Missing("incident_id", "There are no incidents."), ""
    frame, entities = situation.frame, entities_of(situation)
    if frame.incident and not entities and not situation.times.named and not situation.reading.streams:
        return frame.incident, ""
    fitting = [incident for incident in known if _in_time(incident, situation.times)]
    if not fitting:
        return Missing("incident_id", "No incident was opened in that time."), ""
    if situation.reading.streams:
        fitting = [incident for incident in fitting if incident.stream in situation.reading.streams]
        if not fitting:
            return Missing("incident_id", f"No incident concerns {situation.reading.streams[0]}."), ""
    return _choose_incident(fitting, entities)


def _in_time(incident: KnownIncident, times: Times) -> bool:
    begin = times.start_ns if times.start_ns is not None else -(2**63)
    end = times.stop_ns if times.stop_ns is not None else 2**63
    return begin <= incident.opened_ns < end


def _choose_incident(
    fitting: list[KnownIncident], entities: tuple[str, ...]
) -> tuple[str | Missing | None, str]:
    filed = [incident for incident in fitting if incident.entity in entities]
    note = ""
    if entities and not filed:
        note = f"No incident is filed under {entities[0]}; this is {fitting[0].id} of {fitting[0].entity}."
    candidates = filed or fitting
    still_open = [incident for incident in candidates if incident.is_open]
    if len(still_open) > 1 and not entities:
        shown = still_open[:6]
        text = "Which incident do you mean: " + " or ".join(f"{i.id} ({i.entity})" for i in shown) + "?"
        return Missing("incident_id", text, tuple(incident.id for incident in shown)), ""
    chosen = (still_open or candidates)[0]
    if note:
        note = f"No incident is filed under {entities[0]}; this is {chosen.id} of {chosen.entity}."
    return chosen.id, note


def _at(situation: Situation) -> str | None:
    times, frame = situation.times, situation.frame
    if times.shift_hours is not None and frame.time_ns is not None:
        return time_text(frame.time_ns + round(times.shift_hours * 3600e9))
    if times.at_ns is not None:
        return time_text(times.at_ns)
    return time_text(times.start_ns) if times.start_ns is not None and times.stop_ns is None else None


def _channels(situation: Situation) -> list[str] | None:
    reading = situation.reading
    if reading.channels:
        return list(reading.channels)
    entities = set(entities_of(situation))
    if not entities and not reading.quantities:
        return None
    stream = stream_of(situation)
    quantities = {quantity.replace(" ", "_") for quantity in reading.quantities}
    found = [
        channel.name
        for known in situation.names.streams
        if stream in (None, known.name)
        for channel in known.channels
        if (not entities or channel.entity in entities)
        and (
            not quantities or channel.name.rsplit(".", 1)[-1] in quantities or channel.quantity in quantities
        )
    ]
    if not found and entities and quantities:
        return _channels_of_entities(situation, entities)
    return found or None


def _channels_of_entities(situation: Situation, entities: set[str]) -> list[str] | None:
    return [c.name for s in situation.names.streams for c in s.channels if c.entity in entities] or None


def _record(situation: Situation) -> tuple[str, str] | None:
    """Kind and id of the record that a question names."""
    for record in situation.reading.ids.get("records", ()):
        return _RECORD_KINDS[record.split("-", 1)[0]], record
    for incident in situation.reading.ids.get("incidents", ()):
        return "Incident", incident
    entities = entities_of(situation)
    if entities:
        return "Entity", entities[0]
    return None


def _word_of(choices: tuple[Any, ...], folded: str) -> Any:
    """The choice that the question spells out, None if it does not."""
    for choice in choices:
        spelt = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(choice)).casefold().replace("_", " ")
        if re.search(rf"\b{re.escape(spelt)}s?\b", folded):
            return choice
    return None


def _rest(example: Example, text: str) -> dict[str, str]:
    """Free text where an example has its own: ``What is exergy?`` tells where the term stands."""
    found: dict[str, str] = {}
    for name, value in example.arguments.items():
        if isinstance(value, str) and value and value.casefold() in example.question.casefold():
            before, _, after = example.question.casefold().partition(value.casefold())
            match = re.fullmatch(
                rf".*?{re.escape(before.strip())}\s*(?:the |an? )?(.+?)\s*{re.escape(after.strip(' ?.!'))}[?.! ]*",
                text,
            )
            if match and match[1]:
                found[name] = match[1].strip(" \"'")
    return found


def _filler(situation: Situation, declared: Operation) -> dict[str, Callable[[], Any]]:
    reading, times = situation.reading, situation.times
    limit = _LIMIT.search(reading.folded)
    who = [match[1] for match in _WHO.finditer(reading.folded) if match[1] not in _NOBODY]
    times_masked = reading.masked
    first = entities_of(situation)
    moved = "at" in declared.input_model.model_fields

    def principal() -> str | None:
        plain = next((name for name in who if "-" in name or "@" in name or "." in name), None)
        if plain is not None:
            return plain
        match = _CALLER.search(times_masked)
        named = None if match is None else match[match.lastgroup or 0]
        return None if named in _NOBODY else named

    def one_channel() -> str | None:
        channels = _channels(situation) or []
        if len(channels) > 1 and len(first) == 1 and _THRESHOLD.search(reading.folded):
            # "Tank 2 rises above 6 m" is of its level: the channel that is measured in such a unit.
            channels = _measured_like(channels, reading.unit, situation)
        return channels[0] if len(channels) == 1 else None

    def bound() -> float | int | None:
        field = declared.input_model.model_fields.get("limit")
        if field is not None and float in get_args(field.annotation):
            above = _THRESHOLD.search(reading.folded)
            name = one_channel()
            return _in_own_unit(float(above[1]), name, situation) if above and name else None
        said = None if limit is None else limit[1] or limit[2] or limit[3]
        return None if said is None else _COUNTS.get(said) or int(said)

    def matched(pattern: re.Pattern[str]) -> str | None:
        found = pattern.search(reading.folded)
        return found[found.lastindex or 0] if found else None

    def rows() -> int | None:
        said = matched(_ROWS)
        return None if said is None else int(said)

    return {
        "at": lambda: _at(situation),
        "start": lambda: None if times.start_ns is None or moved else time_text(times.start_ns),
        "stop": lambda: None if times.stop_ns is None or moved else time_text(times.stop_ns),
        "horizon_hours": lambda: times.ahead_hours,
        "entity": lambda: first[0] if len(first) == 1 else None,
        "channels": lambda: _channels(situation),
        "plan_id": lambda: next(iter(reading.ids.get("plans", ())), None),
        "thread_id": lambda: next(iter(reading.ids.get("threads", ())), None),
        "certificate_id": lambda: next(iter(reading.ids.get("digests", ())), None),
        "plant_id": lambda: stream_of(situation),
        "principal": principal,
        "account": lambda: matched(_ACCOUNT) or ("treasury" if "treasury" in reading.folded else None),
        "limit": bound,
        "channel": one_channel,
        "address": lambda: matched(_ADDRESS),
        "rows": rows,
    }


def _unit_of(name: str, situation: Situation) -> str:
    return next((c.unit for s in situation.names.streams for c in s.channels if c.name == name), "")


def _in_own_unit(value: float, name: str, situation: Situation) -> float:
    """A threshold in the unit of its channel: ``above 20 ft`` of a level in metres is 6.096."""
    other = convert(value, situation.reading.unit, _unit_of(name, situation))
    return value if other is None else other


def _measured_like(channels: list[str], unit: str, situation: Situation) -> list[str]:
    fitting = [
        name for name in channels if unit and dimension_of(_unit_of(name, situation)) == dimension_of(unit)
    ]
    return fitting or [name for name in channels if name.rsplit(".", 1)[-1] == "level"]


def _constants(example: Example | None, fields: set[str]) -> dict[str, Any]:
    if example is None:
        return {}
    return {name: value for name, value in example.arguments.items() if name in fields - SLOTS}


def fill(declared: Operation, example: Example | None, situation: Situation) -> Filled | Missing:
    """Arguments for a verb.

    Args:
        declared: The verb.
        example: The example that the question is most like; its fixed arguments are taken over.
        situation: The question.
    """
    fields = declared.input_model.model_fields
    arguments = _constants(example, set(fields))
    said = said_outright(declared.name, situation.reading.folded)
    if situation.reading.streams:
        said.pop("stream", None)
    arguments = {name: value for name, value in (arguments | said).items() if value is not None}
    fillers, note = _filler(situation, declared), ""
    free = {} if example is None else _rest(example, situation.reading.folded.rstrip("?!. "))
    for name, field in fields.items():
        value: Any
        if said.get(name) is not None:
            continue
        if name == "stream":
            value = _stream(situation, field.is_required())
        elif name == "incident_id":
            value, note = _incident(situation, field.is_required())
        elif name == "id":
            record = _record(situation)
            value = None if record is None else record[1]
            if record is not None and "kind" in fields:
                arguments["kind"] = record[0]
        elif name == "asset":
            words = [
                unit for word, unit in _ASSETS.items() if re.search(rf"\b{word}", situation.reading.folded)
            ]
            value = words[0] if words else None
        elif name in fillers:
            value = fillers[name]()
        elif name not in SLOTS and get_origin(field.annotation) is Literal:
            word = _word_of(get_args(field.annotation), situation.reading.folded)
            # A format is named by its own name alone; other choices are everyday words, so the example knows better.
            value = None if name in arguments and name != "form" else word
        else:
            value = free.get(name) if name not in SLOTS and name not in arguments else None
        if isinstance(value, Missing):
            return value
        if value is not None:
            arguments[name] = value
        elif field.is_required() and name not in arguments:
            return Missing(name, f"Say which {field.description or name}, as text or id.")
    return Filled(arguments, note)
