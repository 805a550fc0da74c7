"""The meter under every call: declared steps are reserved, measured steps are charged, joules stand beside them.

A call costs a look at a bucket in memory and a line in a journal; a thread of the meter's own books the journal
in the ledger every few seconds. What is charged follows from the principal that the server knows and from steps
that the server counts: nothing that a client sends is looked at but the arguments that it asks to be computed.
"""

import functools
import json
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import Counter
from pydantic import BaseModel

from industriverse.economy.budgets import GENEROUS, Bucket, Budget, Budgets, exceeded, price_of
from industriverse.economy.errors import EconomyError
from industriverse.economy.joules import EnergySource, energy_source
from industriverse.economy.money import MICRO
from industriverse.operations.costs import StepCounter
from industriverse.operations.errors import OperationError
from industriverse.operations.registry import Operation, registry

if TYPE_CHECKING:
    from industriverse.economy.journal import ChargeJournal
    from industriverse.economy.ledger import Ledger
    from industriverse.operations.context import Principal

__all__ = ["Bill", "Meter", "read_budgets"]

logger = logging.getLogger(__name__)

_BOOK_EVERY_S = 2.0
_BOOK_EVERY_CALLS = 5_000
_STEPS = Counter("industriverse_steps", "Measured inference steps", ["operation"])
_JOULES = Counter("industriverse_joules", "Energy of calls, joules", ["operation", "source"])
_steps_of = functools.cache(_STEPS.labels)
_joules_of = functools.cache(_JOULES.labels)


@dataclass(slots=True)
class Bill:
    """One call being metered.

    Attributes:
        principal: Who pays.
        operation: What was called.
        declared: Steps reserved for it.
        counter: Where its measured steps go.
        joules: Its share of what the machine used so far.
    """

    principal: str
    operation: str
    declared: int
    counter: StepCounter = field(default_factory=StepCounter)
    joules: float = 0.0

    @property
    def steps(self) -> int:
        """What is charged: the measured steps, or the declared ones where nothing measures."""
        return self.counter.steps or self.declared


class Meter:
    """Meters the calls of one installation. Safe for many threads.

    Args:
        folder: Where the journal lies.
        open_ledger: Opens the ledger; called once, in the meter's own thread, when there is something to book.
        budgets: Whose budget is which.
        clock: Present time in nanoseconds since 1970-01-01 UTC.
        book: Whether charges go to the ledger; without, they stay in the journal for the next process.
    """

    def __init__(
        self,
        folder: Path,
        open_ledger: "Callable[[], Ledger]",
        *,
        budgets: Budgets,
        clock: Callable[[], int] = time.time_ns,
        book: bool = True,
    ) -> None:
        self.budgets = budgets
        self._folder = folder
        self._open_ledger = open_ledger
        self._clock = clock
        self._book = book
        self._lock = threading.Lock()
        self._buckets: dict[str, Bucket] = {}
        # What is reserved or in the journal's open file, by principal: not in the books' buckets yet.
        self._unbooked: dict[str, int] = {}
        # Principals whose bucket the books were asked about; a process begins with full ones until then.
        self._known: set[str] = set()
        self._running: dict[int, Bill] = {}
        self._read_joules = 0.0
        self._calls = 0
        self._booked_at = time.monotonic()
        self._booking: Future[None] | None = None
        self._energy: EnergySource | None = None
        self._journal: ChargeJournal | None = None
        self._ledger: Ledger | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="industriverse-meter")

    def reserve(self, declared: Operation, request: BaseModel, principal: "Principal") -> Bill:
        """Take what a call declares out of its principal's bucket.

        Raises:
            BudgetExceededError: Saying how much it needs, when that will be there, and what would fit.
        """
        steps = declared.cost.declared(request)
        bill, amount, now_ns = Bill(principal.name, declared.name, steps), price_of(steps), self._clock()
        budget = self.budgets.of(principal.name)
        with self._lock:
            bucket = self._buckets.setdefault(principal.name, Bucket(budget.capacity, now_ns))
            bucket.fill(budget, now_ns)
            if bucket.level < amount:
                hint = _cheaper(declared, bucket.level, principal)
                raise exceeded(principal.name, budget, bucket, amount, now_ns, cheaper=hint)
            bucket.take(budget, amount)
            self._unbooked[principal.name] = self._unbooked.get(principal.name, 0) + amount
            self._share_joules()
            self._running[id(bill)] = bill
        return bill

    def settle(self, bill: Bill) -> int:
        """Charge what a call really took, whatever came of it; returns the price in micro-CEU."""
        difference = price_of(bill.steps) - price_of(bill.declared)
        budget = self.budgets.of(bill.principal)
        with self._lock:
            self._share_joules()
            del self._running[id(bill)]
            bucket = self._buckets[bill.principal]
            if difference > 0:
                bucket.take(budget, difference)
            else:
                bucket.level = min(budget.capacity, bucket.level - difference)
            self._unbooked[bill.principal] += difference
            source = self._source.name
            self._charges.append(bill.principal, bill.operation, bill.steps, round(1e3 * bill.joules), source)
            self._calls += 1
            if (
                self._book
                and self._is_due(bill.principal, budget)
                and (self._booking is None or self._booking.done())
            ):
                self._booking = self._worker.submit(self._settle_or_say_why)
        _steps_of(bill.operation).inc(bill.steps)
        _joules_of(bill.operation, source).inc(bill.joules)
        return price_of(bill.steps)

    def available(self, principal: str) -> int:
        """Micro-CEU in a principal's bucket now; waits for the books if they were not asked yet."""
        budget, now_ns = self.budgets.of(principal), self._clock()
        with self._lock:
            self._buckets.setdefault(principal, Bucket(budget.capacity, now_ns))
            asked = principal in self._known
        if not asked:
            self.book()
        with self._lock:
            bucket = self._buckets[principal]
            bucket.fill(budget, now_ns)
            return bucket.level

    def level(self, principal: str) -> int | None:
        """Micro-CEU in a principal's bucket as this process knows it, None before its first call; never waits."""
        bucket = self._buckets.get(principal)
        return None if bucket is None else bucket.level

    def book(self) -> None:
        """Book what the journal holds, now; returns when it is on disk.

        Raises:
            EconomyError: If the ledger cannot be written; the journal keeps what is owed.
        """
        if self._book:
            self._worker.submit(self._settle_journal).result()

    def close(self) -> None:
        """Book what is left if the ledger is open anyway, else leave it in the journal for the next process."""
        if self._ledger is not None:
            self.book()
        self._worker.shutdown(wait=True)
        if self._journal is not None:
            self._journal.rotate()
        if self._ledger is not None:
            self._ledger.close()

    @property
    def _source(self) -> EnergySource:
        if self._energy is None:
            self._energy = energy_source()
            self._read_joules = self._energy.read()
        return self._energy

    @property
    def _charges(self) -> "ChargeJournal":
        if self._journal is None:
            from industriverse.economy.journal import ChargeJournal

            self._journal = ChargeJournal(self._folder)
        return self._journal

    def _is_due(self, principal: str, budget: Budget) -> bool:
        if principal not in self._known and budget != GENEROUS:
            return True
        return self._calls >= _BOOK_EVERY_CALLS or time.monotonic() - self._booked_at > _BOOK_EVERY_S

    def _share_joules(self) -> None:
        # What was used since the last look is shared by the calls that ran meanwhile, so that no joule counts twice.
        now = self._source.read()
        for bill in self._running.values():
            bill.joules += (now - self._read_joules) / len(self._running)
        self._read_joules = now

    def _settle_or_say_why(self) -> None:
        try:
            self._settle_journal()
        except EconomyError as error:
            # The journal keeps what is owed, and the next round books it.
            logger.warning("charges are not booked yet: %s", error)

    def _settle_journal(self) -> None:
        from industriverse.economy.metering import bucket_of, settle

        if self._ledger is None:
            self._ledger = self._open_ledger()
        with self._lock:
            self._charges.rotate()
            self._calls, self._booked_at = 0, time.monotonic()
            batches = list(self._charges.batches())
            new = self._buckets.keys() - self._known
        for batch, charges in batches:
            buckets = settle(self._ledger, batch, charges, self.budgets, self._clock())
            # What a dead process owed was never counted here.
            own = batch in self._charges.own
            self._charges.forget(batch)
            self._adopt(buckets, {charge.principal: charge.amount * own for charge in charges})
        for principal in new - self._known:
            bucket = bucket_of(self._ledger, principal, self.budgets.of(principal), self._clock())
            self._adopt({principal: bucket}, {principal: 0})

    def _adopt(self, buckets: Mapping[str, Bucket], booked: Mapping[str, int]) -> None:
        """Take the books' word for how full the buckets are, less what they do not know yet."""
        with self._lock:
            for principal, bucket in buckets.items():
                left = self._unbooked.get(principal, 0) - booked[principal]
                self._unbooked[principal] = left
                bucket.take(self.budgets.of(principal), left)
                self._buckets[principal] = bucket
                self._known.add(principal)


def read_budgets(path: Path, generous: Iterable[str]) -> Budgets:
    """Budgets of an installation: ``{"NAME": {"capacity_ceu": 1000, "refill_ceu_per_s": 10}}``.

    Args:
        path: The file; ``"*"`` in it stands for everyone else. It may be missing.
        generous: Principals that have a generous budget where the file does not say otherwise.

    Raises:
        OperationError: If the file is malformed.
    """
    own = dict.fromkeys(generous, GENEROUS)
    if not path.exists():
        return Budgets(own=own)
    try:
        for name, given in json.loads(path.read_text()).items():
            own[name] = Budget(
                round(float(given["capacity_ceu"]) * MICRO), round(float(given["refill_ceu_per_s"]) * MICRO)
            )
    except (EconomyError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise OperationError(
            f"the budgets in {path} cannot be read ({type(error).__name__}: {error})",
            hint='write {"NAME": {"capacity_ceu": 1000, "refill_ceu_per_s": 10}, …}',
        ) from error
    default = own.pop("*", None)
    return Budgets(own=own) if default is None else Budgets(default, own)


def _cheaper(declared: Operation, level: int, principal: "Principal") -> str:
    steps = level // price_of(1)
    largest = declared.cost.largest(steps)
    if largest is not None:
        whole = largest >= 10.0
        shown = math.floor(largest) if whole else math.floor(100.0 * largest) / 100.0
        return f"{declared.cost.field} = {shown} would fit now"
    fitting = [
        other
        for other in registry
        if other.read_only and other.cost.base <= steps and principal.holds(other.scope)
    ]
    fitting.sort(key=lambda other: (other.toolset != declared.toolset, -other.cost.base, other.name))
    return f"{fitting[0].name} would fit now" if fitting else "no call fits now"
