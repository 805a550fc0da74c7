"""Contracts: small typed state machines whose every transition is a transaction of the ledger.

A contract is a state that is kept beside the ledger, and an account in it. A transition names the state that
follows and what changes hands; both become true in one transaction, which holds the hash of the new state.
The auditor compares that hash with the state that is kept, so that a state changed by hand is found.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict
from sqlalchemy import insert, select, update

from industriverse.economy import schema
from industriverse.economy.errors import ContractError, IdempotencyError
from industriverse.economy.ledger import Ledger, Writer
from industriverse.economy.money import Leg, Posting, Transaction, canonical
from industriverse.economy.rules import CONTRACT_KIND

__all__ = ["ContractState", "Contracts", "Outcome", "Request", "Step"]

_MAX_ID = 120
Request = Mapping[str, str | int | bool | None]


class ContractState(BaseModel):
    """Where a contract stands; subclasses add their fields, integers and text only."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    machine: ClassVar[str]


S = TypeVar("S", bound=ContractState)


@dataclass(frozen=True, slots=True)
class Step(Generic[S]):
    """What a transition does.

    Attributes:
        name: Its name, such as ``"release"``.
        state: The state that follows.
        legs: What changes hands.
    """

    name: str
    state: S
    legs: tuple[Leg, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome(Generic[S]):
    """What a transition did: the contract, its state now, and the transaction."""

    contract_id: str
    state: S
    transaction: Transaction


@dataclass(frozen=True)
class Contracts:
    """Opens contracts and takes them from state to state.

    Time is that of the ledger's clock and is given to every transition.

    Args:
        ledger: The ledger.
    """

    ledger: Ledger

    def read(self, kind: type[S], contract_id: str) -> S:
        """The state of a contract.

        Raises:
            ContractError: If there is none of this kind with this id.
        """
        table = schema.documents
        query = select(table.c.state).where(table.c.id == contract_id, table.c.kind == kind.machine)
        with self.ledger.reading() as connection:
            text = connection.execute(query).scalar_one_or_none()
        return _parse(kind, contract_id, text)

    def find(self, kind: type[S], *, after: str = "", limit: int = 100) -> tuple[tuple[str, S], ...]:
        """Contracts of a kind with their states, ordered by id, those behind ``after``."""
        table = schema.documents
        query = select(table.c.id, table.c.state).where(table.c.kind == kind.machine, table.c.id > after)
        with self.ledger.reading() as connection:
            rows = connection.execute(query.order_by(table.c.id).limit(limit)).all()
        return tuple((row.id, _parse(kind, row.id, row.state)) for row in rows)

    def open(
        self,
        kind: type[S],
        contract_id: str,
        *,
        key: str,
        request: Request,
        first: Callable[[Writer, int], Step[S]],
    ) -> Outcome[S]:
        """Open a contract, once per key.

        Args:
            kind: Its state.
            contract_id: The machine's name, a colon and a name of its own: up to 120 printable characters.
            key: Idempotency key.
            request: What was asked; the same key with another request is refused.
            first: Makes the first step, from the open transaction and the time in nanoseconds.

        Raises:
            ContractError: If a contract has this id.
            IdempotencyError: If the key was used for something else.
        """
        prefix = f"{kind.machine}:"
        # The prefix keeps one kind of contract from taking the name that belongs to one of another kind.
        if not contract_id.startswith(prefix) or not len(prefix) < len(contract_id) <= _MAX_ID:
            raise ContractError(
                f"contract id {contract_id!r:.140} is not well formed",
                hint=f"give {prefix} and a name, at most {_MAX_ID} characters",
            )

        def work(writer: Writer) -> Outcome[S]:
            done = self._done(writer, kind, contract_id, key, request)
            if done is not None:
                return done
            if self._text(writer, contract_id) is not None:
                raise ContractError(f"contract {contract_id} exists", hint="choose another id")
            return self._save(writer, contract_id, first(writer, writer.now_ns()), key, request, new=True)

        return self.ledger.write(work)

    def advance(
        self,
        kind: type[S],
        contract_id: str,
        *,
        key: str,
        request: Request,
        transition: Callable[[S, int], Step[S]],
    ) -> Outcome[S]:
        """Take a contract to its next state, once per key.

        Args:
            kind: Its state.
            contract_id: Its name.
            key: Idempotency key.
            request: What was asked; the same key with another request is refused.
            transition: Makes the step from the state and the time in nanoseconds, or raises.

        Raises:
            ContractError: If there is no such contract, or its terms do not allow the step.
            IdempotencyError: If the key was used for something else.
        """

        def work(writer: Writer) -> Outcome[S]:
            done = self._done(writer, kind, contract_id, key, request)
            if done is not None:
                return done
            state = self.load(writer, kind, contract_id)
            step = transition(state, writer.now_ns())
            return self._save(writer, contract_id, step, key, request, new=False)

        return self.ledger.write(work)

    def load(self, writer: Writer, kind: type[S], contract_id: str) -> S:
        """The state of a contract within a write transaction.

        Raises:
            ContractError: If there is none of this kind with this id.
        """
        found = self._text(writer, contract_id)
        return _parse(kind, contract_id, found[1] if found and found[0] == kind.machine else None)

    def _text(self, writer: Writer, contract_id: str) -> tuple[str, str] | None:
        table = schema.documents
        query = select(table.c.kind, table.c.state).where(table.c.id == contract_id)
        row = writer.connection.execute(query).one_or_none()
        return (row.kind, row.state) if row is not None else None

    def _done(
        self, writer: Writer, kind: type[S], contract_id: str, key: str, request: Request
    ) -> Outcome[S] | None:
        before = writer.find(key)
        if before is None:
            return None
        details = f'"request_sha256":"{_hash(request)}"'
        if before.reference != contract_id or details not in writer.details(before.sequence):
            raise IdempotencyError(
                f"key {key!r} was used before for something else (transaction {before.sequence})",
                hint="choose a new key",
            )
        return Outcome(contract_id, self.load(writer, kind, contract_id), before)

    def _save(
        self, writer: Writer, contract_id: str, step: Step[S], key: str, request: Request, *, new: bool
    ) -> Outcome[S]:
        table, machine = schema.documents, step.state.machine
        text = canonical(step.state.model_dump(mode="json")).decode()
        details = {
            "request_sha256": _hash(request),
            "state_sha256": hashlib.sha256(text.encode()).hexdigest(),
        }
        posting = Posting(key, f"{CONTRACT_KIND}{machine}.{step.name}", step.legs, contract_id, details)
        transaction = writer.post(posting)
        values = {"kind": machine, "state": text, "sequence": transaction.sequence}
        if new:
            writer.connection.execute(insert(table).values(id=contract_id, **values))
        else:
            writer.connection.execute(update(table).where(table.c.id == contract_id).values(values))
        return Outcome(contract_id, step.state, transaction)


def _hash(request: Request) -> str:
    return hashlib.sha256(canonical(dict(request))).hexdigest()


def _parse(kind: type[S], contract_id: str, text: str | None) -> S:
    if text is None:
        raise ContractError(f"there is no {kind.machine} {contract_id!r:.140}", hint="check the id")
    return kind.model_validate_json(text)
