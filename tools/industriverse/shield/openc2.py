"""Render actions as OpenC2 commands.

Source: OASIS OpenC2 Language Specification 1.0, Committee Specification 02 (2019), sections on commands,
actions and extensions. Physical assets are no target of the language, so they travel in an extension target.
"""

from typing import Any

from industriverse.shield.plan import Action, Plan

__all__ = ["OPENC2_ACTIONS", "to_openc2"]

# The action types of the language specification.
OPENC2_ACTIONS = frozenset(
    {
        *("scan", "locate", "query", "deny", "contain", "allow", "start", "stop", "restart", "cancel", "set"),
        *(
            "update",
            "redirect",
            "create",
            "delete",
            "detonate",
            "restore",
            "copy",
            "investigate",
            "remediate",
        ),
    }
)
_EXTENSION = "x-industriverse"


def to_openc2(plan: Plan, action: Action) -> dict[str, Any]:
    """One action of a plan as an OpenC2 1.0 command.

    A verb whose first word is an OpenC2 action keeps it; any other is a ``set`` of the asset. The original
    verb is always in the target, so nothing is lost.

    Args:
        plan: The plan, for the command id.
        action: One of its actions.
    """
    first_word = action.verb.replace("-", "_").split("_")[0].lower()
    asset: dict[str, Any] = {"name": action.target, "verb": action.verb}
    if action.entity:
        asset["entity"] = action.entity
    if action.value is not None:
        asset["value"] = action.value
    return {
        "action": first_word if first_word in OPENC2_ACTIONS else "set",
        "target": {f"{_EXTENSION}:asset": asset},
        "args": {"response_requested": "complete"},
        "command_id": f"{plan.id}/{plan.actions.index(action)}",
    }
