"""Errors of the energy intelligence layer."""

from industriverse.physics.errors import IndustriverseError

__all__ = [
    "CalibrationError",
    "DecisionError",
    "DetectorError",
    "EilError",
    "FeedbackError",
    "FitError",
    "ReferenceFileError",
    "RegimeError",
    "ScoringError",
]


class EilError(IndustriverseError):
    """Root of the errors raised while equilibrium is learned, watched or proved."""


class FitError(EilError):
    """Clean telemetry cannot become a reference; the message names what is missing."""


class CalibrationError(EilError):
    """A ticket budget or a calibration series cannot be used."""


class DetectorError(EilError):
    """A detector was asked for something that it cannot do in its present state."""


class ReferenceFileError(EilError):
    """A stored reference is of another version, damaged or altered."""


class ScoringError(EilError):
    """A scoring run cannot start or cannot write its table."""


class FeedbackError(EilError):
    """A verdict on a ticket cannot be taken; the message names what is wrong with it."""


class RegimeError(EilError):
    """A regime cannot be admitted, refused or scored."""


class DecisionError(EilError):
    """Options cannot be weighed against each other; the message names the option and the number."""
