"""Errors of the event detectors."""

from industriverse.eil.errors import DetectorError, FitError, ReferenceFileError

__all__ = ["EventDetectorError", "EventFitError", "EventReferenceError"]


class EventFitError(FitError):
    """Clean events cannot become a reference; the message names what is missing."""


class EventDetectorError(DetectorError):
    """An event detector was given something that it cannot use in its present state."""


class EventReferenceError(ReferenceFileError):
    """A stored event reference is of another version, damaged or altered."""
