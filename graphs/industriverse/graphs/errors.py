"""Errors of the graphs."""

from industriverse.physics import IndustriverseError

__all__ = ["GraphError", "ToolCallError"]


class GraphError(IndustriverseError):
    """Root of the errors raised by graph runs."""


class ToolCallError(GraphError):
    """A tool that a node called answered with an error; the message is the tool's own."""
