"""One flipped bit in what is stored of an entry or a transaction is found, and the auditor names where."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from industriverse.economy import Asset
from industriverse.economy.audit import Fault
from industriverse.economy.ledger import Ledger

TRANSACTIONS = 5
# Every bit of these is flipped; of the others, one of each byte.
EVERY_BIT_OF = (1, 3)


@pytest.fixture
def ledger_file(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.issue(key="start", asset=Asset.CEU, account="ada", amount=1_000)
        for number in range(TRANSACTIONS - 1):
            ledger.transfer(key=f"t{number}", asset=Asset.CEU, source="ada", target="bo", amount=200 + number)
        assert ledger.verify().ok
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def flips(value: int | str, every: bool, generator: random.Random) -> Iterator[int | bytes]:
    """A stored value with one bit flipped: each bit in turn, or one of each byte."""
    stored = (value % 2**64).to_bytes(8) if isinstance(value, int) else value.encode()
    for place in range(len(stored)):
        for bit in range(8) if every else (generator.randrange(8),):
            flipped = bytearray(stored)
            flipped[place] ^= 1 << bit
            yield int.from_bytes(flipped, signed=True) if isinstance(value, int) else bytes(flipped)


def first_at_fault(table: str, column: str, sequence: int, changed: int | bytes) -> int:
    """The first transaction that is wrong: what moved to an earlier place is wrong there already."""
    if column != "sequence" or not isinstance(changed, int) or changed >= sequence:
        return sequence
    if changed < 1:
        # An entry is missing where it was; a transaction stands before the first.
        return sequence if table == "entries" else 1
    return changed


@pytest.mark.parametrize("table", ["entries", "transactions"])
def test_a_bit_flipped_in_any_column_is_found_where_it_is(ledger_file: Path, table: str) -> None:
    generator = random.Random(6)
    tried = 0
    with closing(sqlite3.connect(ledger_file, isolation_level=None)) as raw, Ledger(ledger_file) as ledger:
        raw.execute("PRAGMA synchronous = OFF")
        raw.execute("PRAGMA ignore_check_constraints = ON")
        for (trigger,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {trigger}")
        cursor = raw.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid")
        columns = [column[0] for column in cursor.description]
        for row in cursor.fetchall():
            values = dict(zip(columns[1:], row[1:], strict=True))
            for column, value in values.items():
                for changed in flips(value, values["sequence"] in EVERY_BIT_OF, generator):
                    fault = fault_after(raw, ledger, (table, column), row[0], value, changed)
                    if fault is None:
                        continue
                    tried += 1
                    expected = first_at_fault(table, column, values["sequence"], changed)
                    assert fault.sequence == expected, (table, column, value, changed, str(fault))
        assert ledger.verify().ok
    assert tried > 1_000


def fault_after(
    raw: sqlite3.Connection,
    ledger: Ledger,
    place: tuple[str, str],
    rowid: int,
    value: int | str,
    changed: int | bytes,
) -> Fault | None:
    """What the auditor says of a changed value, which is put back; None if the database cannot hold it."""
    table, column = place
    # Bytes that are no text are kept as the damaged text that they are.
    new = "CAST(? AS TEXT)" if isinstance(changed, bytes) else "?"
    try:
        raw.execute(f"UPDATE {table} SET {column} = {new} WHERE rowid = ?", (changed, rowid))
    except sqlite3.IntegrityError:
        # Another row has this key.
        return None
    fault = ledger.verify().fault
    assert fault is not None, (table, column, rowid, value, changed)
    raw.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, rowid))
    return fault


def cells(page: bytes) -> dict[int, int]:
    """Where the rows of a leaf page begin (https://sqlite.org/fileformat2.html#b_tree_pages), and their number."""
    assert page[0] == 13
    count = int.from_bytes(page[3:5])
    starts = [int.from_bytes(page[8 + 2 * number : 10 + 2 * number]) for number in range(count)]
    return {start: number for number, start in enumerate(starts)}


def test_a_bit_flipped_in_the_file_within_any_entry_is_found_where_it_is(ledger_file: Path) -> None:
    generator = random.Random(7)
    with closing(sqlite3.connect(ledger_file)) as raw:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'entries'"
        root = int(raw.execute(query).fetchone()[0])
        size = int(raw.execute("PRAGMA page_size").fetchone()[0])
        sequences = [row[0] for row in raw.execute("SELECT sequence FROM entries ORDER BY rowid")]
    whole = ledger_file.read_bytes()
    first_byte = (root - 1) * size
    starts = cells(whole[first_byte : first_byte + size])
    assert len(starts) == len(sequences) == 2 * TRANSACTIONS
    ends = sorted([*starts, size])
    for start, number in starts.items():
        end = ends[ends.index(start) + 1]
        for place in range(start, end):
            for bit in range(8) if number == 5 else (generator.randrange(8),):
                damaged = bytearray(whole)
                damaged[first_byte + place] ^= 1 << bit
                ledger_file.write_bytes(damaged)
                with Ledger(ledger_file) as ledger:
                    fault = ledger.verify().fault
                assert fault is not None, (number, place - start, bit)
                # An entry whose own number became another's is wrong there already.
                said = damaged[first_byte + place]
                problem = (number, place - start, bit, str(fault))
                assert fault.sequence is not None, problem
                assert fault.sequence in (sequences[number], said), problem
                assert fault.sequence <= sequences[number], problem
