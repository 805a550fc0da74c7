"""What the shield may do by itself: four modes, and one question to them before every action."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Mode", "Permission", "permission"]


class Mode(StrEnum):
    """How much the shield does by itself."""

    PASSIVE = "passive"
    DETECT = "detect"
    AUTONOMOUS = "autonomous"
    EMERGENCY = "emergency"


@dataclass(frozen=True, slots=True)
class Permission:
    """Whether an action may be carried out, and whether a person has to say yes first."""

    allowed: bool
    ask: bool
    reason: str


AUTONOMOUS_FROM = 60.0
EMERGENCY_FROM = 40.0


def permission(mode: Mode, *, reversible: bool, index: float) -> Permission:
    """What a mode says to an action.

    An action that cannot be undone is never carried out without a person, whatever the mode: an emergency makes
    the shield quicker with what it can take back, not bolder with what it cannot.

    Args:
        mode: The mode in force.
        reversible: Whether the action can be undone.
        index: Criticality index of what it answers.
    """
    if mode is Mode.PASSIVE:
        return Permission(False, False, "passive: the shield watches and does nothing")
    if mode is Mode.DETECT:
        return Permission(True, True, "detect: a person decides on every action")
    if not reversible:
        return Permission(True, True, "it cannot be undone: a person decides")
    needed = EMERGENCY_FROM if mode is Mode.EMERGENCY else AUTONOMOUS_FROM
    if index >= needed:
        return Permission(True, False, f"{mode}: criticality {index:.0f} is at least {needed:.0f}")
    return Permission(True, True, f"{mode}: criticality {index:.0f} is below {needed:.0f}, a person decides")
