"""Economy benchmark: durable chained transfers beside the same rows in a plain SQL double-entry table.

    python benchmarks/economy.py [--seconds 2] [--repeats 3] [--clients 1,4,16] [--processes 4]
                                 [--postgresql URL] [--all] [--grow 1000000] [--json out.json]

Clients are threads of one process that owns the ledger, as those of a server are; ``--processes`` also measures
so many clients that are processes of their own. All transfer between the same 64 accounts, drawn at random.

``ledger`` is what the product does: idempotency key, hash chain, Merkle log, append-only triggers, serialisable, on
disk when it returns. ``plain`` is a double-entry table without any of these that makes the same promises about
money: the same rows (a transaction with its unique key, two entries, two balances that may not fall below zero)
through the same SQLAlchemy, one database transaction a transfer, serialisable, tried again on conflict, on disk.
``plain, driver`` is that table without SQLAlchemy: the same statements, one by one, by the database's driver.
``--all`` adds ``plain, read committed``, which asks PostgreSQL for less isolation, and ``plain, not durable``, which
does not wait for the disk.

Without ``--postgresql`` a server is started by ``deploy/start_test_postgresql.sh`` where the system has one.
A SQLite ledger is also grown to 10,000 transactions (``--grow``) by its ordinary transfers, 64 clients at once, and
its size, proofs and verification are measured at every power of ten.
"""

import argparse
import json
import logging
import multiprocessing
import os
import platform
import random
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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
    CheckConstraint,
    Column,
    Engine,
    ForeignKey,
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
from sqlalchemy.exc import OperationalError

from industriverse.economy.grouping import MOST_TOGETHER
from industriverse.economy.ledger import Ledger
from industriverse.economy.merkle import verify_inclusion
from industriverse.economy.money import Asset
from industriverse.economy.tiles import leaf_of
from industriverse.economy.transparency import TransparencyLog

SCRIPT = Path(__file__).resolve().parent.parent / "deploy" / "start_test_postgresql.sh"
LEDGER, PLAIN, DRIVER = "ledger", "plain", "plain, driver"
COMMITTED, LOOSE = "plain, read committed", "plain, not durable"
# As many as share one commit.
GROWING_CLIENTS = MOST_TOGETHER
ACCOUNTS = tuple(f"account-{number}" for number in range(64))
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
    Column("sequence", BigInteger, ForeignKey(TRANSFERS.c.sequence), primary_key=True, autoincrement=False),
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
    Column("amount", BigInteger, CheckConstraint("amount >= 0"), nullable=False),
)
MOVE = (
    update(BALANCES)
    .where(BALANCES.c.account == bindparam("of"), BALANCES.c.asset == "CEU")
    .values(amount=BALANCES.c.amount + bindparam("change"))
)


DRIVER_TRANSFER = (
    "INSERT INTO plain_transfers (key, kind, reference, details, created_ns) VALUES (%s, %s, %s, %s, %s) "
    "RETURNING sequence"
)
DRIVER_ENTRY = "INSERT INTO plain_entries (sequence, leg, account, asset, amount) VALUES (%s, %s, %s, %s, %s)"
DRIVER_MOVE = "UPDATE plain_balances SET amount = amount + %s WHERE account = %s AND asset = %s"


@dataclass(frozen=True)
class Rate:
    """What was measured."""

    database: str
    method: str
    clients: int
    kind: str
    transfers: int
    per_second: float
    median_ms: float
    p95_ms: float


def plain_engine(url: str, method: str) -> Engine:
    sqlite = make_url(url).get_backend_name() == "sqlite"
    isolation = "READ COMMITTED" if method == COMMITTED else "SERIALIZABLE"
    options: dict[str, Any] = {} if sqlite else {"isolation_level": isolation}
    engine = create_engine(url, pool_size=4, max_overflow=28, **options)

    def configure(connection: Any, _record: object) -> None:
        if sqlite:
            connection.isolation_level = None
            connection.execute("PRAGMA busy_timeout = 30000")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            connection.execute(f"PRAGMA synchronous = {'OFF' if method == LOOSE else 'FULL'}")
        else:
            connection.execute(f"SET synchronous_commit = {'off' if method == LOOSE else 'on'}")
            connection.commit()

    event.listen(engine, "connect", configure)
    if sqlite:
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def plain_transfer(engine: Engine, key: str, source: str, target: str) -> None:
    values = {"key": key, "kind": "transfer", "reference": "", "details": "{}", "created_ns": time.time_ns()}
    # In one order, so that two transfers between the same accounts do not wait for each other for ever.
    changes = sorted([(source, -1), (target, 1)])
    while True:
        try:
            with engine.begin() as connection:
                (sequence,) = connection.execute(insert(TRANSFERS).values(values)).inserted_primary_key or (
                    None,
                )
                rows = [
                    {"sequence": sequence, "leg": leg, "account": account, "asset": "CEU", "amount": amount}
                    for leg, (account, amount) in enumerate(changes)
                ]
                connection.execute(insert(ENTRIES), rows)
                connection.execute(MOVE, [{"of": account, "change": amount} for account, amount in changes])
            return
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in ("40001", "40P01"):
                raise


def driver_transfer(connection: Any, sqlite: bool, key: str, source: str, target: str) -> None:
    """The same as :func:`plain_transfer` by the driver alone; SQLite counts its rows itself."""
    marks = (lambda sql: sql.replace("%s", "?")) if sqlite else str
    changes = sorted([(source, -1), (target, 1)])
    while True:
        cursor = connection.cursor()
        try:
            if sqlite:
                cursor.execute("BEGIN IMMEDIATE")
            cursor.execute(marks(DRIVER_TRANSFER), (key, "transfer", "", "{}", time.time_ns()))
            (sequence,) = cursor.fetchone()
            rows = [(sequence, leg, account, "CEU", amount) for leg, (account, amount) in enumerate(changes)]
            cursor.executemany(marks(DRIVER_ENTRY), rows)
            cursor.executemany(marks(DRIVER_MOVE), [(amount, account, "CEU") for account, amount in changes])
            connection.commit()
            return
        except Exception as error:
            connection.rollback()
            if getattr(error, "sqlstate", None) not in ("40001", "40P01"):
                raise


def client(
    ledger: Ledger | None, engine: Engine | None, method: str, name: str, seconds: float, wait: Any
) -> list[float]:
    """Transfer until the time is over; returns how long each took."""
    held = engine.raw_connection() if engine is not None and method == DRIVER else None
    sqlite = engine is not None and engine.dialect.name == "sqlite"
    # The driver warns of each conflict in which PostgreSQL gives way; they are counted as time.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    choose = random.Random(name)
    times: list[float] = []
    wait()
    end = time.perf_counter() + seconds
    while (before := time.perf_counter()) < end:
        key, (source, target) = f"{name}-{len(times)}", choose.sample(ACCOUNTS, 2)
        if ledger is not None:
            ledger.transfer(key=key, asset=Asset.CEU, source=source, target=target, amount=1)
        elif held is not None:
            driver_transfer(held.driver_connection, sqlite, key, source, target)
        elif engine is not None:
            plain_transfer(engine, key, source, target)
        times.append(time.perf_counter() - before)
    if held is not None:
        held.close()
    return times


def work(
    method: str,
    url: str,
    number: int,
    threads: int,
    seconds: float,
    start: Barrier,
    results: "Queue[list[float]]",
) -> None:
    """One process with so many clients."""
    ledger = Ledger(url) if method == LEDGER else None
    engine = None if ledger else plain_engine(url, method)
    together = threading.Barrier(threads + 1)
    with ThreadPoolExecutor(threads) as pool:
        running = [
            pool.submit(client, ledger, engine, method, f"{number}-{thread}", seconds, together.wait)
            for thread in range(threads)
        ]
        start.wait()
        together.wait()
        results.put([duration for one in running for duration in one.result()])
    if engine is not None:
        engine.dispose()
    if ledger is not None:
        ledger.close()


def prepare(method: str, url: str) -> None:
    if method == LEDGER:
        with Ledger(url) as ledger:
            for account in ACCOUNTS:
                ledger.issue(key=account, asset=Asset.CEU, account=account, amount=10**9)
        return
    engine = plain_engine(url, method)
    with engine.begin() as connection:
        PLAIN_TABLES.create_all(connection)
        rows = [{"account": account, "asset": "CEU", "amount": 10**9} for account in ACCOUNTS]
        connection.execute(insert(BALANCES), rows)
    engine.dispose()


def check(method: str, url: str, transfers: int) -> None:
    if method == LEDGER:
        with Ledger(url) as ledger:
            report = ledger.verify()
            if not report.ok or report.transactions < transfers:
                raise SystemExit(f"the ledger does not verify: {report.fault}")
        return
    engine = plain_engine(url, method)
    with engine.begin() as connection:
        written = len(connection.execute(select(TRANSFERS.c.sequence)).all())
    engine.dispose()
    if written != transfers:
        raise SystemExit(f"{written} transfers are written, {transfers} were made")


def measure(database: str, method: str, url: str, clients: int, seconds: float, *, processes: bool) -> Rate:
    prepare(method, url)
    context = multiprocessing.get_context("spawn")
    count, threads = (clients, 1) if processes else (1, clients)
    start, results = context.Barrier(count + 1), context.Queue()
    running = [
        context.Process(target=work, args=(method, url, number, threads, seconds, start, results))
        for number in range(count)
    ]
    for process in running:
        process.start()
    start.wait()
    times = sorted(duration for _ in running for duration in results.get())
    for process in running:
        process.join()
    check(method, url, len(times))
    return Rate(
        database,
        method,
        clients,
        "processes" if processes else "threads",
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


def measure_growth(folder: Path, size: int) -> Iterator[dict[str, float]]:
    """Grow a SQLite ledger by transfers, and measure it at every power of ten and at the end."""
    path = folder / "growth.sqlite"
    with Ledger(path) as ledger, ThreadPoolExecutor(GROWING_CLIENTS) as pool:
        ledger.issue(key="start", asset=Asset.CEU, account=ACCOUNTS[0], amount=10**12)
        done = 1
        for target in sorted({10**power for power in range(3, 8) if 10**power < size} | {size}):
            before, used = time.perf_counter(), time.process_time()
            running = [
                pool.submit(_grow, ledger, range(done + number, target, GROWING_CLIENTS))
                for number in range(GROWING_CLIENTS)
            ]
            for one in running:
                one.result()
            seconds, processor_s = time.perf_counter() - before, time.process_time() - used
            yield {
                "transactions": target,
                "transfers_per_s": (target - done) / seconds,
                "processor_us_each": 1e6 * processor_s / (target - done),
                **_look(ledger, path, target),
            }
            done = target


def _grow(ledger: Ledger, numbers: range) -> None:
    for number in numbers:
        target = ACCOUNTS[1 + number % (len(ACCOUNTS) - 1)]
        ledger.transfer(key=f"t{number}", asset=Asset.CEU, source=ACCOUNTS[0], target=target, amount=1)


def _look(ledger: Ledger, path: Path, size: int) -> dict[str, float]:
    log = TransparencyLog(ledger, "benchmark")
    _, root = log.root()
    proving, checking, growth = [], [], []
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
        if not log.consistency(sequence).holds(log.root(sequence)[1], root):
            raise SystemExit(f"the proof of growth from {sequence} does not hold")
        growth.append(time.perf_counter() - before)
    before, used = time.perf_counter(), time.process_time()
    report = ledger.verify()
    if not report.ok or report.transactions != size:
        raise SystemExit(f"the ledger does not verify: {report.fault}, {report.transactions} transactions")
    return {
        "inclusion_ms": 1_000 * median(proving),
        "check_us": 1e6 * median(checking),
        "consistency_ms": 1_000 * median(growth),
        "verification_s": time.perf_counter() - before,
        "verification_processor_s": time.process_time() - used,
        "file_mib": sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*")) / 2**20,
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
        f"{'database':12}{'clients':>15}  {'method':22}{'per s':>8}{'median ms':>11}{'p95 ms':>9}"
        f"{'of plain':>10}{'of driver':>11}"
    )
    for rate in rates:
        place = (rate.database, rate.clients, rate.kind)
        same = {r.method: r.per_second for r in rates if (r.database, r.clients, r.kind) == place}
        shares = [f"{100 * rate.per_second / same[method]:.0f}%" for method in (PLAIN, DRIVER)]
        print(
            f"{rate.database:12}{f'{rate.clients} {rate.kind}':>15}  {rate.method:22}{rate.per_second:8.0f}"
            f"{rate.median_ms:11.2f}{rate.p95_ms:9.2f}{shares[0]:>10}{shares[1]:>11}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="duration of each measurement (default 2)")
    parser.add_argument("--repeats", type=int, default=3, help="measure all of it so often, show medians (3)")
    parser.add_argument("--clients", default="1,4,16", help="numbers of clients (default 1,4,16)")
    parser.add_argument(
        "--processes", default="4", help="also so many clients that are processes (default 4)"
    )
    parser.add_argument("--postgresql", default="", help="URL of a server to use instead of our own")
    parser.add_argument(
        "--grow", type=int, default=10_000, help="grow a ledger to so many transactions (10,000)"
    )
    parser.add_argument("--all", action="store_true", help="also weaker plain tables")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    arguments = parser.parse_args()
    plan = [(int(number), False) for number in arguments.clients.split(",") if number]
    plan += [(int(number), True) for number in arguments.processes.split(",") if number]
    rounds: list[list[Rate]] = []
    growth: list[dict[str, float]] = []
    with postgresql(arguments.postgresql) as server, tempfile.TemporaryDirectory() as name:
        facts = machine(server)
        print("; ".join(f"{key} {value}" for key, value in facts.items()))
        for _ in range(arguments.repeats):
            rounds += [_round(server, Path(name), plan, arguments.seconds, weaker=arguments.all)]
        rates = [
            sorted(same, key=lambda rate: rate.per_second)[len(same) // 2]
            for same in zip(*rounds, strict=True)
        ]
        show(rates)
        if arguments.grow:
            for row in measure_growth(Path(name), arguments.grow):
                growth.append(row)
                print("; ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)
    if arguments.json:
        content = {"machine": facts, "rates": [asdict(rate) for rate in rates], "growth": growth}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")
    return 0


def _round(
    server: str, folder: Path, plan: list[tuple[int, bool]], seconds: float, *, weaker: bool
) -> list[Rate]:
    rates = []
    for database, where in (("sqlite", ""), *([("postgresql", server)] if server else [])):
        methods = [LEDGER, PLAIN, DRIVER]
        if weaker:
            methods += [*([COMMITTED] if where else []), LOOSE]
        for clients, processes in plan:
            for method in methods:
                place = new_place(where, folder)
                rates.append(measure(database, method, place, clients, seconds, processes=processes))
    return rates


if __name__ == "__main__":
    sys.exit(main())
