"""Roles that a token may have, and the scopes that each of them holds."""

from collections.abc import Iterable
from typing import Final

from industriverse.operations.errors import InvalidArgumentsError

__all__ = ["ADMIN_SCOPES", "ROLES", "scopes_of_roles"]

_VIEWER: Final = frozenset({"read", "forecast"})
_OPERATOR: Final = _VIEWER | {"ingest", "learn", "simulate", "prove", "record"}
_RESPONDER: Final = _OPERATOR | {"plan", "act", "respond"}

ADMIN_SCOPES: Final = frozenset({"audit", "mint", "trade"})
"""Scopes that no role but admin holds: they look at everybody's calls or move what has a price."""

ROLES: Final[dict[str, frozenset[str]]] = {
    "viewer": _VIEWER,
    "operator": _OPERATOR,
    "responder": _RESPONDER,
    "admin": frozenset({"*"}),
}
"""Each role holds what the one before it holds."""


def scopes_of_roles(roles: Iterable[str]) -> frozenset[str]:
    """The scopes of some roles together.

    Raises:
        InvalidArgumentsError: If a role does not exist.
    """
    held: frozenset[str] = frozenset()
    for role in roles:
        if role not in ROLES:
            raise InvalidArgumentsError(f"role: no role {role[:40]!r}", hint=f"roles are {', '.join(ROLES)}")
        held |= ROLES[role]
    return held
