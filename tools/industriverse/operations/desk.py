"""What people do with incidents: criticality, report, export, and what the mode in force allows."""

import json
import socket
from typing import TYPE_CHECKING, Any, Final

from industriverse.operations.errors import InvalidArgumentsError, NotAllowedError
from industriverse.operations.incidents import (
    channels_of,
    event_ticket_of,
    incident_of,
    is_of_events,
    tickets_of,
)
from industriverse.operations.services import Services
from industriverse.operations.version import platform_version
from industriverse.shield.plan import Plan
from industriverse.signals import Incident, Ticket

if TYPE_CHECKING:
    from industriverse.shield.attack_techniques import TechniqueTag

__all__ = [
    "FORMS",
    "export_incident",
    "incident_criticality",
    "report_of",
    "require_mode",
    "techniques_of",
    "ticket_criticality",
]

FORMS: Final = ("ocsf", "stix", "ecs", "cef", "syslog", "bundle")


def ticket_criticality(ticket: Ticket) -> float:
    """Criticality index of a ticket by its calibrated p alone, agreement taken as neutral."""
    from industriverse.shield.fusion.criticality import criticality_index, evidence_share

    share = evidence_share([min(max(ticket.p_value, 0.0), 1.0)])
    return round(float(criticality_index(share, [0.5])[0]), 1)


def incident_criticality(services: Services, incident: Incident) -> float:
    """Criticality index of an incident's strongest ticket."""
    return max((ticket_criticality(ticket) for ticket in tickets_of(services, incident)), default=0.0)


def techniques_of(services: Services, incident: Incident, ticket: Ticket) -> "tuple[TechniqueTag, ...]":
    """ATT&CK techniques that an incident's ticket speaks for, of samples or of events."""
    from industriverse.shield.attack_techniques import tag_techniques
    from industriverse.shield.enterprise_techniques import tag_enterprise_techniques
    from industriverse.shield.event_techniques import tag_event_techniques

    raised = event_ticket_of(services, incident)
    if raised is not None:
        return tag_event_techniques(raised)
    if is_of_events(services, incident.stream):
        return ()
    channels = channels_of(services, incident)
    return (*tag_techniques(ticket, channels=channels), *tag_enterprise_techniques(ticket))


def report_of(services: Services, incident_id: str) -> Any:
    """An incident as every standard form needs it.

    Raises:
        NotFoundError: If there is no such incident.
    """
    from industriverse.shield.exchange.report import IncidentReport

    incident = incident_of(services, incident_id)
    tickets = tickets_of(services, incident)
    tags = techniques_of(services, incident, tickets[0])
    handled = services.triage.handling(incident.id).status
    return IncidentReport(
        incident=incident,
        tickets=tickets,
        tags=tags,
        criticality=incident_criticality(services, incident),
        status="closed" if incident.closed_ns is not None else str(handled),
        product_version=platform_version(),
        simulated=services.plants.exists(incident.stream),
    )


def export_incident(services: Services, incident_id: str, form: str) -> str:
    """An incident in one standard form, as text.

    Raises:
        NotFoundError: If there is no such incident.
        InvalidArgumentsError: If the form is none.
    """
    from industriverse.shield import exchange

    report = report_of(services, incident_id)
    if form == "cef":
        return exchange.to_cef(report)
    if form == "syslog":
        return exchange.to_syslog(report, host=socket.gethostname())
    if form == "bundle":
        key = services.certificates.signing_key
        return json.dumps(exchange.export_bundle(report, key, host=socket.gethostname()))
    makers = {"ocsf": exchange.to_ocsf, "stix": exchange.to_stix, "ecs": exchange.to_ecs}
    if form not in makers:
        raise InvalidArgumentsError(f"form: {form[:40]!r}", hint=f"forms are {', '.join(FORMS)}")
    return json.dumps(makers[form](report))


def require_mode(services: Services, plan: Plan) -> bool:
    """Whether a person has to say yes to a plan under the mode in force.

    The call itself is somebody's decision to act, so a reversible plan is asked about in detect mode alone.

    Raises:
        NotAllowedError: In passive mode.
    """
    from industriverse.shield.hybrid.modes import permission

    answer = permission(services.triage.mode, reversible=not plan.irreversible_actions, index=100.0)
    if not answer.allowed:
        raise NotAllowedError(answer.reason, hint="change the mode with shield_mode")
    return answer.ask
