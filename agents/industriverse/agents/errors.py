"""Errors of the agents."""

from industriverse.physics.errors import IndustriverseError

__all__ = ["AgentError", "LanguageModelError", "ToolError"]


class AgentError(IndustriverseError):
    """Root of the errors raised by agents."""


class ToolError(AgentError):
    """A tool answered with an error; the message is the tool's own."""


class LanguageModelError(AgentError):
    """Questions cannot be answered by a language model here."""
