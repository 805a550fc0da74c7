"""Charges for inference, booked in the ledger once and for ever, many calls in one transaction."""

import hashlib
from collections.abc import Iterable, Mapping

from sqlalchemy import insert, select, update

from industriverse.economy import schema
from industriverse.economy.budgets import Bucket, Budget, Budgets
from industriverse.economy.journal import Charges
from industriverse.economy.ledger import Ledger, Writer
from industriverse.economy.money import Asset, Leg, Posting, issuer_of
from industriverse.economy.rules import budget_account

__all__ = ["COMPUTE_ACCOUNT", "bucket_of", "settle"]

# Where spent CEU go, so that the books show what was computed.
COMPUTE_ACCOUNT = "system:compute"


def bucket_of(ledger: Ledger, principal: str, budget: Budget, now_ns: int) -> Bucket:
    """How full a principal's bucket is, by the books."""
    with ledger.reading() as connection:
        table = schema.buckets
        query = select(table).where(table.c.principal == budget_account(principal))
        row = connection.execute(query).one_or_none()
    bucket = Bucket(budget.capacity, now_ns) if row is None else Bucket(row.level, row.updated_ns)
    bucket.fill(budget, now_ns)
    return bucket


def settle(
    ledger: Ledger, batch: str, charges: Iterable[Charges], budgets: Budgets, now_ns: int
) -> Mapping[str, Bucket]:
    """Book a batch of charges, once however often it is asked for, and return the buckets after it.

    A principal's budget is the balance of ``budget:NAME``. What flowed into the bucket since the last time is
    issued to it, what was spent goes to ``system:compute``, in one transaction together with the bucket's row.

    Args:
        ledger: Where they are booked.
        batch: Name of the batch; a batch that is in the books already is left alone.
        charges: One of each principal.
        budgets: Whose budget is which.
        now_ns: The time until which buckets refill, nanoseconds since 1970-01-01 UTC.
    """
    ordered = sorted(charges, key=lambda charge: charge.principal)

    def work(writer: Writer) -> dict[str, Bucket]:
        return {
            charge.principal: _settle_one(writer, batch, charge, budgets.of(charge.principal), now_ns)
            for charge in ordered
        }

    return ledger.write(work)


def _settle_one(writer: Writer, batch: str, charge: Charges, budget: Budget, now_ns: int) -> Bucket:
    table, account = schema.buckets, budget_account(charge.principal)
    row = writer.connection.execute(select(table).where(table.c.principal == account)).one_or_none()
    bucket = Bucket(budget.capacity, now_ns) if row is None else Bucket(row.level, row.updated_ns)
    bucket.fill(budget, now_ns)
    key = f"charges:{batch}:{hashlib.sha256(account.encode()).hexdigest()[:16]}"
    if writer.find(key) is not None:
        return bucket
    amount = charge.amount
    bucket.take(budget, amount)
    granted = bucket.level + amount - writer.balance(account, Asset.CEU)
    changes = {
        issuer_of(Asset.CEU): -granted,
        account: granted - amount,
        COMPUTE_ACCOUNT: amount,
    }
    legs = tuple(Leg(holder, Asset.CEU, change) for holder, change in changes.items() if change)
    writer.post(Posting(key, "charge", legs, account, _details(charge)))
    values = {"level": bucket.level, "updated_ns": bucket.updated_ns}
    if row is None:
        writer.connection.execute(insert(table).values(principal=account, **values))
    else:
        writer.connection.execute(update(table).where(table.c.principal == account).values(values))
    return bucket


def _details(charge: Charges) -> dict[str, str | int | bool]:
    details: dict[str, str | int | bool] = {"calls": charge.calls}
    details |= {f"steps {operation}": steps for operation, steps in sorted(charge.steps.items())}
    return details | {f"mJ {source}": amount for source, amount in sorted(charge.millijoules.items())}
