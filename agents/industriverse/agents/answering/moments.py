"""Times and durations as people write them, read relative to an anchor and in a time zone.

A day without a year is the latest such day that is not after the anchor; so is a time of day without a day.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from industriverse.agents.answering.phrases import plain_times
from industriverse.agents.answering.spans import SPAN, span_hours

__all__ = ["Times", "read_times"]

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = r"(?:" + "|".join(_MONTHS) + r")[a-z]*"
_WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_OFFSETS = {
    "utc": 0, "gmt": 0, "z": 0, "wet": 0, "cet": 1, "cest": 2, "eet": 2, "eest": 3, "msk": 3, "jst": 9,
    "est": -5, "edt": -4, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7, "bst": 1,
}  # fmt: skip
_DAYS_AWAY = {"yesterday": -1, "tomorrow": 1, "2 days before today": -2}
_DAYS_AWAY |= {"the day after tomorrow": 2, "day after tomorrow": 2}
_PARTS_OF_DAY = {"morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24), "night": (0, 6)}

_ZONE = (
    r"(?:(?:utc|gmt)\s?[+-]\d{1,2}(?::?\d{2})?|(?:" + "|".join(sorted(_OFFSETS, key=len, reverse=True)) + r")"
    r"|[a-z]+/[a-z_]+|(?P<city>[a-z]+(?: [a-z]+)?) (?:local )?time)\b"
)
_CLOCK = re.compile(
    r"\b(?:(?P<noon>noon|midday)|(?P<midnight>midnight)"
    r"|(?P<hour>\d{1,2})(?::|h)(?P<minute>\d{2})(?::(?P<second>\d{2}))?\s?(?P<half>am|pm)?"
    r"|(?P<bare>\d{1,2})\s?(?P<bare_half>am|pm|o'clock))(?![\w:])"
)
_ISO = re.compile(
    r"\b(?P<date>\d{4}-\d{2}-\d{2})[t ](?P<clock>\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)"
    r"\s?(?P<offset>z|[+-]\d{2}:?\d{2})?(?!\w)"
)
_DATE = re.compile(
    r"\b(?P<part_day>this|last|yesterday|tomorrow) (?P<part>morning|afternoon|evening|night)\b"
    r"|\b(?:(?P<iso>\d{4}-\d{2}-\d{2})"
    rf"|(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\.? (?:of )?(?P<month>{_MONTH})(?:,? (?P<year>\d{{4}}))?"
    rf"|(?P<month2>{_MONTH}) (?P<day2>\d{{1,2}})(?:st|nd|rd|th)?(?:,? (?P<year2>\d{{4}}))?(?![:\d])"
    r"|(?P<a>\d{1,2})(?P<mark>[./])(?P<b>\d{1,2})[./](?P<year3>\d{4})?"
    r"|(?P<word>today|yesterday|tomorrow|tonight|2 days before today|the day after tomorrow|day after tomorrow)"
    r"|(?:last |on |this )?(?P<weekday>" + "|".join(_WEEKDAYS) + r"))\b"
)
_ZONE_AFTER = re.compile(r"\s*(?:in )?" + _ZONE)
_START, _STOP, _AHEAD = r"(?:after|since|from|starting)", r"(?:before|until|till|up to|upto)", r"(?:by)"
_BETWEEN_CLOCK_AND_DAY = re.compile(
    rf"\s*(?:{_ZONE})?(?:,|at|on|the|around|about|morning|afternoon|evening|night|\s)*\s*"
)
_THAT_DAY = re.compile(r",? ?\b(?:on )?(?:that|the same) day\b")
_ROLE = re.compile(
    rf"(?:\b(?P<start>{_START})|\b(?P<stop>{_STOP})|\b(?P<ahead>{_AHEAD})|\b(?P<between>between|and|to))\s*(?:the )?$"
)
_AGO = re.compile(rf"({SPAN}) (?:ago|back)\b")
_SHIFT = re.compile(
    rf"({SPAN}) (?P<sign>earlier|before(?: that)?(?! today)"
    r"|sooner|prior|previously|later|after(?: that|wards?)?)\b(?! \d)"
)
_PAST = re.compile(
    rf"\b(?:(?:in|over|for|during|within|of) )?(?:the )?(?:last|past|previous) ({SPAN}|hour|day|week|month)\b"
)
_NEXT = re.compile(
    rf"\b(?:(?:in|over|for|during|within|of) )?(?:the )?(?:next|coming|following) ({SPAN}|hours?|day|week)\b"
)
_IN = re.compile(
    rf"\b(?:in|within|for) ({SPAN})(?: (?:from now|ahead|time))?\b|({SPAN}) (?:from now|ahead|out|hence)\b"
)
_BARE = re.compile(rf"(?<![\w.])({SPAN})(?![\w.])")


@dataclass(frozen=True, slots=True)
class Times:
    """The times of a question in nanoseconds since 1970-01-01 UTC, and its durations in hours.

    Attributes:
        at_ns: An instant.
        start_ns: Beginning of a stretch.
        stop_ns: End of a stretch.
        ahead_hours: How far into the future.
        shift_hours: How far from the time of the answer before, negative for earlier.
        day_only: Whether the instant is the end of a day that was named without a time of day.
        either: Two readings of a date that can be read in two ways.
        unknown_zone: A zone that cannot be told apart, or does not exist.
    """

    at_ns: int | None = None
    start_ns: int | None = None
    stop_ns: int | None = None
    ahead_hours: float | None = None
    shift_hours: float | None = None
    day_only: bool = False
    either: tuple[str, str] | None = None
    unknown_zone: str = ""

    @property
    def named(self) -> bool:
        """Whether the question names any time."""
        return self != Times()


def _ns(moment: datetime) -> int:
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 10**9 + delta.microseconds * 1000


def _zone_of(text: str, city: str | None) -> tzinfo | None:
    text = text.strip().removeprefix("in ")
    if city is not None:
        wanted = city.replace(" ", "_")
        found = [name for name in available_timezones() if name.casefold().rsplit("/", 1)[-1] == wanted]
        return ZoneInfo(min(found, key=len)) if found else None
    if "/" in text:
        found = [name for name in available_timezones() if name.casefold() == text]
        return ZoneInfo(found[0]) if found else None
    match = re.fullmatch(r"(?:utc|gmt)\s?([+-])(\d{1,2}):?(\d{2})?", text)
    if match:
        minutes = int(match[2]) * 60 + int(match[3] or 0)
        return _fixed(-minutes if match[1] == "-" else minutes)
    return _fixed(_OFFSETS[text] * 60) if text in _OFFSETS else None


def _fixed(minutes: int) -> tzinfo:
    from datetime import timezone

    return timezone(timedelta(minutes=minutes))


def _clock_of(match: re.Match[str]) -> time | None:
    if match["noon"]:
        return time(12)
    if match["midnight"]:
        return time(0)
    hour = int(match["hour"] or match["bare"])
    minute, second = int(match["minute"] or 0), int(match["second"] or 0)
    half = match["half"] or match["bare_half"]
    if half in ("am", "pm"):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "pm" else 0)
    return time(hour, minute, second) if hour < 24 and minute < 60 and second < 60 else None


class _Reader:
    """Reads one question; every find replaces its text by a mask."""

    def __init__(self, text: str, anchor_ns: int, zone: tzinfo) -> None:
        self.text = text
        self.anchor_ns = anchor_ns
        self.zone = zone
        self.times = Times()

    @property
    def today(self) -> date:
        return self._anchor(self.zone).date()

    def _anchor(self, zone: tzinfo) -> datetime:
        return datetime.fromtimestamp(self.anchor_ns // 10**9, tz=zone)

    def _take(self, match: re.Match[str] | tuple[int, int], mask: str) -> None:
        start, stop = match if isinstance(match, tuple) else match.span()
        self.text = f"{self.text[:start]} {mask} {self.text[stop:]}"

    def spans(self) -> None:
        """Durations; those that say ago, ahead or earlier first."""
        if match := _AGO.search(self.text):
            self.times = replace(self.times, at_ns=self.anchor_ns - round(span_hours(match[1]) * 3600e9))
            self._take(match, "TIME")
        if match := _SHIFT.search(self.text):
            sign = 1 if match["sign"].startswith(("later", "after")) else -1
            self.times = replace(self.times, shift_hours=sign * span_hours(match[1]))
            self._take(match, "SHIFT")
        if match := _PAST.search(self.text):
            start = self.anchor_ns - round(span_hours(match[1]) * 3600e9)
            self.times = replace(self.times, start_ns=start, stop_ns=self.anchor_ns + 1)
            self._take(match, "PERIOD")
        for pattern in (_NEXT, _IN, _BARE):
            if match := pattern.search(self.text):
                hours = span_hours(next(group for group in match.groups() if group))
                # "Tonight" says roughly what "nine hours from now" says outright.
                said = None if self.times.day_only else self.times.ahead_hours
                self.times = replace(self.times, ahead_hours=said or hours)
                self._take(match, "AHEAD")

    def _date(self, match: re.Match[str]) -> date | None:
        today = self.today
        if match["iso"]:
            return _date_or_none(*map(int, match["iso"].split("-")))
        if match["word"]:
            return today + timedelta(days=_DAYS_AWAY.get(match["word"], 0))
        if match["part_day"]:
            return today + timedelta(days={"yesterday": -1, "tomorrow": 1}.get(match["part_day"], 0))
        if match["weekday"]:
            back = (today.weekday() - _WEEKDAYS.index(match["weekday"])) % 7
            return today - timedelta(days=back or (7 if "last" in match[0] else 0))
        if match["a"]:
            return self._numeric_date(match)
        day = int(match["day"] or match["day2"])
        month = _MONTHS.index((match["month"] or match["month2"])[:3]) + 1
        return self._with_year(match["year"] or match["year2"], month, day)

    def _numeric_date(self, match: re.Match[str]) -> date | None:
        first, second = int(match["a"]), int(match["b"])
        if match["mark"] == "/" and first <= 12 and second <= 12 and first != second:
            both = [self._with_year(match["year3"], *pair) for pair in ((second, first), (first, second))]
            self.times = replace(self.times, either=(str(both[0]), str(both[1])))
            return None
        day, month = (first, second) if second <= 12 else (second, first)
        return self._with_year(match["year3"], month, day)

    def _with_year(self, year: str | None, month: int, day: int) -> date | None:
        if year:
            return _date_or_none(int(year), month, day)
        found = _date_or_none(self.today.year, month, day)
        return _date_or_none(self.today.year - 1, month, day) if found and found > self.today else found

    def moments(self) -> None:
        """Dates, times of day and zones, joined where they stand together."""
        self._say_that_day()
        for clock in _CLOCK.finditer(self.text):
            # A zone that is said once holds for every time of the question: "between 14:00 and 15:30 CET".
            self.zone, _ = self._zone_behind(clock.end())
        while match := _ISO.search(self.text):
            offset = match["offset"]
            moment = datetime.fromisoformat(f"{match['date']}T{match['clock']}") if _valid(match) else None
            zone, stop = self._zone_behind(match.end())
            if offset:
                zone = (
                    UTC
                    if offset == "z"
                    else datetime.fromisoformat(f"2000-01-01T00:00{offset}").tzinfo or UTC
                )
                stop = match.end()
            if moment is not None:
                self._put(match.start(), moment.replace(tzinfo=zone), moment.replace(tzinfo=zone), None)
            self._take((match.start(), stop), "TIME")
        while self._moment():
            pass

    def _say_that_day(self) -> None:
        """Put the day that was named in place of ``that day`` behind it."""
        day, pointed = _DATE.search(self.text), _THAT_DAY.search(self.text)
        if day and pointed and day.end() <= pointed.start():
            between = self.text[day.end() : pointed.start()]
            self.text = f"{self.text[: day.start()]}{between} {day[0]}{self.text[pointed.end() :]}"

    def _moment(self) -> bool:
        clock, day = _CLOCK.search(self.text), _DATE.search(self.text)
        found = [match for match in (clock, day) if match is not None]
        if not found:
            return False
        if clock and day and not self._together(clock, day):
            found = [min(found, key=lambda match: match.start())]
            clock, day = (clock if clock in found else None), (day if day in found else None)
        start, stop = min(m.start() for m in found), max(m.end() for m in found)
        zone, stop = self._zone_behind(stop)
        on = self._date(day) if day else None
        at = _clock_of(clock) if clock else None
        if (day is None or on is not None) and (clock is None or at is not None):
            self._place(start, on, at, day, zone)
        self._take((start, stop), "TIME")
        return True

    def _together(self, clock: re.Match[str], day: re.Match[str]) -> bool:
        first, second = sorted((clock, day), key=lambda match: match.start())
        between = self.text[first.end() : second.start()]
        return _BETWEEN_CLOCK_AND_DAY.fullmatch(between) is not None

    def _zone_behind(self, stop: int) -> tuple[tzinfo, int]:
        match = _ZONE_AFTER.match(self.text, stop)
        if match is None:
            ambiguous = re.match(r"\s*(cst|ist)\b", self.text[stop:])
            if ambiguous:
                self.times = replace(self.times, unknown_zone=ambiguous[1].upper())
            return self.zone, stop
        zone = _zone_of(match[0], match["city"])
        if zone is None:
            self.times = replace(self.times, unknown_zone=match[0].strip())
            return self.zone, match.end()
        return zone, match.end()

    def _place(
        self, start: int, on: date | None, at: time | None, day: re.Match[str] | None, zone: tzinfo
    ) -> None:
        if at is None:
            assert on is not None
            self._place_day(start, on, day, zone)
            return
        anchor = self._anchor(zone)
        moment = datetime.combine(on or anchor.date(), at, tzinfo=zone)
        if on is not None:
            self._put(start, moment, moment, None)
            return
        later = moment if moment > anchor else moment + timedelta(days=1)
        self._put(start, moment if moment <= anchor else moment - timedelta(days=1), later, None)

    def _place_day(self, start: int, on: date, day: re.Match[str] | None, zone: tzinfo) -> None:
        begin = datetime.combine(on, time(0), tzinfo=zone)
        end = begin + timedelta(days=1)
        if day is not None and day["part"]:
            first, last = _PARTS_OF_DAY[day["part"]]
            if day["part"] == "night" and day["part_day"] in ("last", "yesterday"):
                begin, end = begin - timedelta(hours=2), begin + timedelta(hours=last)
            else:
                begin, end = begin + timedelta(hours=first), begin + timedelta(hours=last)
        self._put(start, begin, end, end)

    def _put(self, start: int, moment: datetime, later: datetime, end: datetime | None) -> None:
        """Note a moment by the word before it; ``end`` is set where a whole day was named."""
        role = _ROLE.search(self.text[:start])
        at_ns, end_ns = _ns(moment), None if end is None else _ns(end)
        times = self.times
        if role and role["ahead"]:
            self._put_ahead(_ns(later))
        elif role and role["stop"]:
            self.times = replace(times, stop_ns=self._after_start(at_ns, later))
            if times.start_ns is None:
                self._put_ahead(_ns(later))
        elif role and (role["start"] or (role["between"] and times.start_ns is None)):
            self.times = replace(times, start_ns=at_ns)
        elif role and role["between"]:
            self.times = replace(times, stop_ns=end_ns or self._after_start(at_ns, later))
        elif end_ns is not None:
            if at_ns > self.anchor_ns or end_ns > self.anchor_ns:
                self._put_ahead(end_ns)
            self.times = replace(
                self.times,
                start_ns=at_ns,
                stop_ns=end_ns,
                at_ns=min(end_ns - 1, self.anchor_ns),
                day_only=True,
            )
        else:
            self._put_ahead(_ns(later))
            self.times = replace(self.times, at_ns=at_ns)

    def _after_start(self, at_ns: int, later: datetime) -> int:
        """The end of a stretch does not come before its beginning, even if it has not come yet."""
        start_ns = self.times.start_ns
        return _ns(later) if start_ns is not None and at_ns < start_ns else at_ns

    def _put_ahead(self, later_ns: int) -> None:
        hours = (later_ns - self.anchor_ns) / 3600e9
        if hours > 0 and self.times.ahead_hours is None:
            self.times = replace(self.times, ahead_hours=hours)


def _date_or_none(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _valid(match: re.Match[str]) -> bool:
    try:
        datetime.fromisoformat(f"{match['date']}T{match['clock']}")
    except ValueError:
        return False
    return True


def read_times(folded: str, anchor_ns: int, zone: str) -> tuple[str, Times]:
    """The text with its times masked, and what they are.

    Args:
        folded: A folded question.
        anchor_ns: What "now" is, nanoseconds since 1970-01-01 UTC.
        zone: IANA name of the zone of times that name none.
    """
    reader = _Reader(plain_times(folded), anchor_ns, ZoneInfo(zone))
    reader.moments()
    reader.spans()
    return " ".join(reader.text.split()), reader.times
