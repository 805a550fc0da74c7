"""Plain log lines as events: a leading time, then words that a template miner names."""

import re
from pathlib import Path

from industriverse.signals.events._lines import TRUNCATED, LineSource, clean_text
from industriverse.signals.events._records import NO_TIME
from industriverse.signals.events._times import event_time_ns
from industriverse.signals.events.event import Event, EventRead
from industriverse.signals.events.templates import TemplateMiner

__all__ = ["read_log_lines"]

NO_MESSAGE = "no message"
_PARTS = re.compile(
    r"\s*\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?|\d{9,13}(?:\.\d+)?)\]?\s*"
)


def read_log_lines(path: str | Path, miner: TemplateMiner, *, entity: str, learn: bool = True) -> EventRead:
    """Read lines of the form ``time message``, plain or gzip.

    Args:
        path: The file.
        miner: Names the message; its ids become the symbols.
        entity: Entity of every event, such as the host or the service that wrote the log.
        learn: Whether new templates may be learnt.

    Returns:
        Events and the count of every other line. The time is ISO 8601 or seconds since 1970.

    Raises:
        EventFormatError: If the file cannot be read.
    """
    source = LineSource(Path(path))
    events = []
    for line, complete in source:
        found = _PARTS.match(line)
        timestamp_ns = event_time_ns(found[1].replace(",", ".")) if found else None
        message = line[found.end() :] if found else ""
        if found is None or timestamp_ns is None:
            source.drop(NO_TIME if complete else TRUNCATED)
        elif not message.strip():
            source.drop(NO_MESSAGE if complete else TRUNCATED)
        else:
            symbol = miner.learn(message) if learn else miner.match(message)
            events.append(Event(timestamp_ns, entity, symbol, {"message": clean_text(message)}))
    return EventRead(tuple(events), source.lines, dict(source.dropped), source.notes())
