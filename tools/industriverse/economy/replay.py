"""What follows from the transactions alone: balances, contracts, evidence; and whether each may stand."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select

from industriverse.economy import database, rules, schema
from industriverse.economy.money import Entry, canonical
from industriverse.economy.names import Asset, is_issuer, issuer_of

__all__ = ["HASHED", "Replay", "State", "state_at", "transaction_hash"]

HASHED = (
    "sequence",
    "key",
    "kind",
    "reference",
    "details",
    "content_hash",
    "created_ns",
    "previous_hash",
)


def transaction_hash(values: Mapping[str, Any], entries: Sequence[Entry]) -> str:
    """SHA-256 (hex) over a transaction, its entries with balances, and the hash before it."""
    content = {name: values[name] for name in HASHED}
    rows = [[entry.leg, entry.account, entry.asset, entry.amount, entry.balance] for entry in entries]
    return hashlib.sha256(canonical({**content, "entries": rows})).hexdigest()


@dataclass
class State:
    """What the ledger says after some transaction.

    Attributes:
        balances: Micro-units by account and asset.
        documents: Hash (hex) of the state of each contract or model, by its id.
        minted: Evidence for which PFT were minted.
        windows: Their windows (first and last sample, nanoseconds), by stream.
    """

    balances: dict[tuple[str, str], int] = field(default_factory=dict)
    documents: dict[str, str] = field(default_factory=dict)
    minted: set[str] = field(default_factory=set)
    windows: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over all of it; balances of zero count as never held."""
        content: dict[str, Any] = {
            "balances": sorted([*place, amount] for place, amount in self.balances.items() if amount),
            "documents": sorted([name, state] for name, state in self.documents.items()),
            "minted": sorted(self.minted),
        }
        if self.windows:
            # Ledgers from before windows were noted keep the state that was signed.
            content["windows"] = sorted([stream, sorted(found)] for stream, found in self.windows.items())
        return hashlib.sha256(canonical(content)).hexdigest()


def state_at(connection: Connection, size: int) -> State:
    """The state after the first ``size`` transactions, added up by the database."""
    legs, table = schema.entries, schema.transactions
    sums = (
        select(legs.c.account, legs.c.asset, func.sum(legs.c.amount).label("amount"))
        .where(legs.c.sequence <= size)
        .group_by(legs.c.account, legs.c.asset)
    )
    state = State({(row.account, row.asset): int(row.amount) for row in connection.execute(sums)})
    minted = select(table.c.reference, table.c.details).where(
        table.c.kind == "mint", table.c.sequence <= size
    )
    for row in connection.execute(minted):
        state.minted.add(row.reference)
        if window := _window(row.details):
            state.windows.setdefault(window[0], []).append(window[1:])
    last = (
        select(func.max(table.c.sequence))
        .where(table.c.kind.startswith(rules.CONTRACT_KIND, autoescape=True), table.c.sequence <= size)
        .where(table.c.reference != "")
        .group_by(table.c.reference)
    )
    query = select(table.c.reference, table.c.details).where(table.c.sequence.in_(last))
    for row in connection.execute(query):
        state.documents[row.reference] = _document(row.details) or ""
    return state


class Replay:
    """Goes through the transactions in order and believes nothing.

    Args:
        state: What is true before the first of them.
        sequence: How many came before.
        previous: Hash of the last that came before.
    """

    def __init__(
        self, state: State | None = None, sequence: int = 0, previous: str = database.GENESIS
    ) -> None:
        self.state = state or State()
        self.sequence = sequence
        self.hash = previous
        self.entries = 0

    def take(self, values: Mapping[str, Any], entries: Sequence[Entry]) -> str:
        """Take the next transaction as true, or say what is wrong with it (empty if nothing)."""
        if values["sequence"] != self.sequence + 1:
            return f"it is missing; {values['sequence']} follows"
        if values["previous_hash"] != self.hash:
            return "it does not follow from the transaction before it"
        if _has_foreign_types(values, entries):
            return "it holds a value of the wrong type"
        if transaction_hash(values, entries) != values["hash"]:
            return "its content does not match its hash"
        problem = self._entries_problem(entries) or self._kind_problem(values, entries)
        problem = problem or self._pool_problem(entries)
        if not problem:
            self._accept(values, entries)
        return problem

    def _entries_problem(self, entries: Sequence[Entry]) -> str:
        totals: dict[str, int] = defaultdict(int)
        for entry in entries:
            totals[entry.asset] += entry.amount
            after = self.state.balances.get((entry.account, entry.asset), 0) + entry.amount
            if after != entry.balance:
                return f"entry {entry.leg} says {entry.balance}, the balance of {entry.account} is {after}"
            if after < 0 and not is_issuer(entry.account):
                return f"entry {entry.leg} takes {entry.account} below zero"
        return "its entries do not balance" if any(totals.values()) else ""

    def _kind_problem(self, values: Mapping[str, Any], entries: Sequence[Entry]) -> str:
        kind, reference = values["kind"], values["reference"]
        legs = [(entry.account, entry.asset, entry.amount) for entry in entries]
        if problem := rules.problem(kind, reference, legs):
            return problem
        if kind == "mint" and reference in self.state.minted:
            return f"evidence {reference} was minted before"
        if kind == "mint" and (window := _window(values["details"])):
            for start_ns, end_ns in self.state.windows.get(window[0], []):
                if start_ns <= window[2] and window[1] <= end_ns:
                    return "a part of its window was minted before"
        if kind.startswith(rules.CONTRACT_KIND) and _document(values["details"]) is None:
            return "it does not say in which state its contract is"
        return ""

    def _pool_problem(self, entries: Sequence[Entry]) -> str:
        """Whether a share of a pool became worth less: x·y/S² may never fall, and S² never exceeds x·y."""
        for share, other in rules.SHARES.items():
            account = rules.pool_account(share)
            places = ((account, Asset.CEU), (account, other), (issuer_of(share), share))
            after = {(entry.account, entry.asset): entry.balance for entry in entries}
            if not any(place in after for place in places):
                continue
            x, y, s = (self.state.balances.get(place, 0) for place in places)
            new_x, new_y, new_s = (
                after.get(place, old) for place, old in zip(places, (x, y, s), strict=True)
            )
            if new_x * new_y * s * s < x * y * new_s * new_s or new_s * new_s > new_x * new_y:
                return f"it takes more from the pool {share} than its rule gives"
        return ""

    def _accept(self, values: Mapping[str, Any], entries: Sequence[Entry]) -> None:
        self.sequence, self.hash = values["sequence"], values["hash"]
        self.entries += len(entries)
        for entry in entries:
            self.state.balances[entry.account, entry.asset] = entry.balance
        if values["kind"] == "mint":
            self.state.minted.add(values["reference"])
            if window := _window(values["details"]):
                self.state.windows.setdefault(window[0], []).append(window[1:])
        if values["kind"].startswith(rules.CONTRACT_KIND):
            self.state.documents[values["reference"]] = _document(values["details"]) or ""

    def supply(self) -> dict[Asset, int]:
        """Micro-units in being, by asset."""
        return {asset: -self.state.balances.get((issuer_of(asset), asset.value), 0) for asset in Asset}

    def supply_problem(self) -> str:
        """Whether what the issuers gave out is what the holders have; empty if it is."""
        held: dict[str, int] = defaultdict(int)
        for (account, asset), amount in self.state.balances.items():
            if not is_issuer(account):
                held[asset] += amount
        for asset, supply in self.supply().items():
            if held[asset] != supply:
                return f"the supply of {asset} is {supply}, its holders have {held[asset]}"
        return ""


def _document(details: str) -> str | None:
    # The hash of the state in which a contract's transaction left it.
    try:
        state = json.loads(details).get("state_sha256")
    except (ValueError, AttributeError):
        return None
    return state if isinstance(state, str) else None


def _window(details: str) -> tuple[str, int, int] | None:
    # Stream, first and last sample of the window for which was minted; mints from before they were noted have none.
    try:
        found = json.loads(details)
        return str(found["stream"]), int(found["start_ns"]), int(found["end_ns"])
    except (ValueError, KeyError, TypeError):
        return None


def _has_foreign_types(values: Mapping[str, Any], entries: Sequence[Entry]) -> bool:
    # SQLite keeps whatever type is written into a column.
    numbers = [values["sequence"], values["created_ns"]]
    texts = [values[name] for name in (*HASHED, "hash") if name not in ("sequence", "created_ns")]
    for entry in entries:
        numbers += [entry.leg, entry.amount, entry.balance]
        texts += [entry.account, entry.asset]
    return any(type(number) is not int for number in numbers) or any(
        not isinstance(text, str) for text in texts
    )
