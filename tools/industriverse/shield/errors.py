"""Errors of the shield: each says which plan, action or field, and what to do."""

from industriverse.physics.errors import IndustriverseError

__all__ = [
    "ApprovalRequiredError",
    "ExplanationError",
    "PlanAlteredError",
    "PlanBusyError",
    "PlanExpiredError",
    "PlanNotFoundError",
    "PlanReplayedError",
    "PlanStateError",
    "PlannerError",
    "PrincipalMismatchError",
    "ShieldError",
    "StoreError",
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
