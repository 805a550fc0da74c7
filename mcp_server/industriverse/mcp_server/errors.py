"""Errors of the server's own settings."""

from industriverse.physics import IndustriverseError

__all__ = ["AuthenticationSettingsError", "ServerError"]


class ServerError(IndustriverseError):
    """Root of the errors raised by the server."""


class AuthenticationSettingsError(ServerError):
    """The server was asked to run with settings under which it would not be safe."""
