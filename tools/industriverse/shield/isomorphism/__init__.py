"""MIC, Math Isomorphism Core: what kind of noise, which invariants, and which known system a stream behaves like."""

from industriverse.shield.isomorphism.invariants import Invariant, InvariantSet, find_invariants
from industriverse.shield.isomorphism.mapper import SystemMatch, match_system
from industriverse.shield.isomorphism.noise_profiles import NoiseMatch, NoiseProfile, identify_noise

__all__ = [
    "Invariant",
    "InvariantSet",
    "NoiseMatch",
    "NoiseProfile",
    "SystemMatch",
    "find_invariants",
    "identify_noise",
    "match_system",
]
