"""``industriverse watch`` on events: flows, commands and logs instead of samples."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from industriverse.eil.events.detector import MINIMUM_CLEAN_EVENTS, EventDetector
from industriverse.eil.events.watch import EventTicket, EventWatcher
from industriverse.operations.errors import InvalidArgumentsError
from industriverse.operations.times import parse_time, time_text
from industriverse.signals.events import (
    Event,
    EventFormatError,
    EventRead,
    TemplateMiner,
    read_log_lines,
    read_suricata,
    read_zeek,
)

__all__ = ["EVENT_FORMATS", "event_format_of", "watch_events"]

EVENT_FORMATS: Final = ("zeek", "suricata", "lines")
TABLES: Final = (".csv", ".parquet", ".jsonl")
DEFAULT_CLEAN_SHARE = 0.3


def event_format_of(file: Path, asked: str) -> str | None:
    """Format of a file of events, None if it is a table of samples.

    Args:
        file: The file.
        asked: The format given, or ``auto``: then the suffix tells tables, and the first line the logs.
    """
    if asked == "table":
        return None
    if asked != "auto":
        return asked
    if file.suffix in TABLES or file.suffix not in (".log", ".json", ".txt", ".gz"):
        return None
    try:
        first = _first_line(file)
    except (OSError, EOFError, UnicodeDecodeError):
        return "lines"  # whose adapter says what is wrong with the file
    if first.startswith("#separator") or first.startswith("#fields"):
        return "zeek"
    if first.lstrip().startswith("{"):
        return "suricata" if '"event_type"' in first else "zeek"
    return "lines"


def _first_line(file: Path) -> str:
    import gzip

    if file.suffix == ".gz":
        with gzip.open(file, "rt", encoding="utf-8") as opened:
            return opened.readline(65_536)
    with file.open(encoding="utf-8") as opened:
        return opened.readline(65_536)


def _readers(entity: str) -> dict[str, Callable[[Path], EventRead]]:
    return {
        "zeek": read_zeek,
        "suricata": read_suricata,
        "lines": lambda file: read_log_lines(file, TemplateMiner(), entity=entity),
    }


def _clean_count(events: list[Event], clean_rows: int | None, clean_until: str | None) -> tuple[int, str]:
    if clean_rows is not None and clean_until is not None:
        raise InvalidArgumentsError(
            "clean rows are given by number and by time", hint="give --clean-rows or --clean-until"
        )
    if clean_rows is not None:
        count, reason = clean_rows, f"first {clean_rows} events, as asked"
    elif clean_until is not None:
        until_ns = parse_time(clean_until, "clean-until")
        count = sum(event.timestamp_ns < until_ns for event in events)
        reason = f"{count} events before the given time"
    else:
        count = max(MINIMUM_CLEAN_EVENTS, int(DEFAULT_CLEAN_SHARE * len(events)))
        reason = f"first {count} events taken as clean by default (30 %, at least {MINIMUM_CLEAN_EVENTS})"
    if count >= len(events):
        raise InvalidArgumentsError(
            f"clean-rows: {count} clean events leave none of {len(events)} to watch",
            hint="give a longer log or fewer clean events",
        )
    return count, reason


def _ticket_record(ticket: EventTicket) -> dict[str, object]:
    shared = ticket.as_ticket()
    return {
        "type": "ticket",
        "id": ticket.id,
        "time": time_text(ticket.onset_ns),
        "entity": ticket.entity,
        "score": shared.score,
        "p_value": shared.p_value,
        "reason": ticket.explanation.sentence(),
        "components": [{"component": part.channel, "share": part.share} for part in shared.evidence],
    }


def _ticket_line(ticket: EventTicket) -> str:
    return f"ticket {ticket.id}  {time_text(ticket.onset_ns)}  {ticket.explanation.sentence()}"


def watch_events(
    file: Path,
    event_format: str,
    *,
    entity: str,
    clean_rows: int | None,
    clean_until: str | None,
    budget_per_day: float,
    as_json: bool,
) -> None:
    """Learn habits from the first events of a log, judge the rest and print tickets.

    Raises:
        IndustriverseError: If an argument, the file or its content cannot be used.
    """
    read = _readers(entity)[event_format](file)
    events = sorted(read.events, key=lambda event: event.timestamp_ns)
    if not events:
        raise EventFormatError(f"{file} holds no event", hint=f"is it a log of format {event_format}?")
    count, reason = _clean_count(events, clean_rows, clean_until)
    detector = EventDetector(budget_per_day).fit(events[:count])
    dropped = ", ".join(f"{number} {why}" for why, number in read.dropped.items()) or "none"
    click.echo(
        f"{file}: {read.lines} lines in, {len(events)} events ({event_format}), dropped: {dropped}", err=True
    )
    for note in read.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"learned from: {reason}", err=True)
    watcher = EventWatcher(detector, file.stem)
    for event in events[count:]:
        for ticket in watcher.feed((event,))[1]:
            click.echo(json.dumps(_ticket_record(ticket)) if as_json else _ticket_line(ticket))
    summary = watcher.summary()
    if as_json:
        record = {
            "type": "summary",
            "lines_in": read.lines,
            "events": len(events),
            "dropped": dict(read.dropped),
            "clean_events": count,
            "alarms": summary.alarms,
            "tickets": summary.tickets,
            "promised_per_day": summary.promised_per_day,
            "realised_per_day": summary.realised_per_day if summary.watched_days > 0.0 else None,
            "statement": summary.statement,
        }
        click.echo(json.dumps(record))
        return
    click.echo(
        f"{summary.tickets} tickets in {summary.watched_days:.2f} days watched "
        f"({summary.realised_per_day:.3g}/day, true and false together); {summary.alarms} of {summary.events} "
        "watched events in alarm"
    )
    click.echo(summary.statement)
