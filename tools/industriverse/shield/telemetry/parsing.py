"""Bytes of each kind of source become records, or a reason why not. Pure functions; nothing here is obeyed."""

import csv
import json
import math
import re
from collections.abc import Iterator
from typing import Any

from industriverse.shield.errors import CollectorError, RecordError
from industriverse.shield.telemetry.records import Record, record_of
from industriverse.signals.events.event import Event

__all__ = [
    "TIME_NAMES",
    "parse_csv_row",
    "parse_json_record",
    "parse_otlp",
    "parse_prometheus",
    "parse_syslog",
    "time_ns_of",
]

TIME_NAMES = ("time", "timestamp", "ts", "@timestamp", "datetime", "date")
SOURCE_NAMES = ("source", "host", "entity")
MAXIMUM_TEXT = 1 << 20


def time_ns_of(value: object) -> int | None:
    """Nanoseconds since 1970-01-01 UTC of seconds, milliseconds or ISO 8601 text; None where it is no time."""
    from industriverse.signals.events import event_time_ns

    return event_time_ns(value)


def _refuse_constant(text: str) -> float:
    if text == "NaN":
        return math.nan
    raise ValueError(f"{text} is no number")


def parse_json_record(line: str, source: str) -> Record:
    """A JSON object: a time under a usual name, values beside it or under ``values``.

    Raises:
        RecordError: If it is no such object.
    """
    try:
        fields = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"not JSON: {str(error)[:120]}", hint="send one JSON object a line") from None
    if not isinstance(fields, dict):
        raise RecordError("not a JSON object", hint="send one JSON object a line")
    timestamp_ns = None
    for name in TIME_NAMES:
        if name in fields:
            timestamp_ns = time_ns_of(fields.pop(name))
            if timestamp_ns is None:
                raise RecordError(f"{name} is no time", hint="send seconds since 1970 or ISO 8601")
            break
    for name in SOURCE_NAMES:
        if isinstance(fields.get(name), str):
            source = f"{source}:{fields.pop(name)[:100]}"
    values = fields.get("values")
    return record_of(source, timestamp_ns, values if isinstance(values, dict) else fields)


def parse_csv_row(line: str, header: list[str], source: str) -> Record:
    """One row of a CSV file under its header; an empty cell is a missing value.

    Raises:
        RecordError: If the number of cells is another or a cell is no number.
    """
    try:
        cells = next(csv.reader([line]), [])
    except csv.Error as error:
        raise RecordError(f"not CSV: {error}", hint="send comma separated values") from None
    if len(cells) != len(header):
        raise RecordError(f"{len(cells)} cells under a header of {len(header)}", hint="send complete rows")
    timestamp_ns, values = None, {}
    for name, cell in zip(header, cells, strict=True):
        text = cell.strip()
        if name.lower() in TIME_NAMES:
            timestamp_ns = time_ns_of(text)
            if timestamp_ns is None:
                raise RecordError(f"{name} is no time: {text[:40]!r}", hint="send seconds or ISO 8601")
            continue
        try:
            values[name] = float(text) if text else math.nan
        except ValueError:
            raise RecordError(f"{name} is no number: {text[:40]!r}", hint="send numbers") from None
    return record_of(source, timestamp_ns, values)


def parse_prometheus(text: str, source: str) -> Record:
    """The samples of one exposition (text format 0.0.4); names carry their labels, histograms keep sum and count.

    Raises:
        RecordError: If the text is no exposition or holds no finite sample.
    """
    from prometheus_client.parser import text_string_to_metric_families

    values: dict[str, float] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name.endswith("_bucket") or not math.isfinite(sample.value):
                    continue
                labels = ",".join(f'{key}="{value}"' for key, value in sorted(sample.labels.items()))
                values[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        raise RecordError(
            f"no Prometheus exposition: {str(error)[:120]}", hint="scrape a /metrics endpoint"
        ) from None
    return record_of(source, None, values)


def parse_otlp(body: bytes, content_type: str) -> list[Record]:
    """Metrics of an OTLP/HTTP export request, protobuf or JSON, one record a resource and time.

    Raises:
        RecordError: If the body is no such request.
        CollectorError: If the library for it is not installed.
    """
    try:
        from google.protobuf import json_format
        from google.protobuf.message import DecodeError
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    except ImportError:
        raise CollectorError(
            "OTLP needs the package opentelemetry-proto", hint="pip install 'industriverse[collectors]'"
        ) from None
    request = ExportMetricsServiceRequest()
    try:
        if "json" in content_type:
            json_format.Parse(body, request, ignore_unknown_fields=True)
        else:
            request.ParseFromString(body)
    except (DecodeError, json_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(
            f"no OTLP metrics: {str(error)[:120]}", hint="send ExportMetricsServiceRequest"
        ) from None
    rows: dict[tuple[str, int], dict[str, float]] = {}
    for source, time_ns, name, value in _otlp_points(request):
        rows.setdefault((source, time_ns), {})[name] = value
    if not rows:
        raise RecordError("the OTLP request holds no number", hint="send gauges or sums")
    return [record_of(source, time_ns or None, values) for (source, time_ns), values in rows.items()]


def _otlp_points(request: Any) -> Iterator[tuple[str, int, str, float]]:
    for resource in request.resource_metrics:
        attributes = {entry.key: entry.value.string_value for entry in resource.resource.attributes}
        source = "otlp:" + (attributes.get("host.name") or attributes.get("service.name") or "unnamed")[:100]
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                if kind not in ("gauge", "sum"):
                    continue
                for point in getattr(metric, kind).data_points:
                    number = (
                        point.as_double if point.WhichOneof("value") == "as_double" else float(point.as_int)
                    )
                    labels = ",".join(
                        f'{entry.key}="{entry.value.string_value}"'
                        for entry in sorted(point.attributes, key=lambda e: e.key)
                    )
                    name = f"{metric.name}{{{labels}}}" if labels else metric.name
                    if math.isfinite(number):
                        yield source, int(point.time_unix_nano), name, number


# RFC 5424 and the BSD form of RFC 3164, told apart by the version digit after the priority.
_SYSLOG = re.compile(
    r"<(?P<pri>\d{1,3})>(?:1 (?P<time>\S+) (?P<host>\S+) (?P<app>\S+) \S+ \S+ (?:-|(?:\[.*?\])+) ?(?P<text>.*)"
    r"|(?P<bsd>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (?P<bsd_host>\S+) (?P<bsd_app>[^:\[ ]+)[^:]*: ?(?P<bsd_text>.*))",
    re.DOTALL,
)


def parse_syslog(line: str, received_ns: int) -> Event:
    """A syslog message as an event of its host; the symbol is application and severity.

    The BSD form has no year: the time of reception stands for it.

    Raises:
        RecordError: If it is no syslog message.
    """
    found = _SYSLOG.match(line[:MAXIMUM_TEXT].strip("\x00\r\n"))
    if found is None or int(found["pri"]) > 191:
        raise RecordError("not a syslog message", hint="send RFC 5424 or RFC 3164")
    severity = int(found["pri"]) % 8
    if found["bsd"] is not None:
        host, app, text, timestamp_ns = found["bsd_host"], found["bsd_app"], found["bsd_text"], received_ns
    else:
        host, app, text = found["host"], found["app"], found["text"]
        stamped = None if found["time"] == "-" else time_ns_of(found["time"])
        if stamped is None and found["time"] != "-":
            raise RecordError(f"syslog time {found['time'][:40]!r} is none", hint="send RFC 3339")
        timestamp_ns = received_ns if stamped is None else stamped
    message = (text or "")[:512].encode("utf-8", "backslashreplace").decode()
    fields: dict[str, str | int | float] = {"severity": severity, "message": message}
    return Event(timestamp_ns, host[:255], f"{app[:48]} {severity}", fields)
