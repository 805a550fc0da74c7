"""STIX 2.1: an incident as a bundle with its sightings of attack patterns and the readings observed.

Source: OASIS STIX 2.1 (2021). Ids are UUIDv5 of the content's own ids, so an incident exported again is the same
set of objects. The readings travel as an artifact of JSON: STIX has no observable for process telemetry.
"""

import base64
import json
import uuid
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from industriverse.shield.attack_techniques import TechniqueTag
from industriverse.shield.exchange.report import VENDOR_NAME, IncidentReport
from industriverse.signals import NANOSECONDS_PER_SECOND

__all__ = ["to_stix"]

# Ours, so that nobody else's UUIDv5 can collide with it.
_NAMESPACE = uuid.UUID("6f3a4bb0-5a3e-5c6b-9a70-1d3a6d9f2c11")
_SHOWN_CHANNELS = 20


def _identifier(kind: str, name: str) -> str:
    return f"{kind}--{uuid.uuid5(_NAMESPACE, f'{kind}/{name}')}"


def _time(nanoseconds: int) -> str:
    moment = datetime.fromtimestamp(nanoseconds / NANOSECONDS_PER_SECOND, tz=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def to_stix(report: IncidentReport) -> dict[str, Any]:
    """An incident as a STIX 2.1 bundle."""
    created, modified = _time(report.incident.opened_ns), _time(report.tickets[-1].onset_ns)
    producer = _identifier("identity", VENDOR_NAME)
    common = {"spec_version": "2.1", "created": created, "modified": modified, "created_by_ref": producer}
    artifact = _artifact(report)
    observed = {
        "type": "observed-data",
        "id": _identifier("observed-data", report.incident.id),
        **common,
        "first_observed": created,
        "last_observed": modified,
        "number_observed": len(report.tickets),
        "object_refs": [artifact["id"]],
    }
    incident = {
        "type": "incident",
        "id": _identifier("incident", report.incident.id),
        **common,
        "name": report.title,
        "description": report.explanation.text(),
        "labels": ["simulated"] if report.simulated else ["telemetry"],
        "external_references": [{"source_name": VENDOR_NAME, "external_id": report.incident.id}],
    }
    identity = {
        "type": "identity",
        "id": producer,
        "spec_version": "2.1",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "name": VENDOR_NAME,
        "identity_class": "system",
    }
    objects: list[dict[str, Any]] = [identity, artifact, observed, incident]
    for tag in report.tags:
        pattern = _pattern(tag, producer)
        objects += [
            pattern,
            {
                "type": "sighting",
                "id": _identifier("sighting", f"{report.incident.id}/{tag.technique.id}"),
                **common,
                "confidence": round(100 * tag.confidence),
                "description": tag.reason,
                "first_seen": created,
                "last_seen": modified,
                "count": len(report.tickets),
                "sighting_of_ref": pattern["id"],
                "observed_data_refs": [observed["id"]],
                "where_sighted_refs": [producer],
            },
        ]
    bundle_id = _identifier("bundle", f"{report.incident.id}/{modified}")
    return {"type": "bundle", "id": bundle_id, "objects": objects}


def _pattern(tag: TechniqueTag, producer: str) -> dict[str, Any]:
    technique = tag.technique
    framework = "mitre-ics-attack" if technique.domain == "ics" else "mitre-attack"
    path = technique.id.replace(".", "/")
    return {
        "type": "attack-pattern",
        "id": _identifier("attack-pattern", technique.id),
        "spec_version": "2.1",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "created_by_ref": producer,
        "name": technique.name,
        "kill_chain_phases": [
            {"kill_chain_name": framework, "phase_name": technique.tactic.lower().replace(" ", "-")}
        ],
        "external_references": [
            {
                "source_name": "mitre-attack",
                "external_id": technique.id,
                "url": f"https://attack.mitre.org/techniques/{path}",
            }
        ],
    }


def _artifact(report: IncidentReport) -> dict[str, Any]:
    evidence = [
        {"ticket": ticket.id, "onset_ns": str(ticket.onset_ns), "channels": [
            {key: value if value == value else None for key, value in asdict(entry).items()}
            for entry in ticket.evidence[:_SHOWN_CHANNELS]]}
        for ticket in report.tickets
    ]  # fmt: skip
    payload = base64.b64encode(json.dumps(evidence, sort_keys=True).encode()).decode()
    return {
        "type": "artifact",
        "id": _identifier("artifact", payload),
        "spec_version": "2.1",
        "mime_type": "application/json",
        "payload_bin": payload,
    }
