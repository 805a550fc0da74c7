"""The queue of certificates on their way to the mint: tried again while it may help, and never lost."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from industriverse.economy import schema
from industriverse.economy.errors import EconomyError, LedgerError, QueueError
from industriverse.economy.ledger import Ledger, Writer
from industriverse.economy.minting import Mint, ProofMint, VerifiedEvidence
from industriverse.economy.names import check_account

__all__ = ["ProofQueue", "ProofState", "Queued", "queued_proofs"]

_SECOND_NS = 1_000_000_000
# A worker that says nothing for so long is taken for dead, and its proof is given to another.
_LEASE_NS = 60 * _SECOND_NS
_FIRST_WAIT_NS = _SECOND_NS
_LONGEST_WAIT_NS = 3_600 * _SECOND_NS
_MAX_ENVELOPE = 1_000_000
_MAX_REASON = 500


class ProofState(StrEnum):
    """Where a proof stands."""

    WAITING = "waiting"
    MINTED = "minted"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Queued:
    """A proof in the queue.

    Attributes:
        id: SHA-256 of envelope and owner, hex.
        owner: Who gets what it is worth.
        state: Where it stands.
        attempts: How often it was tried.
        due_ns: Not before then will it be tried again, nanoseconds since 1970-01-01 UTC.
        sequence: The ledger transaction that minted for it, if any.
        reason: Why it was not minted the last time, empty if there was none.
    """

    id: str
    owner: str
    state: ProofState
    attempts: int
    due_ns: int
    sequence: int | None
    reason: str


@dataclass(frozen=True)
class ProofQueue:
    """Takes certificates in, validates them one by one, and keeps what cannot be minted with the reason.

    A refusal by the mint is final: the proof goes to the dead letters at once. Anything else (a database that is
    busy, a verifier that cannot read its key) is tried again after 1, 2, 4, … seconds. Minting and
    the change of state are one transaction, so that a killed worker neither loses nor doubles anything.

    Args:
        mint: The mint, with its verifier.
        attempts: How often a proof is tried before it goes to the dead letters.
        clock_ns: Wall clock, nanoseconds since 1970-01-01 UTC.
    """

    mint: ProofMint
    attempts: int = 8
    clock_ns: Callable[[], int] = time.time_ns

    def submit(self, envelope: bytes, owner: str) -> Queued:
        """Put a certificate into the queue; the same one again gives its state.

        Raises:
            QueueError: If the envelope is too long.
            AccountError: If the owner is no account name.
        """
        check_account(owner)
        if not 0 < len(envelope) <= _MAX_ENVELOPE:
            raise QueueError(f"the envelope has {len(envelope)} bytes", hint=f"give 1 to {_MAX_ENVELOPE}")
        name = hashlib.sha256(hashlib.sha256(envelope).digest() + owner.encode()).hexdigest()
        now_ns = self.clock_ns()

        def work(writer: Writer) -> Queued:
            known = _row(writer, name)
            if known is None:
                values = {
                    "id": name,
                    "envelope": envelope,
                    "owner": owner,
                    "state": ProofState.WAITING.value,
                    "attempts": 0,
                    "due_ns": now_ns,
                    "submitted_ns": now_ns,
                    "sequence": None,
                    "reason": "",
                }
                writer.connection.execute(insert(schema.proof_queue).values(values))
                known = _row(writer, name)
            return _queued(known)

        return self.mint.ledger.write(work)

    def run(self, limit: int = 100) -> tuple[Queued, ...]:
        """Try what is due, oldest first, at most ``limit``; returns where each stands then."""
        done: list[Queued] = []
        while len(done) < limit:
            row = self.mint.ledger.write(self._claim)
            if row is None:
                break
            done.append(self._try(row))
        return tuple(done)

    def read(self, proof_id: str) -> Queued:
        """Where a proof stands.

        Raises:
            QueueError: If there is none with this id.
        """
        table = schema.proof_queue
        with self.mint.ledger.reading() as connection:
            return _queued(connection.execute(select(table).where(table.c.id == proof_id)).one_or_none())

    def find(self, state: ProofState, *, limit: int = 100) -> tuple[Queued, ...]:
        """Proofs in a state, oldest first; ``ProofState.DEAD`` are the dead letters."""
        return queued_proofs(self.mint.ledger, state=state, limit=limit)

    def counts(self) -> dict[ProofState, int]:
        """How many proofs are in each state."""
        table = schema.proof_queue
        query = select(table.c.state, func.count()).group_by(table.c.state)
        with self.mint.ledger.reading() as connection:
            found = {ProofState(row[0]): int(row[1]) for row in connection.execute(query)}
        return {state: found.get(state, 0) for state in ProofState}

    def retry(self, proof_id: str) -> Queued:
        """Take a dead letter back into the queue, with all its attempts.

        Raises:
            QueueError: If there is none with this id, or it is not dead.
        """

        def work(writer: Writer) -> Queued:
            queued = _queued(_row(writer, proof_id))
            if queued.state is not ProofState.DEAD:
                raise QueueError(
                    f"proof {proof_id} is {queued.state}", hint="only dead letters are taken back"
                )
            return _set(writer, proof_id, state=ProofState.WAITING, attempts=0, due_ns=self.clock_ns())

        return self.mint.ledger.write(work)

    def _claim(self, writer: Writer) -> Row[Any] | None:
        table, now_ns = schema.proof_queue, self.clock_ns()
        query = (
            select(table)
            .where(table.c.state == ProofState.WAITING.value, table.c.due_ns <= now_ns)
            .order_by(table.c.due_ns, table.c.submitted_ns, table.c.id)
            .limit(1)
        )
        row: Row[Any] | None = writer.connection.execute(query).one_or_none()
        if row is not None:
            # Until the lease is over no other worker takes it. A worker that dies has used up an attempt, so that
            # a proof that kills its worker ends up among the dead letters.
            _set(writer, row.id, attempts=row.attempts + 1, due_ns=now_ns + _LEASE_NS)
        return row

    def _try(self, row: Row[Any]) -> Queued:
        attempt = row.attempts + 1
        if attempt > self.attempts:
            return self._bury(row.id, row.reason or f"no worker survived {self.attempts} attempts")
        try:
            evidence = self.mint.evidence(bytes(row.envelope))
            return self.mint.ledger.write(lambda writer: self._minted(writer, row, evidence))
        except LedgerError as error:
            return self._postpone(row.id, attempt, str(error))
        except EconomyError as error:
            return self._bury(row.id, str(error))
        except Exception as error:
            # Whatever a verifier fails with, the proof stays in the queue and the failure is written down.
            return self._postpone(row.id, attempt, f"{type(error).__name__}: {error}")

    def _minted(self, writer: Writer, row: Row[Any], evidence: VerifiedEvidence) -> Queued:
        now = _queued(_row(writer, row.id))
        if now.state is not ProofState.WAITING:
            return now
        minted: Mint = self.mint.mint_within(writer, evidence, row.owner)
        return _set(writer, row.id, state=ProofState.MINTED, sequence=minted.sequence, reason="")

    def _bury(self, proof_id: str, reason: str) -> Queued:
        return self.mint.ledger.write(
            lambda writer: _set_waiting(writer, proof_id, state=ProofState.DEAD, reason=_clean(reason))
        )

    def _postpone(self, proof_id: str, attempt: int, reason: str) -> Queued:
        if attempt >= self.attempts:
            return self._bury(proof_id, reason)
        wait_ns = min(_FIRST_WAIT_NS * 2 ** (attempt - 1), _LONGEST_WAIT_NS)
        due_ns = self.clock_ns() + wait_ns
        return self.mint.ledger.write(
            lambda writer: _set_waiting(writer, proof_id, due_ns=due_ns, reason=_clean(reason))
        )


def queued_proofs(
    ledger: Ledger, *, state: ProofState | None = None, owner: str | None = None, limit: int = 100
) -> tuple[Queued, ...]:
    """Proofs in the queue of a ledger, oldest first; of one state or owner if given."""
    table = schema.proof_queue
    query = select(table).order_by(table.c.submitted_ns, table.c.id).limit(limit)
    if state is not None:
        query = query.where(table.c.state == state.value)
    if owner is not None:
        query = query.where(table.c.owner == owner)
    with ledger.reading() as connection:
        rows = connection.execute(query).all()
    return tuple(_queued(row) for row in rows)


def _row(writer: Writer, proof_id: str) -> Row[Any] | None:
    table = schema.proof_queue
    return writer.connection.execute(select(table).where(table.c.id == proof_id)).one_or_none()


def _set(writer: Writer, proof_id: str, **values: Any) -> Queued:
    table = schema.proof_queue
    if "state" in values:
        values["state"] = values["state"].value
    writer.connection.execute(update(table).where(table.c.id == proof_id).values(values))
    return _queued(_row(writer, proof_id))


def _set_waiting(writer: Writer, proof_id: str, **values: Any) -> Queued:
    # A worker that was slow may find that another one has settled the proof since.
    now = _queued(_row(writer, proof_id))
    return _set(writer, proof_id, **values) if now.state is ProofState.WAITING else now


def _clean(reason: str) -> str:
    # A verifier's words may hold anything that a certificate holds, and not every database keeps all of that.
    return "".join(letter if letter.isprintable() else "?" for letter in reason[:_MAX_REASON])


def _queued(row: Row[Any] | None) -> Queued:
    if row is None:
        raise QueueError("there is no such proof in the queue", hint="submit it first")
    return Queued(
        row.id, row.owner, ProofState(row.state), row.attempts, row.due_ns, row.sequence, row.reason
    )
