"""Standards out: one incident as OCSF, STIX, ECS, CEF and syslog, and as one signed bundle."""

from industriverse.shield.exchange.bundle import export_bundle, open_bundle
from industriverse.shield.exchange.cef import to_cef, to_syslog
from industriverse.shield.exchange.ecs import to_ecs
from industriverse.shield.exchange.ocsf import to_ocsf
from industriverse.shield.exchange.report import IncidentReport
from industriverse.shield.exchange.stix import to_stix

__all__ = [
    "IncidentReport",
    "export_bundle",
    "open_bundle",
    "to_cef",
    "to_ecs",
    "to_ocsf",
    "to_stix",
    "to_syslog",
]
