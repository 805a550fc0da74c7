"""Suricata ``eve.json`` as events: flow, alert, dns and modbus records.

Format: https://docs.suricata.io, "EVE JSON Format"; the layout of the dns record changed with versions 2 and
3 of the format, and both are read. Records of other types are counted, not read.
"""

from collections.abc import Callable
from pathlib import Path

from industriverse.signals.events._lines import (
    INVALID_JSON,
    TRUNCATED,
    LineSource,
    clean_text,
    unknown_format,
)
from industriverse.signals.events._records import NO_ENTITY, NO_SYMBOL, NO_TIME, Record, collect, json_object
from industriverse.signals.events._times import event_time_ns
from industriverse.signals.events.event import Event, EventRead, FieldValue

__all__ = ["OTHER_TYPE", "SURICATA_EVENTS", "read_suricata", "suricata_event"]

NO_TYPE = "no event_type"
OTHER_TYPE = "event_type without adapter"
NO_BODY = "record without its own section"

_ADDRESS_TEXT = {"src_ip": "src", "dest_ip": "dst", "proto": "protocol", "app_proto": "service"}
_ADDRESS_NUMBERS = {"src_port": "src_port", "dest_port": "dst_port"}
_FLOW_NUMBERS = {
    "bytes_toserver": "src_bytes", "bytes_toclient": "dst_bytes",
    "pkts_toserver": "src_packets", "pkts_toclient": "dst_packets",
}  # fmt: skip


def read_suricata(path: str | Path) -> EventRead:
    """Read an ``eve.json`` file, plain or gzip.

    Returns:
        Events and the count of every other line. The entity is the source address, except for Modbus,
        where it is the device addressed, ``address#unit``.

    Raises:
        EventFormatError: If the file cannot be read or does not start with a JSON object.
    """
    source = LineSource(Path(path), json_lines=True)
    events = []
    for line, complete in source:
        if source.lines == 1 and not line.lstrip("\ufeff ").startswith("{"):
            raise unknown_format(source.path, line, "an EVE JSON log")
        record = json_object(line.lstrip("\ufeff"))
        if record is None:
            source.drop(INVALID_JSON if complete else TRUNCATED)
            continue
        outcome = suricata_event(record)
        if isinstance(outcome, Event):
            events.append(outcome)
        else:
            source.drop(outcome)
    return EventRead(tuple(events), source.lines, dict(source.dropped), source.notes())


def suricata_event(record: Record) -> Event | str:
    """One decoded record of ``eve.json`` as an event, or the reason why it is none."""
    kind = record.get("event_type")
    if not isinstance(kind, str):
        return NO_TYPE
    adapter = SURICATA_EVENTS.get(kind)
    if adapter is None:
        return OTHER_TYPE
    timestamp_ns = event_time_ns(record.get("timestamp"))
    if timestamp_ns is None:
        return NO_TIME
    body = record.get(kind)
    if not isinstance(body, dict):
        return NO_BODY
    fields = collect(record, _ADDRESS_TEXT, _ADDRESS_NUMBERS)
    return adapter(timestamp_ns, fields, body) if "src" in fields else NO_ENTITY


def _flow(timestamp_ns: int, fields: dict[str, FieldValue], body: Record) -> Event:
    fields |= collect(body, {"state": "flag", "reason": "reason"}, _FLOW_NUMBERS)
    start_ns, end_ns = event_time_ns(body.get("start")), event_time_ns(body.get("end"))
    if start_ns is not None and end_ns is not None and end_ns >= start_ns:
        fields["duration_s"] = (end_ns - start_ns) / 1e9
    symbol = f"flow {str(fields.get('protocol', '-')).lower()} {fields.get('service', '-')}"
    return Event(timestamp_ns, str(fields["src"]), symbol, fields)


def _alert(timestamp_ns: int, fields: dict[str, FieldValue], body: Record) -> Event | str:
    if body.get("signature_id") is None:
        return NO_SYMBOL
    wanted = {"signature": "signature", "category": "category", "severity": "severity", "action": "action"}
    fields |= collect(body, wanted, {})
    symbol = clean_text(f"alert {body.get('gid', 1)}:{body['signature_id']}")
    return Event(timestamp_ns, str(fields["src"]), symbol, fields)


def _dns(timestamp_ns: int, fields: dict[str, FieldValue], body: Record) -> Event:
    queries = body.get("queries")
    question = queries[0] if isinstance(queries, list) and queries and isinstance(queries[0], dict) else body
    fields |= collect(question, {"rrname": "name", "rrtype": "record_type"}, {})
    fields |= collect(body, {"rcode": "response_code"}, {})
    words = (str(body.get("type", "-")), fields.get("record_type", "-"), fields.get("response_code", "-"))
    return Event(
        timestamp_ns, str(fields["src"]), clean_text(f"dns {' '.join(map(str, words))}").lower(), fields
    )


def _modbus(timestamp_ns: int, fields: dict[str, FieldValue], body: Record) -> Event | str:
    request, response = _section(body, "request"), _section(body, "response")
    message = request or response
    function = message.get("function_code", message.get("function_raw"))
    if function is None:
        return NO_SYMBOL
    access = _section(message, "write") or _section(message, "read")
    fields |= collect(message, {"access_type": "access", "category": "category", "error_flags": "error"}, {})
    fields |= collect(access, {"data": "values"}, {"address": "address", "quantity": "quantity"})
    exception = _section(response, "exception")
    fields |= collect(exception, {"code": "exception"}, {})
    device = fields.get("dst", "-")
    symbol = clean_text(f"modbus {str(function).lower()}{' exception' if exception else ''}")
    return Event(timestamp_ns, clean_text(f"{device}#{message.get('unit_id', '-')}"), symbol, fields)


def _section(record: Record, name: str) -> Record:
    found = record.get(name)
    return found if isinstance(found, dict) else {}


SURICATA_EVENTS: dict[str, Callable[[int, dict[str, FieldValue], Record], Event | str]] = {
    "flow": _flow,
    "alert": _alert,
    "dns": _dns,
    "modbus": _modbus,
}
