"""The laws: energy, entropy, free energy and entropy production. numpy and scipy only, no input or output."""

from industriverse.physics.errors import IndustriverseError

__all__ = ["IndustriverseError"]
