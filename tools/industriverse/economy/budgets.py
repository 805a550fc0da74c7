"""CEU: what inference costs, and how fast anyone may spend. Loads no database library."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from industriverse.economy.errors import AmountError, BudgetExceededError
from industriverse.economy.money import MICRO

__all__ = [
    "GENEROUS",
    "STANDARD",
    "STEPS_PER_CEU",
    "Bucket",
    "Budget",
    "Budgets",
    "ceu_text",
    "exceeded",
    "price_of",
]

# One step is one evaluation of a model or solver on one sample.
STEPS_PER_CEU = 1_000
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


# A million steps at once, ten thousand a second: a client that forecasts all day long, not one that scans.
STANDARD = Budget(1_000 * MICRO, 10 * MICRO)
# More than one machine computes in the time, so that whoever owns the machine is metered and never starved.
GENEROUS = Budget(1_000_000 * MICRO, 10_000 * MICRO)


@dataclass(frozen=True, slots=True)
class Budgets:
    """Whose budget is which.

    Attributes:
        default: Budget of principals without one of their own.
        own: Budgets by principal.
    """

    default: Budget = STANDARD
    own: Mapping[str, Budget] = field(default_factory=dict)

    def of(self, principal: str) -> Budget:
        """The budget of a principal."""
        return self.own.get(principal, self.default)


@dataclass(slots=True)
class Bucket:
    """How full a token bucket is.

    Attributes:
        level: Micro-CEU in it, never below zero.
        updated_ns: Until when what flowed in has been counted; in the future if more was spent than was there,
            so that nothing flows in before the debt is paid.
    """

    level: int
    updated_ns: int

    def fill(self, budget: Budget, now_ns: int) -> None:
        """Count what flowed in until now; a clock that was set back neither fills nor drains."""
        # A budget that was made smaller since takes effect at once.
        self.level = min(self.level, budget.capacity)
        elapsed = max(0, now_ns - self.updated_ns)
        credit = elapsed * budget.refill_per_s // _NANOSECONDS
        if self.level + credit >= budget.capacity:
            self.level, self.updated_ns = budget.capacity, max(now_ns, self.updated_ns)
            return
        self.level += credit
        # Time that bought no whole unit yet still counts at the next look, however often one looks.
        self.updated_ns += -(-credit * _NANOSECONDS // budget.refill_per_s)

    def take(self, budget: Budget, amount: int) -> None:
        """Spend; what is not there is owed."""
        debt = amount - self.level
        self.level = max(0, -debt)
        if debt > 0:
            self.updated_ns += -(-debt * _NANOSECONDS // budget.refill_per_s)


def exceeded(
    principal: str, budget: Budget, bucket: Bucket, amount: int, now_ns: int, *, cheaper: str = ""
) -> BudgetExceededError:
    """The refusal of a charge: how much it needs, when that will be there, and what would fit instead."""
    message = f"{principal} needs {ceu_text(amount)} CEU and its budget holds {ceu_text(bucket.level)}"
    instead = f"; {cheaper}" if cheaper else ""
    if amount > budget.capacity:
        hint = f"it never holds more than {ceu_text(budget.capacity)}; ask for fewer steps at once{instead}"
        return BudgetExceededError(message, needed=amount, available=bucket.level, ready_ns=None, hint=hint)
    missing = amount - bucket.level
    ready_ns = bucket.updated_ns + -(-missing * _NANOSECONDS // budget.refill_per_s)
    wait_s = max(0, ready_ns - now_ns) / _NANOSECONDS
    hint = f"{ceu_text(budget.refill_per_s)} CEU flow in each second; ready in {wait_s:.3g} s{instead}"
    return BudgetExceededError(message, needed=amount, available=bucket.level, ready_ns=ready_ns, hint=hint)


def ceu_text(micro: int) -> str:
    """Micro-CEU as the shortest exact decimal number of CEU."""
    whole, rest = divmod(micro, MICRO)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")
