"""One-line forms: ArcSight Common Event Format (CEF:0) and the syslog line (RFC 5424) that carries it.

Sources: Micro Focus, Implementing ArcSight Common Event Format, version 25; RFC 5424 section 6. Everything that
comes from telemetry is escaped: a channel name cannot end a field or begin a line.
"""

from datetime import UTC, datetime

from industriverse.shield.exchange.report import PRODUCT_NAME, VENDOR_NAME, IncidentReport

__all__ = ["to_cef", "to_syslog"]

_LONGEST_MESSAGE = 1023  # CEF limit of msg
_FACILITY = 13  # log alert
# CEF severities run from 0 to 10, syslog ones from 7 down to 0.
_CEF_SEVERITY = {1: 1, 2: 3, 3: 5, 4: 8, 5: 10}
_SYSLOG_SEVERITY = {1: 6, 2: 5, 3: 4, 4: 3, 5: 2}


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _header(text: str) -> str:
    return _one_line(text).replace("\\", "\\\\").replace("|", "\\|")


def _value(text: str) -> str:
    return _one_line(text).replace("\\", "\\\\").replace("=", "\\=")


def to_cef(report: IncidentReport) -> str:
    """An incident as one CEF line."""
    header = [
        "CEF:0",
        _header(VENDOR_NAME),
        _header(PRODUCT_NAME),
        _header(report.product_version),
        "equilibrium-lost",
        _header(report.title)[:512],
        str(_CEF_SEVERITY[report.severity]),
    ]
    leading = report.explanation.sensors[0]
    fields = {
        "externalId": report.incident.id,
        "start": str(report.opened_ms),
        "end": str(report.last_ms),
        "cnt": str(len(report.tickets)),
        "dvchost": report.incident.entity,
        "cat": "simulated" if report.simulated else "anomaly",
        "cs1Label": "stream",
        "cs1": report.incident.stream,
        "cs2Label": "leading channel",
        "cs2": leading.channel,
        "cs3Label": "techniques",
        "cs3": " ".join(f"{tag.technique.id}:{tag.confidence:.2f}" for tag in report.tags),
        "cfp1Label": "criticality index",
        "cfp1": f"{report.criticality:.1f}",
        "msg": report.explanation.cause[:_LONGEST_MESSAGE],
    }
    return "|".join(header) + "|" + " ".join(f"{key}={_value(value)}" for key, value in fields.items())


def to_syslog(report: IncidentReport, *, host: str) -> str:
    """An incident as one RFC 5424 message that carries the CEF line."""
    priority = 8 * _FACILITY + _SYSLOG_SEVERITY[report.severity]
    moment = datetime.fromtimestamp(report.last_ms / 1000.0, tz=UTC).isoformat(timespec="milliseconds")
    name = "".join(c for c in host if 33 <= ord(c) <= 126)[:255] or "-"
    stamp = moment.replace("+00:00", "Z")
    return f"<{priority}>1 {stamp} {name} industriverse - {report.incident.id[:32]} - {to_cef(report)}"
