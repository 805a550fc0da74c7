"""Errors of the signal layer."""

from industriverse.physics.errors import IndustriverseError

__all__ = ["FrameError", "IngestError", "SignalError"]


class SignalError(IndustriverseError):
    """Root of the errors raised while telemetry becomes signals."""


class FrameError(SignalError):
    """Timestamps, values and channels do not describe one well-formed frame."""


class IngestError(SignalError):
    """A source could not be read as telemetry; the message names the source and the field."""
