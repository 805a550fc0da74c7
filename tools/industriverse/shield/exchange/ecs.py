"""Elastic Common Schema: an incident as one alert document with field names of ECS 9.4.

Source: https://www.elastic.co/docs/reference/ecs/ecs-field-reference. Our own numbers live under the custom
top-level object ``Industriverse``: capitalised names are reserved for that (ECS guidelines, custom fields).
"""

from datetime import UTC, datetime
from typing import Any

from industriverse.shield.exchange.report import PRODUCT_NAME, VENDOR_NAME, IncidentReport
from industriverse.signals import NANOSECONDS_PER_SECOND

__all__ = ["ECS_VERSION", "to_ecs"]

ECS_VERSION = "9.4.0"


def _time(nanoseconds: int) -> str:
    moment = datetime.fromtimestamp(nanoseconds / NANOSECONDS_PER_SECOND, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_ecs(report: IncidentReport) -> dict[str, Any]:
    """An incident as a nested ECS document."""
    incident, explanation = report.incident, report.explanation
    event: dict[str, Any] = {
        "kind": "alert",
        "category": ["intrusion_detection"],
        "type": ["end"] if report.status == "closed" else ["info"],
        "id": incident.id,
        "module": "shield",
        "dataset": "industriverse.incident",
        "provider": PRODUCT_NAME,
        "action": "equilibrium-lost",
        "reason": explanation.cause,
        "severity": report.severity,
        "risk_score": report.criticality,
        "start": _time(incident.opened_ns),
    }
    if incident.closed_ns is not None:
        event["end"] = _time(incident.closed_ns)
    document: dict[str, Any] = {
        "@timestamp": _time(report.tickets[-1].onset_ns),
        "message": report.title,
        "tags": ["simulated"] if report.simulated else [],
        "ecs": {"version": ECS_VERSION},
        "event": event,
        "observer": {
            "vendor": VENDOR_NAME, "product": PRODUCT_NAME, "type": "ids", "version": report.product_version
        },
        "host": {"name": incident.entity},
        "related": {"hosts": [incident.entity]},
        "rule": {"name": "thermodynamic equilibrium", "ruleset": "shield", "uuid": report.tickets[0].id},
        "Industriverse": {
            "stream": incident.stream,
            "criticality_index": report.criticality,
            "status": report.status,
            "channels": [
                {
                    "name": sensor.channel,
                    "share_percent": sensor.share_percent,
                    "kind": sensor.kind,
                    "temperature": sensor.temperature,
                }
                for sensor in explanation.sensors
            ],
            "technique_confidence": {tag.technique.id: tag.confidence for tag in report.tags},
        },
    }  # fmt: skip
    if report.tags:
        document["threat"] = {
            "framework": "MITRE ATT&CK",
            "technique": {
                "id": [tag.technique.id for tag in report.tags],
                "name": [tag.technique.name for tag in report.tags],
            },
            "tactic": {"name": sorted({tag.technique.tactic for tag in report.tags})},
        }
    return document
