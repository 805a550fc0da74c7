"""A stranger can check that a transaction is there and that nothing of the past was changed."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from sqlalchemy import delete, select

from economy.places import Place
from industriverse.economy import Asset, CheckpointError, LedgerError, merkle, schema
from industriverse.economy.checkpoints import Checkpoint, open_note, parse_note, sign_note
from industriverse.economy.ledger import Ledger
from industriverse.economy.money import Posting
from industriverse.economy.tiles import leaf_of, subtree
from industriverse.economy.transparency import TransparencyLog

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key()


def grow(ledger: Ledger, count: int, name: str = "r") -> None:
    """Many small records in one write."""
    with ledger.writer() as writer:
        for number in range(count):
            writer.post(Posting(f"{name}{number}", "note", ()))


@pytest.fixture
def log(ledger: Ledger) -> TransparencyLog:
    return TransparencyLog(ledger, "plant.example.org/ledger")


@pytest.fixture
def books(ledger: Ledger) -> Ledger:
    ledger.issue(key="start", asset=Asset.CEU, account="ada", amount=1_000)
    for index in range(6):
        ledger.transfer(key=f"t{index}", asset=Asset.CEU, source="ada", target="bo", amount=10 + index)
    return ledger


def test_every_transaction_is_proved_under_the_signed_root_and_nothing_else_is(
    books: Ledger, log: TransparencyLog
) -> None:
    signed = open_note(log.checkpoint(KEY), PUBLIC)
    assert signed.size == 7
    for sequence in range(1, 8):
        proof = log.inclusion(sequence)
        assert proof.holds(signed.root)
        assert not replace(proof, transaction_hash="ab" * 32).holds(signed.root)
        assert not replace(proof, sequence=sequence % 7 + 1).holds(signed.root)
    for sequence in (0, 8, -1):
        with pytest.raises(CheckpointError, match="is not among the first 7"):
            log.inclusion(sequence)


def test_a_ledger_that_grew_proves_that_it_only_grew(books: Ledger, log: TransparencyLog) -> None:
    old = open_note(log.checkpoint(KEY), PUBLIC)
    grow(books, 5)
    new = open_note(log.checkpoint(KEY), PUBLIC)
    assert (old.size, new.size) == (7, 12)
    proof = log.consistency(old.size)
    assert proof.holds(old.root, new.root)
    assert not proof.holds(new.root, old.root)
    assert log.consistency(0).holds(merkle.EMPTY_ROOT, new.root)
    assert log.root(7) == (7, old.root)
    for sizes in ((13, None), (9, 8), (-1, 4)):
        with pytest.raises(CheckpointError):
            log.consistency(*sizes)


def test_an_empty_ledger_has_the_empty_root(ledger: Ledger, log: TransparencyLog) -> None:
    signed = open_note(log.checkpoint(KEY), PUBLIC)
    assert (signed.size, signed.root) == (0, hashlib.sha256(b"").digest())
    assert ledger.verify(from_checkpoint=signed).ok
    assert ledger.verify().root == signed.root


@pytest.fixture(scope="module")
def long_ledger(new_place: Callable[[], Place]) -> Iterator[Ledger]:
    with Ledger(new_place().url) as ledger:
        grow(ledger, 700)
        yield ledger


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_kept_nodes_give_the_same_proofs_as_all_leaves_do(long_ledger: Ledger, data: DataObject) -> None:
    with long_ledger.reading() as connection:
        query = select(schema.transactions.c.hash).order_by(schema.transactions.c.sequence)
        leaves = [leaf_of(text) for text in connection.execute(query).scalars()]
        size = data.draw(st.integers(1, 700))
        index = data.draw(st.integers(0, size - 1))

        def slow(start: int, end: int) -> bytes:
            return merkle.fold(leaves[start:end])

        def fast(start: int, end: int) -> bytes:
            return subtree(connection, start, end)

        assert fast(0, size) == slow(0, size)
        assert merkle.prove_inclusion(index, size, fast) == merkle.prove_inclusion(index, size, slow)
        assert merkle.prove_consistency(index + 1, size, fast) == merkle.prove_consistency(
            index + 1, size, slow
        )


def test_nodes_are_kept_for_every_full_tile_and_may_be_missing(
    long_ledger: Ledger, new_place: Callable[[], Place]
) -> None:
    tiles = schema.merkle_tiles
    with long_ledger.reading() as connection:
        kept = connection.execute(select(tiles.c.level, tiles.c.place).order_by(tiles.c.place)).all()
    assert [tuple(row) for row in kept] == [(1, 0), (1, 1)]
    root = TransparencyLog(long_ledger, "log").root()
    assert long_ledger.verify().root == root[1]
    place = new_place()
    with Ledger(place.url) as other:
        grow(other, 300)
        before = TransparencyLog(other, "log").root()
        place.run("DELETE FROM merkle_tiles")
        assert TransparencyLog(other, "log").root() == before
        assert other.verify().ok


def test_a_checkpoint_has_the_form_that_other_logs_use(books: Ledger, log: TransparencyLog) -> None:
    note = log.checkpoint(KEY)
    origin, size, root, state, gap, line, end = note.split("\n")
    assert (origin, size, gap, end) == ("plant.example.org/ledger", "7", "", "")
    assert base64.b64decode(root) == log.root()[1]
    assert state.startswith("state sha256:")
    dash, name, encoded = line.split(" ")
    raw = base64.b64decode(encoded)
    assert (dash, name) == ("—", origin)
    # https://c2sp.org/signed-note: name, newline, type 1, public key.
    assert raw[:4] == hashlib.sha256(name.encode() + b"\n\x01" + PUBLIC.public_bytes_raw()).digest()[:4]
    PUBLIC.verify(raw[4:], note.partition("\n\n")[0].encode() + b"\n")


def test_the_same_size_is_signed_once_and_notes_are_kept(books: Ledger, log: TransparencyLog) -> None:
    first = log.checkpoint(KEY)
    assert log.checkpoint(Ed25519PrivateKey.generate()) == first
    grow(books, 1)
    second = log.checkpoint(KEY)
    assert log.checkpoints() == (second, first)


def test_a_note_with_signatures_of_witnesses_is_opened_by_the_logs_key(log: TransparencyLog) -> None:
    note = log.checkpoint(KEY)
    witness = Ed25519PrivateKey.generate()
    foreign = sign_note(parse_note(note), witness).rpartition("\n\n")[2]
    assert open_note(note + foreign, PUBLIC) == open_note(note.replace("— ", foreign + "— "), PUBLIC)


@pytest.mark.parametrize(
    "damage",
    [
        lambda note: note.replace("\n7\n", "\n8\n"),
        lambda note: note.replace("plant", "plane"),
        lambda note: note.replace("state sha256:", "state sha256:0")[:-1],
        lambda note: note.replace("\n\n", "\nmore\n\n"),
        lambda note: note.replace("\n7\n", "\n07\n"),
        lambda note: note.replace("\n7\n", "\n-7\n"),
        lambda note: note.partition("\n\n")[0],
        lambda note: note.replace("— ", "- "),
        lambda note: note.replace("=", "*", 1),
        lambda note: note[:0],
        lambda note: "x" * 100 * len(note),
    ],
)
def test_a_damaged_checkpoint_is_refused(
    books: Ledger, log: TransparencyLog, damage: Callable[[str], str]
) -> None:
    with pytest.raises(CheckpointError):
        open_note(damage(log.checkpoint(KEY)), PUBLIC)


def test_every_flipped_bit_of_a_checkpoint_is_refused(books: Ledger, log: TransparencyLog) -> None:
    note = log.checkpoint(KEY)
    for place, character in enumerate(note[:-1]):
        for bit in range(7):
            changed = note[:place] + chr(ord(character) ^ 1 << bit) + note[place + 1 :]
            with pytest.raises(CheckpointError):
                open_note(changed, PUBLIC)


def test_a_checkpoint_of_another_key_is_refused(log: TransparencyLog) -> None:
    with pytest.raises(CheckpointError, match="is not signed by this key"):
        open_note(log.checkpoint(KEY), Ed25519PrivateKey.generate().public_key())
    with pytest.raises(CheckpointError, match="no name of a log"):
        Checkpoint("two words", 0, merkle.EMPTY_ROOT, "0" * 64)


def test_an_audit_from_a_checkpoint_recomputes_what_came_later(books: Ledger, log: TransparencyLog) -> None:
    signed = open_note(log.checkpoint(KEY), PUBLIC)
    books.transfer(key="later", asset=Asset.CEU, source="bo", target="cy", amount=5)
    report = books.verify(from_checkpoint=signed)
    whole = books.verify()
    assert report.ok
    assert (report.start, whole.start) == (7, 0)
    assert (report.transactions, report.head, report.supply, report.root) == (
        whole.transactions,
        whole.head,
        whole.supply,
        whole.root,
    )


@pytest.mark.parametrize(
    ("statement", "sequence", "problem"),
    [
        ("UPDATE entries SET amount = 99 WHERE sequence = 3 AND leg = 1", 3, "not match its hash"),
        ("UPDATE transactions SET hash = key WHERE sequence = 3", 3, "not match its hash"),
        ("DELETE FROM transactions WHERE sequence = 1", 1, "it is missing; 2 follows"),
        ("UPDATE entries SET amount = 99 WHERE sequence = 8 AND leg = 1", 8, "not match its hash"),
        ("UPDATE transactions SET kind = 'gift' WHERE sequence = 9", 9, "not match its hash"),
        ("INSERT INTO entries VALUES (99, 0, 'ada', 'CEU', 5, 5)", None, "1 entries belong to no"),
        ("UPDATE balances SET amount = 5 WHERE account = 'bo'", None, "balance of bo in CEU is 5"),
        ("DELETE FROM checkpoints", None, ""),
        ("UPDATE checkpoints SET note = 'none'", None, "checkpoint of size 7 is damaged"),
        ("INSERT INTO checkpoints VALUES (99, 'x', 0)", None, "holds more than the chain"),
        ("INSERT INTO merkle_tiles VALUES (1, 0, 'ab')", None, "holds more than the chain"),
    ],
)
@pytest.mark.parametrize("start", [True, False])
def test_an_audit_names_the_first_bad_entry_with_and_without_a_checkpoint(
    books: Ledger,
    log: TransparencyLog,
    place: Place,
    statement: str,
    sequence: int | None,
    problem: str,
    start: bool,
) -> None:
    signed = open_note(log.checkpoint(KEY), PUBLIC)
    for number in range(3):
        books.transfer(key=f"l{number}", asset=Asset.CEU, source="bo", target="cy", amount=5)
    place.run(statement)
    report = books.verify(from_checkpoint=signed if start else None)
    if not problem:
        assert report.ok
        return
    assert report.fault is not None
    assert problem in report.fault.problem
    assert report.fault.sequence == sequence


def test_a_past_that_was_rewritten_as_a_whole_is_found_by_the_checkpoint_alone(
    new_place: Callable[[], Place],
) -> None:
    def history(amount: int) -> Ledger:
        ledger = Ledger(new_place().url, clock_ns=lambda: 7)
        ledger.issue(key="start", asset=Asset.CEU, account="ada", amount=amount)
        grow(ledger, 4)
        return ledger

    with history(10) as true, history(11) as rewritten:
        signed = open_note(TransparencyLog(true, "log").checkpoint(KEY), PUBLIC)
        assert rewritten.verify().ok
        report = rewritten.verify(from_checkpoint=signed)
        assert str(report.fault) == ("the first 5 transactions are not those that the checkpoint signed")
        assert not rewritten.verify(from_checkpoint=replace(signed, size=99)).ok


def test_a_wrong_node_of_the_log_is_found(long_ledger: Ledger, new_place: Callable[[], Place]) -> None:
    place = new_place()
    with Ledger(place.url) as ledger:
        grow(ledger, 300)
        place.run(f"UPDATE merkle_tiles SET hash = '{'ab' * 32}'")
        report = ledger.verify()
    assert str(report.fault) == "node 0 of level 1 of the log is wrong"


def test_the_database_refuses_to_rewrite_checkpoints(books: Ledger, log: TransparencyLog) -> None:
    log.checkpoint(KEY)
    grow(books, 256)
    for table in (schema.checkpoints, schema.merkle_tiles):
        with pytest.raises(LedgerError, match="append-only"), books.writer() as writer:
            writer.connection.execute(delete(table))
