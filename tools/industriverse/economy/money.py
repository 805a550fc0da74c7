"""Assets, accounts, amounts and the transactions that move them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from industriverse.economy import rules
from industriverse.economy.errors import AccountError, AmountError, PostingError
from industriverse.economy.names import MAX_TEXT, Asset, check_account, is_issuer, issuer_of

__all__ = [
    "MAX_AMOUNT",
    "MICRO",
    "Asset",
    "Details",
    "Entry",
    "EntryPage",
    "Leg",
    "Posting",
    "Transaction",
    "canonical",
    "check_account",
    "check_amount",
    "is_issuer",
    "issuer_of",
]

# All amounts are whole numbers of this fraction of a unit.
MICRO = 1_000_000
# Sums of two of these still fit the 64-bit integers of SQL.
MAX_AMOUNT = 2**62
_MAX_LEGS = 64
_MAX_DETAILS = 4_000

Details = Mapping[str, str | int | bool]


def check_amount(amount: int) -> int:
    """The amount in micro-units, if it is a positive integer in range.

    Raises:
        AmountError: If not.
    """
    if type(amount) is not int or not 0 < amount <= MAX_AMOUNT:
        raise AmountError(
            f"amount {amount!r:.80} is not a positive whole number of micro-units",
            hint=f"one unit is {MICRO} micro-units, an int up to 2^62",
        )
    return amount


def canonical(content: object) -> bytes:
    """One byte string for one content: JSON of text and integers, sorted, without spaces, ASCII."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of a transaction.

    Attributes:
        account: Whose balance changes.
        asset: Of what.
        amount: By how many micro-units; negative pays, positive receives.
    """

    account: str
    asset: Asset
    amount: int


@dataclass(frozen=True, slots=True)
class Posting:
    """A transaction to be written: legs that sum to zero in every asset.

    Attributes:
        key: Idempotency key, chosen by the caller. One key means one content, for ever.
        kind: ``"transfer"``, ``"issue"``, ``"charge"``, ``"mint"``, …
        legs: 2 to 64, each account at most once per asset; none for a record.
        reference: What the transaction is about (an evidence hash, an order), empty if nothing.
        details: Flat facts for the auditor: text, integers, truth values.

    Raises:
        PostingError: If a field is out of range or the legs do not balance.
    """

    key: str
    kind: str
    legs: tuple[Leg, ...]
    reference: str = ""
    details: Details = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value, least in (
            ("key", self.key, 1),
            ("kind", self.kind, 1),
            ("reference", self.reference, 0),
        ):
            if not isinstance(value, str) or not least <= len(value) <= MAX_TEXT or not value.isprintable():
                raise PostingError(
                    f"{name} {value!r:.80} is not well formed",
                    hint=f"give {least} to {MAX_TEXT} printable characters",
                )
        # Without legs it is a record: something that happened, at which nothing changed hands.
        if len(self.legs) == 1 or len(self.legs) > _MAX_LEGS:
            raise PostingError(
                f"a transaction has {len(self.legs)} legs",
                hint=f"give 2 to {_MAX_LEGS}, or none for a record",
            )
        _check_legs(self.legs)
        _check_details(self.details)
        legs = [(leg.account, leg.asset, leg.amount) for leg in self.legs]
        if problem := rules.problem(self.kind, self.reference, legs):
            raise PostingError(problem, hint="use ProofMint, Market or Contracts")

    @property
    def content(self) -> dict[str, object]:
        """What the key stands for."""
        return {
            "kind": self.kind,
            "legs": [[leg.account, leg.asset, leg.amount] for leg in self.legs],
            "reference": self.reference,
            "details": dict(self.details),
        }

    @property
    def content_hash(self) -> str:
        """SHA-256 of the content, hex."""
        return hashlib.sha256(canonical(self.content)).hexdigest()


@dataclass(frozen=True, slots=True)
class Entry:
    """One leg as written.

    Attributes:
        sequence: Number of its transaction.
        leg: Its place in the transaction.
        account: Whose balance changed.
        asset: Of what.
        amount: Change in micro-units.
        balance: Balance after it, micro-units.
    """

    sequence: int
    leg: int
    account: str
    asset: Asset
    amount: int
    balance: int


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Part of the entries in the order in which they were written; continue at ``next_cursor``."""

    entries: tuple[Entry, ...]
    next_cursor: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction as written.

    Attributes:
        sequence: 1, 2, 3, … without gaps.
        key: Its idempotency key.
        kind: Its kind.
        reference: What it is about.
        created_ns: When, nanoseconds since 1970-01-01 UTC.
        hash: SHA-256 over its content, its entries with balances and the hash before it; hex.
    """

    sequence: int
    key: str
    kind: str
    reference: str
    created_ns: int
    hash: str


def _check_legs(legs: Sequence[Leg]) -> None:
    totals: dict[Asset, int] = {}
    for leg in legs:
        check_account(leg.account)
        if leg.asset not in list(Asset):
            raise PostingError(f"asset {leg.asset!r:.80} is unknown", hint=f"use one of {', '.join(Asset)}")
        # bool is an int in Python; a flag as an amount is always a caller's mistake.
        check_amount(abs(leg.amount) if type(leg.amount) is int else leg.amount)
        if is_issuer(leg.account) and leg.account != issuer_of(leg.asset):
            raise AccountError(
                f"{leg.account} cannot hold {leg.asset}",
                hint="an issuer has an account in its own asset only",
            )
        totals[leg.asset] = totals.get(leg.asset, 0) + leg.amount
    if len({(leg.account, leg.asset) for leg in legs}) != len(legs):
        raise PostingError("an account occurs twice with one asset", hint="join its legs; pay someone else")
    for asset, total in totals.items():
        if total != 0:
            raise PostingError(f"the legs in {asset} sum to {total}", hint="what is paid must be received")


def _check_details(details: Details) -> None:
    for name, value in details.items():
        if type(name) is not str or type(value) not in (str, int, bool):
            raise PostingError(
                f"detail {name!r:.40} is {value!r:.40}", hint="details are text, integers or truth values"
            )
    if len(canonical(dict(details))) > _MAX_DETAILS:
        raise PostingError("the details are too long", hint=f"keep them under {_MAX_DETAILS} bytes")
