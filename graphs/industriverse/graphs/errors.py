"""Errors of the graphs."""

from industriverse.physics import IndustriverseError

__all__ = ["GraphError", "ToolCallFailed"]


class GraphError(IndustriverseError):
    """Root of the errors raised by graph runs."""


class ToolCallFailed(GraphError):
    """A tool that a node called answered with an error; the message is the tool's own."""
