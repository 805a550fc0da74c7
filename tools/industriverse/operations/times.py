"""Times as people and models read them."""

import re
from datetime import UTC, datetime, timedelta

from industriverse.operations.errors import InvalidArgumentsError
from industriverse.signals import NANOSECONDS_PER_SECOND

__all__ = ["NANOSECONDS_PER_HOUR", "parse_time", "time_text"]

NANOSECONDS_PER_HOUR = 3600 * NANOSECONDS_PER_SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST_NS = 2**63 - 1
_FRACTION = re.compile(r"(:\d\d)[.,](\d{1,9})(?!\d)")


def time_text(timestamp_ns: int) -> str:
    """ISO 8601 in UTC, with as many decimals of a second as it takes to say it exactly."""
    seconds, fraction = divmod(timestamp_ns, NANOSECONDS_PER_SECOND)
    moment = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    decimals = f".{fraction:09d}".rstrip("0") if fraction else ""
    return f"{moment}{decimals}Z"


def parse_time(text: str, field: str) -> int:
    """Nanoseconds since 1970-01-01 UTC of an ISO 8601 time; UTC where it names no zone.

    Raises:
        InvalidArgumentsError: If the text is no such time, or none between the years 1678 and 2262.
    """
    # datetime knows microseconds, telemetry nanoseconds: the decimals are read apart.
    decimals = _FRACTION.search(text)
    whole = text if decimals is None else text[: decimals.end(1)] + text[decimals.end() :]
    try:
        moment = datetime.fromisoformat(whole)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - _EPOCH) // timedelta(seconds=1)
    except (ValueError, OverflowError):
        raise InvalidArgumentsError(
            f"{field}: {text[:40]!r} is no time", hint="write it like 2026-03-01T14:05:00Z"
        ) from None
    fraction_ns = 0 if decimals is None else int(decimals.group(2).ljust(9, "0"))
    timestamp_ns = seconds * NANOSECONDS_PER_SECOND + fraction_ns
    if abs(timestamp_ns) > _LARGEST_NS:
        raise InvalidArgumentsError(
            f"{field}: {text[:40]!r} is out of range", hint="give a time between 1678 and 2262"
        )
    return timestamp_ns
