"""Errors of the event adapters."""

from industriverse.signals.errors import IngestError

__all__ = ["EventFormatError", "TemplateError"]


class EventFormatError(IngestError):
    """A source as a whole cannot be read as events; single bad lines are counted instead."""


class TemplateError(IngestError):
    """A template miner has unusable settings or a stored state that is damaged."""
