"""Signed plan ids: whoever presents one can only execute the very plan that was shown."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from pathlib import Path

from industriverse.eil.proof.keys import read_private_file, write_private_file
from industriverse.shield.errors import (
    PlanAlteredError,
    PlanExpiredError,
    PrincipalMismatchError,
    ShieldError,
)
from industriverse.shield.plan import Plan, plan_id_of

__all__ = ["PlanSigner", "generate_plan_key", "load_plan_key", "plan_id_in"]

_KEY_BYTES = 32
# Keeps a signature made for a plan from being mistaken for one made for anything else with the same key.
_CONTEXT = b"industriverse plan v1\n"


def generate_plan_key(path: Path | str) -> bytes:
    """Create a random key and write it to ``path`` with mode 0600.

    Raises:
        KeyFileError: If the file exists or cannot be created.
    """
    key = secrets.token_bytes(_KEY_BYTES)
    write_private_file(path, key)
    return key


def load_plan_key(path: Path | str) -> bytes:
    """Load a key that ``generate_plan_key`` wrote.

    Raises:
        KeyFileError: If the file is missing or open to group or others.
    """
    return read_private_file(path)


def plan_id_in(signed_id: str) -> str:
    """The plan id inside a signed plan id, not yet verified.

    Raises:
        PlanAlteredError: If the text is no signed plan id.
    """
    plan_id, dot, signature = signed_id.partition(".")
    if not (dot and plan_id.startswith("plan-") and signature):
        raise PlanAlteredError("this is not a signed plan id", hint="present the id that the plan came with")
    return plan_id


class PlanSigner:
    """Binds plan ids to content, principal and expiry by HMAC-SHA256 (RFC 2104).

    Args:
        key: At least 32 secret bytes, see ``generate_plan_key``.
        clock: Returns nanoseconds since 1970-01-01 UTC.

    Raises:
        ShieldError: If the key is too short.
    """

    def __init__(self, key: bytes, clock: Callable[[], int]) -> None:
        if len(key) < _KEY_BYTES:
            raise ShieldError(
                f"a plan key of {len(key)} bytes is too short",
                hint=f"generate one with {_KEY_BYTES} random bytes",
            )
        self._key = key
        self._clock = clock

    def sign(self, plan: Plan) -> str:
        """The plan's id followed by a dot and its signature.

        Raises:
            PlanAlteredError: If the id does not belong to the content.
        """
        if plan.id != plan_id_of(plan):
            raise PlanAlteredError(f"{plan.id!r} is not the id of this content", hint="make the plan again")
        return f"{plan.id}.{self._signature(plan)}"

    def verify(self, signed_id: str, plan: Plan, *, principal: str) -> None:
        """Check that a signed id belongs to this plan and principal and has not expired.

        Raises:
            PlanAlteredError: If signature, id and content do not belong together.
            PrincipalMismatchError: If the plan was made for another principal.
            PlanExpiredError: If its time is over.
        """
        plan_id, _, signature = signed_id.partition(".")
        genuine = hmac.compare_digest(signature.encode(), self._signature(plan).encode())
        if not (genuine and plan_id == plan.id == plan_id_of(plan)):
            raise PlanAlteredError(
                "the signed plan id does not belong to the stored plan: one of them was altered",
                hint="make a new plan",
            )
        if principal != plan.principal:
            raise PrincipalMismatchError(
                f"plan {plan.id} was made for {plan.principal!r}, not for {principal!r}",
                hint="let the principal it was made for execute it, or make your own plan",
            )
        if self._clock() >= plan.expires_ns:
            raise PlanExpiredError(
                f"plan {plan.id} has expired", hint="make a new plan: the plant may have changed since"
            )

    def _signature(self, plan: Plan) -> str:
        return hmac.new(self._key, _CONTEXT + plan.content(), hashlib.sha256).hexdigest()
