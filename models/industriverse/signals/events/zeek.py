"""Zeek logs as events: ``conn.log``, ``modbus.log`` and ICSNPP ``modbus_detailed.log``, TSV or JSON lines.

Rules: a column holding the unset mark (``-``) is absent; the empty mark (``(empty)``) is an empty text and
therefore absent too. Without a time or an originator a line is dropped and counted. A last line without line
end is taken as still being written and dropped, unless it is a whole JSON object. See
https://docs.zeek.org, "Log formats".
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from industriverse.signals._text import quoted
from industriverse.signals.events._lines import (
    HEADER,
    INVALID_JSON,
    TRUNCATED,
    LineSource,
    clean_text,
    unknown_format,
)
from industriverse.signals.events._records import NO_ENTITY, NO_SYMBOL, NO_TIME, Record, collect, json_object
from industriverse.signals.events._times import event_time_ns
from industriverse.signals.events.errors import EventFormatError
from industriverse.signals.events.event import Event, EventRead

__all__ = ["ZEEK_LOGS", "read_zeek"]

WRONG_COLUMNS = "wrong number of columns"
BEFORE_FIELDS = "line before the #fields header"
OTHER_LOG = "log without adapter"

_CONN_TEXT = {"id.orig_h": "src", "id.resp_h": "dst", "proto": "protocol", "service": "service"}
_CONN_TEXT |= {"conn_state": "flag"}
_CONN_NUMBERS = {
    "id.orig_p": "src_port", "id.resp_p": "dst_port", "duration": "duration_s",
    "orig_bytes": "src_bytes", "resp_bytes": "dst_bytes", "orig_pkts": "src_packets", "resp_pkts": "dst_packets",
}  # fmt: skip
_MODBUS_TEXT = {"id.orig_h": "src", "id.resp_h": "dst", "exception": "exception", "matched": "matched"}
_MODBUS_NUMBERS = {"address": "address", "quantity": "quantity", "id.resp_p": "dst_port"}
# Column names changed between releases of the parser; the first present is used.
_DIRECTIONS = ("pdu_type", "request_response", "network_direction")
_UNITS = ("unit", "unit_id")
_VALUES = ("request_values", "values")


def read_zeek(path: str | Path, *, log: str | None = None) -> EventRead:
    """Read a Zeek log file, plain or gzip.

    Args:
        path: The file.
        log: Which log it is (a key of :data:`ZEEK_LOGS`); by default its ``#path`` header, its ``_path``
            field or its file name tells.

    Returns:
        Events and the count of every other line. The entity of a connection is its originator; that of a
        Modbus message is the device addressed, ``address#unit``.

    Raises:
        EventFormatError: If the file cannot be read, is no Zeek log, or is a log that has no adapter.
    """
    file = Path(path)
    first = next((line for line, _ in LineSource(file)), "")
    as_json = first.lstrip().startswith("{")
    if first and not as_json and not first.startswith("#"):
        raise unknown_format(file, first, "a Zeek log (neither a # header nor a JSON object)")
    source = LineSource(file, json_lines=as_json)
    events = tuple((_json_events if as_json else _tsv_events)(source, log or _log_of_name(file)))
    return EventRead(events, source.lines, dict(source.dropped), source.notes())


def _tsv_events(source: LineSource, log: str | None) -> Iterator[Event]:
    separator, unset, empty = "\t", "-", "(empty)"
    names: list[str] | None = None
    for line, complete in source:
        if line.startswith("#"):
            source.drop(HEADER)
            key, _, rest = line[1:].partition(" " if line.startswith("#separator") else separator)
            if key == "separator":
                separator = _separator(rest) or separator
            elif key == "unset_field":
                unset = rest
            elif key == "empty_field":
                empty = rest
            elif key == "path":
                log = rest
            elif key == "fields":
                names = rest.split(separator)
            continue
        if names is None:
            source.drop(BEFORE_FIELDS)
            continue
        columns = line.split(separator)
        # Without its line end the last value may be cut, and a cut number would be a wrong number.
        if not complete or len(columns) != len(names):
            source.drop(WRONG_COLUMNS if complete else TRUNCATED)
            continue
        record = {
            name: value for name, value in zip(names, columns, strict=True) if value not in (unset, empty, "")
        }
        yield from _event(source, record, log)


def _separator(written: str) -> str:
    r"""The column separator from its header form, e.g. ``\x09``."""
    hexadecimal = re.fullmatch(r"\\x([0-9a-fA-F]{2})", written)
    return chr(int(hexadecimal[1], 16)) if hexadecimal else written


def _json_events(source: LineSource, log: str | None) -> Iterator[Event]:
    for line, complete in source:
        record = json_object(line)
        if record is None:
            source.drop(INVALID_JSON if complete else TRUNCATED)
            continue
        identity = record.get("id")
        if isinstance(identity, dict):
            record.update({f"id.{name}": value for name, value in identity.items()})
        path = record.get("_path")
        if isinstance(path, str) and path not in ZEEK_LOGS:
            source.drop(OTHER_LOG)
            continue
        yield from _event(source, record, path if isinstance(path, str) else log)


def _event(source: LineSource, record: Record, log: str | None) -> Iterator[Event]:
    adapter = ZEEK_LOGS.get(log or "")
    if adapter is None:
        raise EventFormatError(
            f"{source.path} is a Zeek log {quoted(log)}, which has no adapter",
            hint=f"give log=, one of {', '.join(sorted(ZEEK_LOGS))}",
        )
    timestamp_ns = event_time_ns(record.get("ts"))
    outcome = NO_TIME if timestamp_ns is None else adapter(timestamp_ns, record)
    if isinstance(outcome, Event):
        yield outcome
    else:
        source.drop(outcome)


def _connection(timestamp_ns: int, record: Record) -> Event | str:
    fields = collect(record, _CONN_TEXT, _CONN_NUMBERS)
    if "src" not in fields:
        return NO_ENTITY
    symbol = f"flow {fields.get('protocol', '-')} {fields.get('service', '-')}"
    return Event(timestamp_ns, str(fields["src"]), symbol, fields)


def _modbus(timestamp_ns: int, record: Record) -> Event | str:
    fields = collect(record, _MODBUS_TEXT, _MODBUS_NUMBERS)
    if "dst" not in fields:
        return NO_ENTITY
    function = _first(record, ("func",))
    if function is None:
        return NO_SYMBOL
    direction = _first(record, _DIRECTIONS)
    values = _first(record, _VALUES)
    if values is not None:
        fields["values"] = values
    unit = _first(record, _UNITS)
    symbol = " ".join(("modbus", function.lower(), *([direction.lower()] if direction else [])))
    return Event(timestamp_ns, f"{fields['dst']}#{unit if unit is not None else '-'}", symbol, fields)


def _first(record: Record, names: tuple[str, ...]) -> str | None:
    """The first of the named values that is set, as text."""
    for name in names:
        value = record.get(name)
        if isinstance(value, list):
            value = ",".join(map(str, value))
        if value is not None and value != "":
            return clean_text(str(value))
    return None


def _log_of_name(file: Path) -> str | None:
    """``conn`` of ``conn.12:00:00-13:00:00.log.gz``; the longest adapter name that starts the file name."""
    fitting = [
        name for name in ZEEK_LOGS if file.name == name or file.name.startswith((f"{name}.", f"{name}_2"))
    ]
    return max(fitting, key=len, default=None)


ZEEK_LOGS: dict[str, Callable[[int, Record], Event | str]] = {
    "conn": _connection,
    "modbus": _modbus,
    "modbus_detailed": _modbus,
}
