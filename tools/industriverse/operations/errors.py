"""Errors of the operation layer; their texts reach callers of every face."""

from industriverse.physics import IndustriverseError

__all__ = [
    "ApprovalUnavailableError",
    "AuditBrokenError",
    "HomeInUseError",
    "InvalidArgumentsError",
    "NotAllowedError",
    "NotFoundError",
    "OperationError",
    "UnknownOperationError",
]


class OperationError(IndustriverseError):
    """Root of the errors raised by operations."""


class UnknownOperationError(OperationError):
    """No operation has the given name."""


class InvalidArgumentsError(OperationError):
    """An argument is missing, misspelt, of the wrong type or out of range."""


class NotAllowedError(OperationError):
    """The principal or the mode of the platform does not permit the operation."""


class NotFoundError(OperationError):
    """The thing that the arguments name does not exist."""


class ApprovalUnavailableError(OperationError):
    """The operation needs a person's approval and the caller's channel cannot carry the question."""


class HomeInUseError(OperationError):
    """Another process owns the platform's stores."""


class AuditBrokenError(OperationError):
    """The audit log is missing, closed, or its chain does not hold."""
