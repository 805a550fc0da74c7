"""Incidents to export, with hostile names among them."""

import numpy as np

from industriverse.shield.attack_techniques import tag_techniques
from industriverse.shield.exchange.report import IncidentReport
from industriverse.signals import ChannelEvidence, Incident, Ticket

ONSET = 1_700_000_000_123_000_000


def ticket(name: str = "level", *, share: float = 6.0) -> Ticket:
    first = ChannelEvidence(name, "tank-1", "m", share, 3.0, 0.2, 0.1, 4.2, 3.1, 1.0)
    second = ChannelEvidence("flow", "pump-1", "m3/h", 2.0, 0.1, 1.0, 0.1, float("nan"), 10.0, 0.1)
    return Ticket("t-1", "net3", ONSET, share + 2.0, 1e-5, (first, second))


def report(name: str = "level", *, status: str = "open", criticality: float = 72.0) -> IncidentReport:
    found = ticket(name)
    later = Ticket("t-2", "net3", ONSET + 3600 * 10**9, found.score, found.p_value, found.evidence)
    closed = ONSET + 7200 * 10**9 if status == "closed" else None
    incident = Incident("incident-0123456789abcdef", "net3", "tank-1", ("t-1", "t-2"), ONSET, closed)
    tags = tag_techniques(found)
    assert tags
    assert np.isfinite(criticality)
    return IncidentReport(incident, (found, later), tags, criticality, status, "1.2.3", simulated=True)
