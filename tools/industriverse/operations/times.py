"""Times as people and models read them."""

from datetime import UTC, datetime

from industriverse.operations.errors import InvalidArgumentsError
from industriverse.signals import NANOSECONDS_PER_SECOND

__all__ = ["NANOSECONDS_PER_HOUR", "parse_time", "time_text"]

NANOSECONDS_PER_HOUR = 3600 * NANOSECONDS_PER_SECOND


def time_text(timestamp_ns: int) -> str:
    """ISO 8601 in UTC, to the second."""
    moment = datetime.fromtimestamp(timestamp_ns // NANOSECONDS_PER_SECOND, tz=UTC)
    return moment.isoformat().replace("+00:00", "Z")


def parse_time(text: str, field: str) -> int:
    """Nanoseconds since 1970-01-01 UTC of an ISO 8601 time; UTC where it names no zone.

    Raises:
        InvalidArgumentsError: If the text is no such time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidArgumentsError(
            f"{field}: {text[:40]!r} is no time", hint="write it like 2026-03-01T14:05:00Z"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * NANOSECONDS_PER_SECOND)
