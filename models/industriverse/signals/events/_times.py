"""Times of events: exact nanoseconds from decimal seconds or ISO 8601 text."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

__all__ = ["event_time_ns"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LIMIT_NS = 2**63 - 1
# Seconds stay below this until the year 5138, and milliseconds above it since 1973.
_MILLISECONDS_FROM = 10**11


def event_time_ns(value: object) -> int | None:
    """Nanoseconds since 1970-01-01 UTC, or None if the value is no time.

    Numbers (or their text) are seconds, or milliseconds from 1e11 on, as Zeek's ``JSON::TS_MILLIS`` writes
    them. Text without a zone is taken as UTC. Negative times and those beyond the year 2262 are no time.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    nanoseconds = _from_number(str(value))
    if nanoseconds is None and isinstance(value, str):
        nanoseconds = _from_text(value)
    return nanoseconds if nanoseconds is not None and 0 <= nanoseconds <= _LIMIT_NS else None


def _from_number(text: str) -> int | None:
    if len(text) > 40:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite() or number.adjusted() > 20:
        return None
    return int(number * (10**6 if number >= _MILLISECONDS_FROM else 10**9))


def _from_text(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
    except (ValueError, OverflowError):
        return None
