"""Errors of the agents."""

from industriverse.physics.errors import IndustriverseError

__all__ = ["AgentError", "ToolError"]


class AgentError(IndustriverseError):
    """Root of the errors raised by agents."""


class ToolError(AgentError):
    """A tool answered with an error; the message is the tool's own."""
