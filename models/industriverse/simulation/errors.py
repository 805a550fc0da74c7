"""Errors of the simulation layer."""

from industriverse.physics.errors import IndustriverseError

__all__ = ["CommandError", "HydraulicsError", "JournalError", "SimulationError", "TwinError"]


class SimulationError(IndustriverseError):
    """Root of the errors raised by simulated plants; also raised for an impossible specification."""


class CommandError(SimulationError):
    """A command cannot be applied or reverted; the message names the field that is wrong."""


class HydraulicsError(SimulationError):
    """The hydraulic solver refused the network or did not converge."""


class JournalError(SimulationError):
    """The journal does not hold what was asked for, or replay would not rebuild the same plant."""


class TwinError(SimulationError):
    """The operator's model was asked for something that it cannot predict or estimate."""
