"""Proofs for strangers: that a transaction is in the ledger, and that the ledger has only grown."""

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from industriverse.economy import schema, tiles
from industriverse.economy.checkpoints import Checkpoint, SigningKey, sign_note
from industriverse.economy.errors import CheckpointError
from industriverse.economy.ledger import Ledger, Writer
from industriverse.economy.merkle import (
    EMPTY_ROOT,
    prove_consistency,
    prove_inclusion,
    verify_consistency,
    verify_inclusion,
)
from industriverse.economy.replay import state_at

__all__ = ["Consistency", "Inclusion", "TransparencyLog"]


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Proof that a transaction is in the ledger.

    Attributes:
        sequence: Number of the transaction, from 1.
        transaction_hash: Its hash, hex.
        size: How many transactions the tree covers.
        path: Hashes up to the root.
    """

    sequence: int
    transaction_hash: str
    size: int
    path: tuple[bytes, ...]

    def holds(self, root: bytes) -> bool:
        """Whether it proves the transaction under this root of ``size`` transactions."""
        leaf = tiles.leaf_of(self.transaction_hash)
        return verify_inclusion(self.sequence - 1, self.size, leaf, self.path, root)


@dataclass(frozen=True, slots=True)
class Consistency:
    """Proof that the first ``old`` of ``new`` transactions are unchanged."""

    old: int
    new: int
    path: tuple[bytes, ...]

    def holds(self, old_root: bytes, new_root: bytes) -> bool:
        """Whether it proves growth from one root to the other."""
        return verify_consistency(self.old, self.new, self.path, old_root, new_root)


@dataclass(frozen=True)
class TransparencyLog:
    """The RFC 9162 Merkle log of a ledger; it grows with every transaction.

    Args:
        ledger: The ledger.
        origin: Name of the log in its checkpoints, such as ``plant.example.org/ledger``.
    """

    ledger: Ledger
    origin: str

    def root(self, size: int | None = None) -> tuple[int, bytes]:
        """Size and root of the log now, or at an earlier size.

        Raises:
            CheckpointError: If the log is not that long.
        """
        with self.ledger.reading() as connection:
            return _root(connection, size)

    def inclusion(self, sequence: int, size: int | None = None) -> Inclusion:
        """Proof that transaction ``sequence`` is among the first ``size`` (all, if not given).

        Raises:
            CheckpointError: If there is no such transaction.
        """
        with self.ledger.reading() as connection:
            size = _size(connection, size)
            if not 1 <= sequence <= size:
                raise CheckpointError(
                    f"transaction {sequence} is not among the first {size}", hint="give a sequence in the log"
                )
            path = prove_inclusion(
                sequence - 1, size, lambda start, end: tiles.subtree(connection, start, end)
            )
            table = schema.transactions
            query = select(table.c.hash).where(table.c.sequence == sequence)
            return Inclusion(sequence, connection.execute(query).scalar_one(), size, path)

    def consistency(self, old: int, new: int | None = None) -> Consistency:
        """Proof that the log at size ``new`` (now, if not given) begins with that at size ``old``.

        Raises:
            CheckpointError: If the sizes are not in order, or the log is not that long.
        """
        with self.ledger.reading() as connection:
            new = _size(connection, new)
            if not 0 <= old <= new:
                raise CheckpointError(
                    f"size {old} does not come before {new}", hint="give the older size first"
                )
            path = (
                prove_consistency(old, new, lambda start, end: tiles.subtree(connection, start, end))
                if old
                else ()
            )
            return Consistency(old, new, path)

    def checkpoint(self, key: SigningKey) -> str:
        """Sign the log as it is now and keep the note; the same size gives the first note again."""
        # Hashing every balance takes a while in a long ledger, and no writer waits for it.
        with self.ledger.reading() as connection:
            size, root = _root(connection, None)
            state = state_at(connection, size).digest
        note = sign_note(Checkpoint(self.origin, size, root, state), key)
        return self.ledger.write(lambda writer: _keep(writer, size, note))

    def checkpoints(self, *, limit: int = 100) -> tuple[str, ...]:
        """Kept notes, newest first."""
        table = schema.checkpoints
        query = select(table.c.note).order_by(table.c.size.desc()).limit(limit)
        with self.ledger.reading() as connection:
            return tuple(connection.execute(query).scalars())


def _keep(writer: Writer, size: int, note: str) -> str:
    table = schema.checkpoints
    query = select(table.c.note).where(table.c.size == size)
    known = writer.connection.execute(query).scalar_one_or_none()
    if known is not None:
        return str(known)
    values = {"size": size, "note": note, "created_ns": writer.now_ns()}
    writer.connection.execute(insert(table).values(values))
    return note


def _size(connection: Connection, size: int | None) -> int:
    now = int(connection.execute(select(schema.head.c.sequence)).scalar_one())
    if size is None:
        return now
    if not 0 <= size <= now:
        raise CheckpointError(f"the log holds {now} transactions, not {size}", hint="ask for a smaller size")
    return size


def _root(connection: Connection, size: int | None) -> tuple[int, bytes]:
    size = _size(connection, size)
    return size, tiles.subtree(connection, 0, size) if size else EMPTY_ROOT
