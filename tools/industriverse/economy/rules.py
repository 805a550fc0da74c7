"""What the books allow whoever writes them; checked when a transaction is written and again by the auditor."""

import hashlib
import re
from collections.abc import Iterable

from industriverse.economy.names import MAX_TEXT, Asset, is_issuer, issuer_of

__all__ = [
    "CONTRACT_KIND",
    "POOL_KIND",
    "SHARES",
    "budget_account",
    "contract_account",
    "pool_account",
    "problem",
]

# Kinds of transactions that may take from a pool's or a contract's account.
POOL_KIND = "pool."
CONTRACT_KIND = "contract."
# Shares of the pools; each is traded for CEU against the second asset.
SHARES = {Asset.CEU_PFT: Asset.PFT, Asset.CEU_MUNT: Asset.MUNT}
_SAVINGS = "contract.savings.accept"
_SHA256_HEX = re.compile(r"[0-9a-f]{64}")


def pool_account(share: Asset) -> str:
    """The account that holds a pool's reserves."""
    return f"pool:{share}"


def contract_account(contract_id: str) -> str:
    """The account in which a contract holds what was deposited."""
    return f"contract:{contract_id}"


def budget_account(principal: str) -> str:
    """The account whose balance is a principal's energy budget."""
    account = f"budget:{principal}"
    if len(account) <= MAX_TEXT and account.isprintable():
        return account
    # Names of principals come from tokens; one that is no account's name still has one account.
    return f"budget:sha256:{hashlib.sha256(principal.encode(errors='backslashreplace')).hexdigest()}"


def problem(kind: str, reference: str, legs: Iterable[tuple[str, str, int]]) -> str:
    """Why these legs (account, asset, amount) may not be written under this kind; empty if they may."""
    legs = list(legs)
    mints = any(account == issuer_of(Asset.PFT) and amount < 0 for account, _, amount in legs)
    if mints != (kind == "mint") or (mints and not _SHA256_HEX.fullmatch(reference)):
        return "PFT comes into being by minting alone, and minting names its evidence"
    for account, asset, amount in legs:
        if is_issuer(account) and asset in SHARES and kind not in ("pool.add", "pool.remove"):
            return f"shares of {asset} come and go with liquidity alone"
        if account == issuer_of(Asset.SAVING) and amount < 0 and kind != _SAVINGS:
            return "SAVING comes into being by an accepted claim alone"
        if account.startswith("budget:") and kind != "charge":
            return f"{account} is filled and spent by the meter alone"
        if amount < 0 and account.startswith("pool:") and not kind.startswith(POOL_KIND):
            return f"{account} pays by the rules of its pool alone"
        if amount < 0 and account.startswith("contract:") and not kind.startswith(CONTRACT_KIND):
            return f"{account} pays by the terms of its contract alone"
    return ""
