"""Errors of the operation layer; their texts reach callers of every face."""

from industriverse.physics import IndustriverseError

__all__ = [
    "ApprovalUnavailable",
    "HomeInUse",
    "InvalidArguments",
    "NotAllowed",
    "NotFound",
    "OperationError",
    "UnknownOperation",
]


class OperationError(IndustriverseError):
    """Root of the errors raised by operations."""


class UnknownOperation(OperationError):
    """No operation has the given name."""


class InvalidArguments(OperationError):
    """An argument is missing, misspelt, of the wrong type or out of range."""


class NotAllowed(OperationError):
    """The principal or the mode of the platform does not permit the operation."""


class NotFound(OperationError):
    """The thing that the arguments name does not exist."""


class ApprovalUnavailable(OperationError):
    """The operation needs a person's approval and the caller's channel cannot carry the question."""


class HomeInUse(OperationError):
    """Another process owns the platform's stores."""
