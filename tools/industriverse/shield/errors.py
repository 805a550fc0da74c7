"""Errors of the shield: each says which plan, action or field, and what to do."""

from industriverse.physics.errors import IndustriverseError

__all__ = [
    "AnalysisError",
    "ApprovalRequiredError",
    "CollectorError",
    "ExchangeError",
    "ExplanationError",
    "PlanAlteredError",
    "PlanBusyError",
    "PlanExpiredError",
    "PlanNotFoundError",
    "PlanReplayedError",
    "PlanStateError",
    "PlannerError",
    "PrincipalMismatchError",
    "RecordError",
    "RenderError",
    "ShieldError",
    "StoreError",
    "TriageError",
]


class ShieldError(IndustriverseError):
    """Root of the errors raised between a ticket and a response."""


class ExplanationError(ShieldError):
    """A ticket's own numbers contradict each other, so no sentence about it could be true."""


class PlannerError(ShieldError):
    """The planner was given candidates or outcomes that it cannot compare."""


class PlanNotFoundError(ShieldError):
    """No plan with this id is stored."""


class PlanAlteredError(ShieldError):
    """A signed plan id does not belong to the stored plan."""


class PlanExpiredError(ShieldError):
    """A plan's time is over; the plant may no longer be as it was when the plan was made."""


class PrincipalMismatchError(ShieldError):
    """A plan was made for another principal."""


class PlanReplayedError(ShieldError):
    """A plan that has been executed was presented again."""


class PlanBusyError(ShieldError):
    """A plan of this store is being executed or reverted right now."""


class PlanStateError(ShieldError):
    """The plan's status does not allow this step."""


class ApprovalRequiredError(ShieldError):
    """A plan with an irreversible action has no recorded approval."""


class StoreError(ShieldError):
    """The store cannot be opened or holds something else."""


class AnalysisError(ShieldError):
    """A window cannot be analysed: its shape, its length or its values do not allow it."""


class CollectorError(ShieldError):
    """A source of telemetry cannot be opened, reached or configured as asked."""


class RecordError(ShieldError):
    """One record of a source is malformed; the record is set aside and the stream goes on."""


class RenderError(ShieldError):
    """An action cannot be written in the language of a target."""


class ExchangeError(ShieldError):
    """An incident cannot be written in a standard form, or a bundle of one is not what it claims."""


class TriageError(ShieldError):
    """A change of an incident's handling is not allowed, or lacks what it needs."""
