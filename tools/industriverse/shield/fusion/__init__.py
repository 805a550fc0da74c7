"""Physics fusion: calibrated evidence of seven witnesses, a quorum, and one criticality index."""

from industriverse.shield.fusion.criticality import BANDS, Band, band_of, criticality_index, evidence_share
from industriverse.shield.fusion.monitor import ShieldMonitor, ShieldReadings
from industriverse.shield.fusion.witnesses import PHASES, WITNESSES, ShieldModel

__all__ = [
    "BANDS",
    "PHASES",
    "WITNESSES",
    "Band",
    "ShieldModel",
    "ShieldMonitor",
    "ShieldReadings",
    "band_of",
    "criticality_index",
    "evidence_share",
]
