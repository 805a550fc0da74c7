"""Errors of the field forecasts: which field or coefficient, its value, the admissible range."""

from industriverse.physics.errors import IndustriverseError

__all__ = [
    "CoefficientError",
    "CouncilError",
    "FieldError",
    "FieldShapeError",
    "FieldValueError",
    "GraphError",
    "InferenceError",
    "PredictorError",
    "StabilityError",
    "UnknownDomainError",
]


class FieldError(IndustriverseError):
    """Root of the errors raised while fields are stepped, inferred or forecast."""


class FieldShapeError(FieldError):
    """A state does not have the shape (batch, channels, cells, cells) of its domain."""


class FieldValueError(FieldError):
    """A state holds a value that its equation does not admit: NaN, a negative density, a dry cell."""


class CoefficientError(FieldError):
    """A coefficient lies outside the range in which the equation is well posed."""


class StabilityError(FieldError):
    """A step would need more substeps than allowed to stay stable."""


class UnknownDomainError(FieldError):
    """No solver carries this name."""


class InferenceError(FieldError):
    """Coefficients cannot be inferred from the frames given."""


class GraphError(FieldError):
    """A telemetry graph or its stocks are malformed."""


class CouncilError(FieldError):
    """A shadow council is misconfigured or a vote is not admissible."""


class PredictorError(FieldError):
    """A predictor cannot be built, loaded or asked this."""
