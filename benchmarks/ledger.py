"""Ledger benchmark: durable chained transfers beside the same rows in plain SQL, with and without durability.

    python benchmarks/ledger.py [--seconds 5] [--writers 1,4] [--postgresql URL] [--grow 0] [--json out.json]

Each writer is a process of its own. ``ledger`` is what the product does: idempotency key, hash chain, Merkle log,
append-only triggers, serialisable, on disk when it returns. ``plain`` writes the same rows (a transaction, two
entries, two balances) through the same SQLAlchemy, durable, without key look-up, chain, log and triggers.
``plain, not durable`` does not wait for the disk. Without ``--postgresql`` a server is started by
``deploy/start_test_postgresql.sh`` where the system has one. ``--grow`` adds transactions up to that number to a
SQLite ledger and measures proofs and verification on it.
"""

import argparse
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    create_engine,
    event,
    insert,
    make_url,
    select,
    text,
    update,
)

from industriverse.economy.ledger import Ledger
from industriverse.economy.merkle import verify_inclusion
from industriverse.economy.money import Asset, Leg, Posting
from industriverse.economy.tiles import leaf_of
from industriverse.economy.transparency import TransparencyLog

SCRIPT = Path(__file__).resolve().parent.parent / "deploy" / "start_test_postgresql.sh"
LEDGER, PLAIN, LOOSE = "ledger", "plain", "plain, not durable"
PLAIN_TABLES = MetaData()
TRANSFERS = Table(
    "plain_transfers",
    PLAIN_TABLES,
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
)
ENTRIES = Table(
    "plain_entries",
    PLAIN_TABLES,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("leg", Integer, primary_key=True),
    Column("account", Text, nullable=False),
    Column("asset", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
)
BALANCES = Table(
    "plain_balances",
    PLAIN_TABLES,
    Column("account", Text, primary_key=True),
    Column("asset", Text, primary_key=True),
    Column("amount", BigInteger, nullable=False),
)
MOVE = (
    update(BALANCES)
    .where(BALANCES.c.account == bindparam("of"), BALANCES.c.asset == "CEU")
    .values(amount=BALANCES.c.amount + bindparam("change"))
)


@dataclass(frozen=True)
class Rate:
    """What was measured."""

    database: str
    method: str
    writers: int
    transfers: int
    per_second: float
    median_ms: float
    p95_ms: float


def plain_engine(url: str, *, durable: bool) -> Engine:
    engine = create_engine(url)

    def configure(connection: Any, _record: object) -> None:
        if engine.dialect.name == "sqlite":
            connection.isolation_level = None
            connection.execute("PRAGMA busy_timeout = 30000")
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
        else:
            connection.execute(f"SET synchronous_commit = {'on' if durable else 'off'}")
            connection.commit()

    event.listen(engine, "connect", configure)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def plain_transfer(engine: Engine, key: str, source: str, target: str) -> None:
    with engine.begin() as connection:
        values = {
            "key": key,
            "kind": "transfer",
            "reference": "",
            "details": "{}",
            "created_ns": time.time_ns(),
        }
        (sequence,) = connection.execute(insert(TRANSFERS).values(values)).inserted_primary_key or (None,)
        changes = [(source, -1), (target, 1)]
        rows = [
            {"sequence": sequence, "leg": leg, "account": account, "asset": "CEU", "amount": amount}
            for leg, (account, amount) in enumerate(changes)
        ]
        connection.execute(insert(ENTRIES), rows)
        connection.execute(MOVE, [{"of": account, "change": amount} for account, amount in changes])


def work(
    method: str, url: str, number: int, seconds: float, start: Barrier, results: "Queue[list[float]]"
) -> None:
    source, target = f"payer-{number}", f"payee-{number}"
    times: list[float] = []
    ledger = Ledger(url) if method == LEDGER else None
    engine = plain_engine(url, durable=method == PLAIN)
    start.wait()
    end = time.perf_counter() + seconds
    while (before := time.perf_counter()) < end:
        key = f"{number}-{len(times)}"
        if ledger is not None:
            ledger.transfer(key=key, asset=Asset.CEU, source=source, target=target, amount=1)
        else:
            plain_transfer(engine, key, source, target)
        times.append(time.perf_counter() - before)
    results.put(times)
    engine.dispose()
    if ledger is not None:
        ledger.close()


def prepare(method: str, url: str, writers: int) -> None:
    accounts = [f"{role}-{number}" for number in range(writers) for role in ("payer", "payee")]
    if method == LEDGER:
        with Ledger(url) as ledger:
            for account in accounts:
                ledger.issue(key=account, asset=Asset.CEU, account=account, amount=10**9)
        return
    engine = plain_engine(url, durable=True)
    with engine.begin() as connection:
        PLAIN_TABLES.create_all(connection)
        rows = [{"account": account, "asset": "CEU", "amount": 10**9} for account in accounts]
        connection.execute(insert(BALANCES), rows)
    engine.dispose()


def check(method: str, url: str, transfers: int) -> None:
    if method == LEDGER:
        with Ledger(url) as ledger:
            report = ledger.verify()
            if not report.ok or report.transactions < transfers:
                raise SystemExit(f"the ledger does not verify: {report.fault}")
        return
    engine = plain_engine(url, durable=True)
    with engine.begin() as connection:
        written = len(connection.execute(select(TRANSFERS.c.sequence)).all())
    engine.dispose()
    if written != transfers:
        raise SystemExit(f"{written} transfers are written, {transfers} were made")


def measure(database: str, method: str, url: str, writers: int, seconds: float) -> Rate:
    prepare(method, url, writers)
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(writers + 1), context.Queue()
    processes = [
        context.Process(target=work, args=(method, url, number, seconds, start, results))
        for number in range(writers)
    ]
    for process in processes:
        process.start()
    start.wait()
    times = sorted(duration for _ in processes for duration in results.get())
    for process in processes:
        process.join()
    check(method, url, len(times))
    return Rate(
        database,
        method,
        writers,
        len(times),
        len(times) / seconds,
        1_000 * median(times),
        1_000 * times[int(0.95 * len(times))],
    )


@contextmanager
def postgresql(given: str) -> Iterator[str]:
    """URL of a server: the given one, or one of our own; empty where none can be had."""
    if given:
        yield given
        return
    started = subprocess.run([SCRIPT], capture_output=True, text=True, check=False)
    if started.returncode != 0:
        print(f"PostgreSQL left out: {started.stderr.strip()}")
        yield ""
        return
    url, folder = started.stdout.split()
    try:
        yield url
    finally:
        subprocess.run([SCRIPT, "--stop", folder], check=True)


def new_place(server: str, folder: Path) -> str:
    name = f"b{uuid.uuid4().hex}"
    if not server:
        return f"sqlite:///{folder / name}.sqlite"
    engine = create_engine(server)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    engine.dispose()
    return (
        make_url(server)
        .update_query_dict({"options": f"-csearch_path={name}"})
        .render_as_string(hide_password=False)
    )


def measure_growth(folder: Path, size: int) -> dict[str, float]:
    """Times of proofs and of verification on a SQLite ledger of ``size`` transactions."""
    path = folder / "growth.sqlite"
    legs = (Leg("ada", Asset.CEU, -1), Leg("bo", Asset.CEU, 1))
    with Ledger(path) as ledger:
        ledger.issue(key="start", asset=Asset.CEU, account="ada", amount=size)
        before = time.perf_counter()
        for first in range(1, size, 1_000):
            with ledger.writer() as writer:
                for number in range(first, min(first + 1_000, size)):
                    writer.post(Posting(f"t{number}", "transfer", legs))
        written_s = time.perf_counter() - before
        log = TransparencyLog(ledger, "benchmark")
        _, root = log.root()
        proving, checking = [], []
        for sequence in range(1, size, max(1, size // 200)):
            before = time.perf_counter()
            proof = log.inclusion(sequence)
            proving.append(time.perf_counter() - before)
            leaf = leaf_of(proof.transaction_hash)
            before = time.perf_counter()
            if not verify_inclusion(sequence - 1, proof.size, leaf, proof.path, root):
                raise SystemExit(f"the proof of transaction {sequence} does not hold")
            checking.append(time.perf_counter() - before)
        before = time.perf_counter()
        if not ledger.verify().ok:
            raise SystemExit("the ledger does not verify")
        verified_s = time.perf_counter() - before
    return {
        "transactions": size,
        "written_per_second_1000_a_commit": size / written_s,
        "proof_of_inclusion_median_ms": 1_000 * median(proving),
        "check_of_inclusion_median_us": 1e6 * median(checking),
        "verification_s": verified_s,
        "file_mib": path.stat().st_size / 2**20,
    }


def machine(server: str) -> dict[str, str]:
    facts = {
        "machine": platform.processor() or platform.machine(),
        "cores": str(os.cpu_count()),
        "load before": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlalchemy": version("sqlalchemy"),
    }
    if cpu := [line for line in _cpu_lines() if line.startswith("model name")]:
        facts["machine"] = cpu[0].partition(":")[2].strip()
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        facts["sqlite"] = str(connection.execute(text("SELECT sqlite_version()")).scalar_one())
    engine.dispose()
    if server:
        engine = create_engine(server)
        with engine.connect() as connection:
            facts["postgresql"] = str(connection.execute(text("SHOW server_version")).scalar_one())
            facts["fsync"] = str(connection.execute(text("SHOW fsync")).scalar_one())
        facts["psycopg"] = version("psycopg")
        engine.dispose()
    return facts


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def show(rates: list[Rate]) -> None:
    print(
        f"{'database':12}{'method':20}{'writers':>8}{'per s':>9}{'median ms':>11}{'p95 ms':>9}{'of plain':>10}"
    )
    for rate in rates:
        same = [r for r in rates if (r.database, r.writers, r.method) == (rate.database, rate.writers, PLAIN)]
        share = f"{100 * rate.per_second / same[0].per_second:9.0f}%" if same else ""
        print(
            f"{rate.database:12}{rate.method:20}{rate.writers:8}{rate.per_second:9.0f}"
            f"{rate.median_ms:11.2f}{rate.p95_ms:9.2f}{share:>10}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="duration of each measurement (default 5)")
    parser.add_argument("--writers", default="1,4", help="numbers of writing processes (default 1,4)")
    parser.add_argument("--postgresql", default="", help="URL of a server to use instead of our own")
    parser.add_argument("--grow", type=int, default=0, help="also grow a ledger to so many transactions")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    arguments = parser.parse_args()
    rates: list[Rate] = []
    growth: dict[str, float] = {}
    with postgresql(arguments.postgresql) as server, tempfile.TemporaryDirectory() as name:
        facts = machine(server)
        print("; ".join(f"{key} {value}" for key, value in facts.items()))
        for database, where in (("sqlite", ""), *([("postgresql", server)] if server else [])):
            for writers in (int(number) for number in arguments.writers.split(",")):
                for method in (LEDGER, PLAIN, LOOSE):
                    place = new_place(where, Path(name))
                    rates.append(measure(database, method, place, writers, arguments.seconds))
        show(rates)
        if arguments.grow:
            growth = measure_growth(Path(name), arguments.grow)
            print("\n".join(f"{key} {value:.6g}" for key, value in growth.items()))
    if arguments.json:
        content = {"machine": facts, "rates": [asdict(rate) for rate in rates], "growth": growth}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
