"""The root of every error that the platform raises on purpose, and the errors of the laws themselves."""

__all__ = [
    "CovarianceError",
    "IndustriverseError",
    "InstabilityError",
    "PhysicsError",
    "SampleError",
    "ShapeError",
]


class IndustriverseError(Exception):
    """A failure that a person can act on.

    Args:
        message: What went wrong and with which value, in one clause.
        hint: What to do next, in one clause. May be empty where nothing can be done.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class PhysicsError(IndustriverseError):
    """Root of the errors raised by the functionals of ``industriverse.physics``."""


class ShapeError(PhysicsError):
    """An array does not have the shape that the formula needs."""


class SampleError(PhysicsError):
    """There are too few samples, or values that are not numbers, for the quantity to be defined."""


class CovarianceError(PhysicsError):
    """A matrix that has to be a positive definite covariance is not one."""


class InstabilityError(PhysicsError):
    """A linear process has no stationary state, so its stationary quantities do not exist."""
