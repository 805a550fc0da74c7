"""Amounts as people write them, and whose account a caller's is."""

import hashlib
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from industriverse.economy.money import MICRO
from industriverse.economy.names import MAX_TEXT
from industriverse.operations.context import OWNERS, Principal
from industriverse.operations.errors import InvalidArgumentsError

__all__ = ["TREASURY", "Amount", "account_of", "micro", "units"]

TREASURY = "treasury"
"""Account of whoever owns this installation; tokens for its own proofs go there."""

Amount = Annotated[str, Field(pattern=r"^[0-9]{1,12}(\.[0-9]{1,6})?$")]


def units(amount: int) -> str:
    """Micro-units as a decimal number of units, exact."""
    sign = "-" if amount < 0 else ""
    whole, fraction = divmod(abs(amount), MICRO)
    return f"{sign}{whole}.{fraction:06d}"


def micro(text: str, field: str) -> int:
    """Micro-units of a decimal number of units, exact.

    Raises:
        InvalidArgumentsError: If it is none above zero with at most six decimals.
    """
    amount = Decimal(text) * MICRO if text.replace(".", "", 1).isdigit() and text.isascii() else Decimal(0)
    if amount <= 0 or amount != int(amount):
        raise InvalidArgumentsError(
            f"{field}: {text[:40]!r} is no amount", hint="write it like 12.5, with at most six decimals"
        )
    return int(amount)


def account_of(principal: Principal) -> str:
    """The account that a caller acts for; it follows from who the server knows the caller to be."""
    if principal.name in OWNERS and not principal.tenant:
        return TREASURY
    account = f"account:{principal.name}"
    if len(account) <= MAX_TEXT and account.isprintable() and not principal.name.startswith("sha256:"):
        return account
    # Names come from tokens. Cut short, two that begin alike would share an account.
    return f"account:sha256:{hashlib.sha256(principal.name.encode(errors='backslashreplace')).hexdigest()}"
