"""OCSF 1.5.0, Detection Finding (class 2004), with an anomaly analysis of the leading channels.

Source: Open Cybersecurity Schema Framework 1.5.0, https://schema.ocsf.io/1.5.0/classes/detection_finding.
"""

from typing import Any

from industriverse.shield.exchange.report import PRODUCT_NAME, VENDOR_NAME, IncidentReport
from industriverse.shield.explain import SensorExplanation

__all__ = ["OCSF_VERSION", "to_ocsf"]

OCSF_VERSION = "1.5.0"
CLASS_UID = 2004
_SEVERITIES = ("Unknown", "Informational", "Low", "Medium", "High", "Critical")
# status_id: 1 new, 2 in progress, 4 resolved.
_STATUS = {"open": (1, "New"), "acknowledged": (2, "In Progress"), "closed": (4, "Resolved")}
_ACTIVITY = {"open": (1, "Create"), "acknowledged": (2, "Update"), "closed": (3, "Close")}
_BEHAVIOURAL = 2  # analytic type
_OTHER_OBSERVABLE = 99


def to_ocsf(report: IncidentReport) -> dict[str, Any]:
    """An incident as a Detection Finding; times are in milliseconds."""
    activity, activity_name = _ACTIVITY[report.status]
    status, status_name = _STATUS[report.status]
    explanation = report.explanation
    return {
        "activity_id": activity,
        "activity_name": activity_name,
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": CLASS_UID,
        "class_name": "Detection Finding",
        "type_uid": CLASS_UID * 100 + activity,
        "type_name": f"Detection Finding: {activity_name}",
        "time": report.last_ms,
        "start_time": report.opened_ms,
        "severity_id": report.severity,
        "severity": _SEVERITIES[report.severity],
        "status_id": status,
        "status": status_name,
        "risk_score": round(report.criticality),
        "confidence_score": round(100 * report.confidence),
        "is_alert": report.status != "closed",
        "count": len(report.tickets),
        "message": explanation.cause,
        "metadata": {
            "version": OCSF_VERSION,
            "product": {"name": PRODUCT_NAME, "vendor_name": VENDOR_NAME, "version": report.product_version},
            "uid": report.incident.id,
            "labels": ["simulated"] if report.simulated else [],
        },
        "finding_info": {
            "uid": report.incident.id,
            "title": report.title,
            "desc": explanation.text(),
            "types": ["Anomaly"],
            "first_seen_time": report.opened_ms,
            "last_seen_time": report.last_ms,
            "analytic": {"name": "thermodynamic equilibrium", "type_id": _BEHAVIOURAL, "type": "Behavioral"},
            "attacks": [_attack(tag) for tag in report.tags],
        },
        "resources": [{"uid": report.incident.entity, "name": report.incident.entity}],
        "observables": [
            {
                "name": "finding.channel",
                "type_id": _OTHER_OBSERVABLE,
                "type": "Other",
                "value": sensor.channel,
            }
            for sensor in explanation.sensors
        ],
        "anomaly_analyses": [
            {
                "analysis_targets": [{"name": report.incident.stream, "type": "telemetry stream"}],
                "anomalies": [_anomaly(sensor, "actual") for sensor in explanation.sensors],
                "baselines": [_anomaly(sensor, "expected") for sensor in explanation.sensors],
            }
        ],
        "unmapped": {
            "score_nats": report.tickets[0].score,
            "p_value": report.tickets[0].p_value,
            "confidences": {tag.technique.id: tag.confidence for tag in report.tags},
        },
    }


def _attack(tag: Any) -> dict[str, Any]:
    return {
        "tactic": {"name": tag.technique.tactic},
        "technique": {"uid": tag.technique.id, "name": tag.technique.name},
        "version": tag.technique.version,
    }


def _anomaly(sensor: SensorExplanation, which: str) -> dict[str, Any]:
    unit = "" if sensor.unit in {"", "1"} else f" {sensor.unit}"
    return {
        "observation_parameter": sensor.channel,
        "observation_type": "sensor reading",
        "observations": [{"value": f"{getattr(sensor, which):.6g}{unit}"}],
        "observed_pattern": sensor.kind or "none",
    }
