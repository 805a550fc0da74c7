"""Names in the books: assets and accounts."""

from enum import StrEnum

from industriverse.economy.errors import AccountError

__all__ = ["MAX_TEXT", "Asset", "check_account", "is_issuer", "issuer_of"]

MAX_TEXT = 200
_ISSUER = "issuer:"


class Asset(StrEnum):
    """What the ledger counts."""

    CEU = "CEU"  # compute energy unit: 1,000 inference steps
    PFT = "PFT"  # proof token: minted for a verified certificate, and in no other way
    MUNT = "MUNT"  # model unit: what licences are priced in
    CEU_PFT = "CEU-PFT"  # share of the pool CEU/PFT
    CEU_MUNT = "CEU-MUNT"  # share of the pool CEU/MUNT
    SAVING = "SAVING"  # one kilowatt-hour saved, issued for an accepted claim


def issuer_of(asset: Asset) -> str:
    """The account from which an asset comes; its balance is minus the supply."""
    return f"{_ISSUER}{asset}"


def is_issuer(account: str) -> bool:
    """Whether an account issues an asset."""
    return account.startswith(_ISSUER)


def check_account(account: str) -> str:
    """The account's name, if it is well formed.

    Raises:
        AccountError: If not.
    """
    if not isinstance(account, str) or not 0 < len(account) <= MAX_TEXT or not account.isprintable():
        raise AccountError(
            f"account {account!r:.80} is not well formed", hint=f"give 1 to {MAX_TEXT} printable characters"
        )
    if is_issuer(account) and account not in {issuer_of(asset) for asset in Asset}:
        raise AccountError(f"account {account!r:.80} is reserved", hint="choose another name")
    return account
