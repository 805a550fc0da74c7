"""Hybrid: cyber, physical and energy evidence together, cross-layer patterns, and what each mode allows."""

from industriverse.shield.hybrid.joining import CrossLayerIncident, Layer, Sighting, join_sightings
from industriverse.shield.hybrid.modes import Mode, permission
from industriverse.shield.hybrid.patterns import PATTERNS, Pattern, PatternMatch, match_patterns

__all__ = [
    "PATTERNS",
    "CrossLayerIncident",
    "Layer",
    "Mode",
    "Pattern",
    "PatternMatch",
    "Sighting",
    "join_sightings",
    "match_patterns",
    "permission",
]
