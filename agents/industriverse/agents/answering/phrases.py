"""Times as people say them, rewritten to the plain ones that are read: ``half past eight`` becomes ``8:30``.

A time of day without am or pm is one of 24 hours. What could be meant in several ways ("a few hours") stays as it is.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["plain_times"]

_HOURS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_HOUR = r"(?:\d{1,2}|" + "|".join(_HOURS) + ")"
_MINUTES = {"quarter": 15, "a quarter": 15, "half": 30, "five": 5, "ten": 10, "twenty": 20, "twenty-five": 25}
_DAY = r"(?:today|yesterday|tomorrow|monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
_BEFORE_HOUR = r"(?:at|by|until|till|before|after|since|from|around|about)"
_AFTER_HOUR = (
    r"(?=$|[?.,!;](?!\d)| (?:utc|gmt|ce?st|today|yesterday|tomorrow|on|sharp|and|to|till|until|"
    r"how|what|was|is|did|this)\b)"
)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


def _number(word: str) -> int:
    return _HOURS.index(word) + 1 if word in _HOURS else int(word)


def _past(match: re.Match[str]) -> str:
    hour, minutes = _number(match["hour"]), _MINUTES.get(match["minutes"]) or int(match["minutes"])
    if match["side"] == "to":
        hour, minutes = (hour - 1) % 24, 60 - minutes
    return f"{hour}:{minutes:02d}" if hour < 24 and 0 <= minutes < 60 else match[0]


def _half_of_day(match: re.Match[str]) -> str:
    hour, part = _number(match["hour"]), match["part"]
    if not 1 <= hour <= 12:
        return f"{match['hour']}{match['minute'] or ':00'}"
    half = "am" if part == "morning" or (part == "night" and hour < 6) else "pm"
    return f"{hour}{match['minute'] or ':00'} {half}"


def _part_then_hour(match: re.Match[str]) -> str:
    day = {"this": "today", "last": "yesterday"}.get(match["day"] or "", match["day"] or "today")
    part = match["part"] or "night"
    at = _half_of_day(match)
    if match["day"] == "last" and part == "night" and at.endswith("am"):
        day = "today"
    return f"{day} at {at}"


def _hour_then_part(match: re.Match[str]) -> str:
    return f"{'today' if match['day'] == 'this' else match['day']} at {_half_of_day(match)}"


def _clock(match: re.Match[str]) -> str:
    hour, minute = int(match["h"]), int(match["m"] or 0)
    return f"{match['lead']}{hour}:{minute:02d}" if hour < 24 and minute < 60 else match[0]


def _halves(match: re.Match[str]) -> str:
    return f"{_number(match[1])}.5 {match[2]}"


def _epoch(match: re.Match[str]) -> str:
    return f"{datetime.fromtimestamp(int(match[1][:10]), tz=UTC):%Y-%m-%dt%H:%M:%Sz}"


def _dotted(match: re.Match[str]) -> str:
    day, month = int(match[1]), int(match[2])
    return f"{day} {_MONTHS[month - 1]} " if 1 <= day <= 31 and 1 <= month <= 12 else match[0]


_MINUTE = r"(?P<minute>:\d{2})?"
_RULES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"\b(?:at |@ ?)?(?<![\d.])(1[5-9]\d{8})(?:\d{3})?(?![\d.])", _epoch),
    (r"\b(\d{4})/(\d{2})/(\d{2})\b", r"\1-\2-\3"),
    (r"(?<![\d.])(\d{1,2})\.(\d{1,2})\.(?= |$)", _dotted),
    (r"(?<=\d:\d\d)\s?z\b", " utc"),
    (r"(?<=\d:\d\d) ([+-])(\d{2}):?(\d{2})\b(?!:)", r" utc\1\2:\3"),
    (r"\bthe day before yesterday\b|\bday before yesterday\b", "2 days before today"),
    (r"\b(?:a )?couple (?:of )?(?=hour|day|minute|week)", "2 "),
    (r"\bhalf (?:an )?hour\b", "30 minutes"),
    (r"\bhalf (?:a )?day\b", "12 hours"),
    (rf"\b({_HOUR}) and a half (hours?|days?|minutes?)\b", _halves),
    (r"\b(\d{1,2})h(\d{1,2}) ?m(?:in(?:utes?)?)?\b", r"\1 h \2 min"),
    (r"\b(in|next|last|past|for|\+) ?(\d{1,2})h(\d{2})\b", r"\1 \2 h \3 min"),
    (r"(?<![\w.])t?\+ ?(?=\d+(?:\.\d+)? ?(?:h|hrs?|hours?|m|min|minutes?)\b)", "in "),
    (
        rf"\b(?P<minutes>a quarter|quarter|half|five|ten|twenty|twenty-five|\d{{1,2}}) (?P<side>past|to) "
        rf"(?P<hour>{_HOUR})\b(?! ?(?:and|to|h\b|hours?|hrs?|min))",
        _past,
    ),
    (
        rf"\b(?:at )?(?P<hour>{_HOUR}){_MINUTE}(?: o'clock)? (?:in the|at) (?P<part>morning|afternoon|evening|night)\b",
        _half_of_day,
    ),
    (
        rf"\b(?:at )?(?P<hour>{_HOUR}){_MINUTE}(?: o'clock)? (?P<day>this|yesterday|tomorrow) "
        r"(?P<part>morning|afternoon|evening|night)\b",
        _hour_then_part,
    ),
    (
        r"\b(?:(?P<day>this|last|yesterday|tomorrow) (?P<part>morning|afternoon|evening|night)|tonight),? "
        rf"(?:at |around |about )?(?P<hour>{_HOUR}){_MINUTE}(?: o'clock)?(?![\w:]| ?(?:am|pm|h|m|min|hours?)\b)",
        _part_then_hour,
    ),
    (rf"\b(?P<lead>{_BEFORE_HOUR} )(?P<h>\d{{2}})(?P<m>[0-5]\d)(?: ?(?:h|hrs|hours))?{_AFTER_HOUR}", _clock),
    (rf"\b(?P<lead>(?:at|around|since) )(?P<h>\d{{1,2}})\.(?P<m>[0-5]\d){_AFTER_HOUR}", _clock),
    (rf"\b(?P<lead>at )(?P<h>\d{{1,2}}) ?(?:h|hrs)(?P<m>){_AFTER_HOUR}", _clock),
    (r"\b(from|between) (\d{1,2})(?: h)? (to|and|till|until) (\d{1,2}) ?(am|pm)\b", r"\1 \2:00 \5 \3 \4:00 \5"),
    (r"\b(from|between) (\d{1,2})(?: h)? (to|and|till|until) (\d{1,2})(?: ?h| o'clock)?(?=$|[?.,!;])",
     r"\1 \2:00 \3 \4:00"),
    (rf"\b(?P<lead>{_DAY},? (?:at )?)(?P<h>\d{{1,2}})(?P<m>){_AFTER_HOUR}", _clock),
    (rf"\b(?P<lead>{_BEFORE_HOUR} )(?P<h>\d{{1,2}})(?P<m>){_AFTER_HOUR}", _clock),
    (r"\b(?:of |in |during )?this week\b", "since monday"),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), plain) for pattern, plain in _RULES)
_OVERNIGHT = re.compile(r"\bovernight\b")
_FUTURE = re.compile(r"\b(?:will|going to|forecast|predict|expect\w*)\b")


def plain_times(folded: str) -> str:
    """A folded text with its times rewritten."""
    text = folded if _FUTURE.search(folded) else _OVERNIGHT.sub("last night", folded)
    for pattern, plain in _COMPILED:
        text = pattern.sub(plain, text)
    return " ".join(text.split())
