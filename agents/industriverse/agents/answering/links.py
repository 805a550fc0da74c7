"""Where the answer of a call can be read again."""

from typing import Any
from urllib.parse import quote

from industriverse.operations.registry import Operation

__all__ = ["link_of"]


def link_of(declared: Operation, arguments: dict[str, Any]) -> str:
    """URI of the resource that holds the same as a call, or the verb's REST route."""
    if declared.name == "eil_regime" and "at" not in arguments:
        return f"eil://regime/{quote(str(arguments['stream']), safe='')}"
    if declared.name == "shield_threats" and arguments.get("open_only") and "incident_id" not in arguments:
        return "shield://threats/active"
    if declared.name == "atlas_get" and arguments.get("kind", "EnergyState") == "EnergyState":
        return f"atlas://state/{quote(str(arguments['id']), safe='')}"
    return f"/v1/{declared.toolset}/{declared.name.removeprefix(declared.toolset + '_')}"
