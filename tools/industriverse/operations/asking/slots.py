"""What a question names: a stream, a time, a horizon, an incident; and what "it" and "an hour earlier" mean."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

__all__ = ["Slots", "mask", "read_slots"]

_ISO = re.compile(r"\b\d{4}-\d\d-\d\d(?:[t ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:z|[+-]\d\d:?\d\d)?)?\b", re.I)
_CLOCK = re.compile(
    r"\b(?:at|after|since|from|around)?\s*([01]?\d|2[0-3])[:.h]([0-5]\d)\b(?!\s*(?:hours|h\b))"
)
_AHEAD = re.compile(
    r"\b(?:in|next|over|for|within|ahead)\s+(?:the\s+)?(?:next\s+)?(\d+(?:\.\d+)?|an?|one|two|three|four|five|six|"
    r"eight|twelve|half an?)\s*(minutes?|mins?|m|hours?|hrs?|h|stunden?|std|days?|d)\b"
)
_LENGTH = re.compile(r"\b(\d+(?:\.\d+)?)\s*(minutes?|mins?|hours?|hrs?|h|stunden?|std|days?)\b")
_EARLIER = re.compile(
    r"\b(\d+(?:\.\d+)?|an?|one|two|three|half an?)\s*(minutes?|mins?|hours?|hrs?|h|days?)"
    r"\s+(earlier|before|later|ago)\b"
)
_INCIDENT = re.compile(r"\bincident-[0-9a-f]{6,64}\b", re.I)
_NUMBERS = {
    "a": 1.0, "an": 1.0, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0, "eight": 8.0,
    "twelve": 12.0, "half a": 0.5, "half an": 0.5,
}  # fmt: skip
_POINTS_BACK = re.compile(
    r"\b(it|its|that|this|them|they|there|same|and (?:then|now)|earlier|later|before|what about|how about)\b",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Slots:
    """What a question is about, as far as it or the question before says.

    Attributes:
        verb: Verb of the answer; empty if unknown.
        stream: Stream.
        at: ISO 8601 time; empty for the latest.
        hours: Horizon in hours, None if not said.
        incident_id: Incident.
        channel: Channel or entity.
    """

    verb: str = ""
    stream: str = ""
    at: str = ""
    hours: float | None = None
    incident_id: str = ""
    channel: str = ""

    def filled_from(self, before: "Slots", question: str) -> "Slots":
        """Take what is missing from the question before, if this one points back to it."""
        if not _POINTS_BACK.search(question) and self.stream:
            return self
        return replace(
            self,
            stream=self.stream or before.stream,
            incident_id=self.incident_id or before.incident_id,
            channel=self.channel or before.channel,
        )


def _hours(amount: str, unit: str) -> float:
    number = _NUMBERS.get(amount.strip())
    value = float(amount) if number is None else number
    if unit.startswith("m"):
        return value / 60
    return value * 24 if unit.startswith("d") else value


def read_slots(
    question: str, streams: Sequence[str], channels: Sequence[str], now: datetime, shown: str = ""
) -> Slots:
    """Read a question.

    Args:
        question: As written.
        streams: Names that exist.
        channels: Names of channels and entities that exist.
        now: Time of the latest sample, to which clock times without a date belong.
        shown: Time of the answer before, from which "an hour earlier" counts; empty if there is none.
    """
    text = question.lower()
    incident = _INCIDENT.search(text)
    ahead = _AHEAD.search(text) or _LENGTH.search(text)
    earlier = _EARLIER.search(text)
    hours = None
    if ahead and not earlier:
        hours = _hours(ahead.group(1), ahead.group(2))
    elif "tomorrow" in text:
        hours = 24.0
    return Slots(
        stream=_named(text, streams),
        at=_time(text, earlier, now, shown),
        hours=hours,
        incident_id=incident.group(0) if incident else "",
        channel=_named(text, channels),
    )


def _named(text: str, names: Sequence[str]) -> str:
    """The longest name that the text holds, with blanks or dashes between its parts."""
    flat = f" {re.sub(r'[^a-z0-9.]+', ' ', text)} "
    for name in sorted(names, key=lambda name: (-len(name), name)):
        plain = re.sub(r"[^a-z0-9.]+", " ", name.lower()).strip()
        if plain and (f" {plain} " in flat or f" {plain}." in flat):
            return name
    return ""


def _time(text: str, earlier: re.Match[str] | None, now: datetime, shown: str) -> str:
    written = _ISO.search(text)
    if written:
        return written.group(0).upper().replace(" ", "T")
    if earlier:
        length = timedelta(hours=_hours(earlier.group(1), earlier.group(2)))
        base = now if earlier.group(3) == "ago" or not shown else datetime.fromisoformat(shown)
        return _iso(base + length if earlier.group(3) == "later" else base - length)
    day = now - timedelta(days=1) if "yesterday" in text else now
    clock = _CLOCK.search(text)
    if clock:
        return _iso(
            day.replace(hour=int(clock.group(1)), minute=int(clock.group(2)), second=0, microsecond=0)
        )
    for word, hour in (("noon", 12), ("midnight", 0)):
        if word in text:
            return _iso(day.replace(hour=hour, minute=0, second=0, microsecond=0))
    return _iso(day) if "yesterday" in text else ""


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def mask(question: str, names: Sequence[str]) -> str:
    """A question with names, times and numbers replaced, so that only what is asked is left."""
    text = _INCIDENT.sub(" incident ", question.lower())
    text = _ISO.sub(" <time> ", text)
    text = _CLOCK.sub(" <time> ", text)
    flat = re.sub(r"[^a-z0-9<>.':\-]+", " ", text)
    for name in sorted(names, key=lambda name: (-len(name), name)):
        plain = re.escape(name.lower())
        flat = re.sub(rf"(?<![a-z0-9]){plain}(?![a-z0-9])", " <name> ", flat)
    return re.sub(r"\b\d+(?:\.\d+)?\b", " ", flat)
