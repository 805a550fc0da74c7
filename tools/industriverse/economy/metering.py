"""CEU: what inference costs, who pays, and how fast anyone may spend."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, insert, select, update

from industriverse.economy import schema
from industriverse.economy.errors import AmountError, BudgetExceededError
from industriverse.economy.ledger import Ledger, Writer
from industriverse.economy.money import MICRO, Asset, Leg, Posting, check_account

__all__ = ["COMPUTE_ACCOUNT", "STEPS_PER_CEU", "Budget", "Charge", "EnergyMeter", "price_of"]

# One step is one evaluation of a model or solver on one sample.
STEPS_PER_CEU = 1_000
# Where spent CEU go, so that the books show what was computed.
COMPUTE_ACCOUNT = "system:compute"
_MICRO_PER_STEP = MICRO // STEPS_PER_CEU
_MAX_STEPS = 10**12
_NANOSECONDS = 1_000_000_000


def price_of(steps: int) -> int:
    """Price of inference steps in micro-CEU; exact, because a step is a whole number of them.

    Raises:
        AmountError: If ``steps`` is not a positive integer up to 10^12.
    """
    if type(steps) is not int or not 0 < steps <= _MAX_STEPS:
        raise AmountError(f"{steps!r:.80} inference steps", hint="give a positive integer up to 10^12")
    return steps * _MICRO_PER_STEP


@dataclass(frozen=True, slots=True)
class Budget:
    """A token bucket.

    Attributes:
        capacity: Micro-CEU that it holds when full; it starts full.
        refill_per_s: Micro-CEU that flow in each second.
    """

    capacity: int
    refill_per_s: int

    def __post_init__(self) -> None:
        for name in ("capacity", "refill_per_s"):
            value = getattr(self, name)
            if type(value) is not int or not 0 < value <= 2**53:
                raise AmountError(f"{name} is {value!r:.80}", hint="give a positive number of micro-CEU")


@dataclass(frozen=True, slots=True)
class Charge:
    """What a principal paid.

    Attributes:
        steps: Inference steps.
        amount: Micro-CEU.
        sequence: The ledger transaction.
        held: Micro-CEU that the principal still holds.
    """

    steps: int
    amount: int
    sequence: int
    held: int


@dataclass(slots=True)
class _Bucket:
    level: int
    updated_ns: int

    def fill(self, budget: Budget, now_ns: int) -> None:
        # A clock that was set back neither fills nor drains.
        elapsed = max(0, now_ns - self.updated_ns)
        credit = elapsed * budget.refill_per_s // _NANOSECONDS
        if self.level + credit >= budget.capacity:
            self.level, self.updated_ns = budget.capacity, max(now_ns, self.updated_ns)
            return
        self.level += credit
        # Time that bought no whole unit yet still counts at the next look, however often one looks.
        self.updated_ns += -(-credit * _NANOSECONDS // budget.refill_per_s)


@dataclass(frozen=True)
class EnergyMeter:
    """Charges principals for inference, within the ledger's own transaction.

    A charge needs two things: room in the principal's bucket (how fast it may spend) and CEU in its account
    (how much it may spend). Buckets live in the ledger's database, so a restart does not refill them and all
    processes share them.

    Args:
        ledger: Where accounts live.
        default: Budget of principals without one of their own.
        budgets: Budgets by principal.
        clock_ns: Wall clock, nanoseconds since 1970-01-01 UTC.
    """

    ledger: Ledger
    default: Budget
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    clock_ns: Callable[[], int] = time.time_ns

    def charge(self, principal: str, steps: int, *, key: str, operation: str) -> Charge:
        """Take the price of ``steps`` from a principal, once per key.

        Args:
            principal: The account that pays.
            steps: Steps that the server measured.
            key: Idempotency key of the call; the same call charged again changes nothing.
            operation: What was run, for the books.

        Raises:
            BudgetExceededError: Saying how much is needed and when the bucket refills.
            InsufficientFundsError: Saying how much is missing in the account.
            IdempotencyError: If the key was used for another charge.
        """
        amount = price_of(steps)
        legs = (Leg(check_account(principal), Asset.CEU, -amount), Leg(COMPUTE_ACCOUNT, Asset.CEU, amount))
        posting = Posting(key, "charge", legs, operation, {"steps": steps})

        def work(writer: Writer) -> Charge:
            if writer.find(key) is None:
                self._draw(writer, principal, amount)
            transaction = writer.post(posting)
            return Charge(steps, amount, transaction.sequence, writer.balance(principal, Asset.CEU))

        return self.ledger.write(work)

    def available(self, principal: str) -> int:
        """Micro-CEU in a principal's bucket now."""
        with self.ledger.reading() as connection:
            return self._bucket(connection, principal)[0].level

    def _draw(self, writer: Writer, principal: str, amount: int) -> None:
        budget = self.budgets.get(principal, self.default)
        bucket, known = self._bucket(writer.connection, principal)
        if bucket.level < amount:
            raise _exceeded(principal, budget, bucket, amount)
        values = {"level": bucket.level - amount, "updated_ns": bucket.updated_ns}
        table = schema.buckets
        if known:
            writer.connection.execute(update(table).where(table.c.principal == principal).values(values))
        else:
            writer.connection.execute(insert(table).values(principal=principal, **values))

    def _bucket(self, connection: Connection, principal: str) -> tuple[_Bucket, bool]:
        budget = self.budgets.get(principal, self.default)
        table = schema.buckets
        now_ns = self.clock_ns()
        row = connection.execute(select(table).where(table.c.principal == principal)).one_or_none()
        if row is None:
            return _Bucket(budget.capacity, now_ns), False
        # A budget that was made smaller since takes effect at once.
        bucket = _Bucket(min(row.level, budget.capacity), row.updated_ns)
        bucket.fill(budget, now_ns)
        return bucket, True


def _exceeded(principal: str, budget: Budget, bucket: _Bucket, amount: int) -> BudgetExceededError:
    message = f"{principal} needs {_ceu(amount)} CEU and its budget holds {_ceu(bucket.level)}"
    if amount > budget.capacity:
        return BudgetExceededError(
            message,
            needed=amount,
            available=bucket.level,
            ready_ns=None,
            hint=f"it never holds more than {_ceu(budget.capacity)}; ask for fewer steps at once",
        )
    missing = amount - bucket.level
    wait_ns = -(-missing * _NANOSECONDS // budget.refill_per_s)
    return BudgetExceededError(
        message,
        needed=amount,
        available=bucket.level,
        ready_ns=bucket.updated_ns + wait_ns,
        hint=f"{_ceu(budget.refill_per_s)} CEU flow in each second; ready in {wait_ns / 1e9:.3g} s",
    )


def _ceu(micro: int) -> str:
    whole, rest = divmod(micro, MICRO)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")
