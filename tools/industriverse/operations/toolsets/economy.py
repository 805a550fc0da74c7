"""The economy toolset: balances, entries and tokens for proofs."""

import asyncio
from typing import Any, Literal

from pydantic import BaseModel, Field

from industriverse.economy.money import Asset
from industriverse.operations.amounts import TREASURY, Amount, account_of, units
from industriverse.operations.books import (
    OfferItem,
    PoolItem,
    PoolName,
    ProofItem,
    QueuedItem,
    QuoteItem,
    offers_of,
    pool_of,
    proof_of,
    queue_of,
    queued_item,
    quote_of,
)
from industriverse.operations.context import OperationContext
from industriverse.operations.examples import economy as examples
from industriverse.operations.minting import mint_certificate, minted_for, queue_certificate
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.services import Services

__all__ = [
    "EntryItem",
    "MintInput",
    "MintOutput",
    "ReadInput",
    "ReadOutput",
    "economy_mint",
    "economy_read",
]


class ReadInput(OperationInput):
    """What to look at."""

    what: Literal["account", "pool", "quote", "offers", "proof", "queue"] = Field(
        default="account", description="What to read"
    )
    account: str = Field(default=TREASURY, min_length=1, max_length=200, description="Name of an account")
    asset: Literal["CEU", "PFT", "MUNT", "SAVING", "CEU-PFT", "CEU-MUNT"] = Field(
        default="PFT", description="Compute, proof or model units, kWh saved, pool shares"
    )
    limit: int = Field(default=20, ge=1, le=100, description="Entries per page")
    cursor: str = Field(default="", description="next_cursor of the page before")
    certificate_id: str | None = Field(
        default=None, description="Also tell what was minted for this certificate"
    )
    pool: PoolName = Field(default="CEU-PFT", description="For pool and quote")
    give: Amount = Field(default="1", description="For quote: units of asset to sell")
    sequence: int | None = Field(default=None, ge=1, description="For proof: transaction, the last if absent")
    since: int | None = Field(default=None, ge=1, description="For proof: log size known before")


class EntryItem(BaseModel):
    """One ledger entry; amounts are exact decimal text."""

    sequence: int
    asset: str
    amount: str
    balance: str


class ReadOutput(BaseModel):
    """An account and its entries, oldest first; amounts are exact decimal text."""

    account: str
    asset: str
    balance: str
    supply: str
    entries: list[EntryItem]
    next_cursor: str
    minted_for_certificate: str | None
    pool: PoolItem | None = None
    quote: QuoteItem | None = None
    offers: list[OfferItem] | None = None
    proof: ProofItem | None = None
    queue: list[QueuedItem] | None = None

    def __str__(self) -> str:
        if self.quote is not None:
            quote = self.quote
            return (
                f"{quote.sold} buy {quote.received} {quote.bought} now, fee {quote.fee}, "
                f"price impact {quote.price_impact_percent:.3g} %"
            )
        if self.pool is not None:
            pool, other = self.pool, self.pool.pool.removeprefix("CEU-")
            price = "empty" if pool.price_ceu is None else f"1 {other} = {pool.price_ceu} CEU"
            return f"{pool.pool}: {pool.ceu} CEU, {pool.other} {other}, {price}"
        if self.offers is not None:
            told = [f"{o.offer_id}: {o.amount} {o.asset} for {o.price_ceu} CEU" for o in self.offers]
            return "; ".join(told) or "nothing is offered"
        if self.proof is not None:
            return (
                f"transaction {self.proof.sequence} is among {self.proof.size} under root {self.proof.root}"
            )
        if self.queue is not None:
            return "; ".join(f"{q.proof_id[:16]} {q.state} {q.reason}".strip() for q in self.queue) or "empty"
        return f"{self.account} holds {self.balance} {self.asset} of {self.supply} in being"


class MintInput(OperationInput):
    """Which certificate is worth something."""

    certificate_id: str = Field(description="Id of a certificate, from eil_prove")
    queue: Literal["no", "submit", "retry"] = Field(
        default="no",
        description="submit: keep trying while the mint cannot decide; retry: take a dead letter back",
    )


class MintOutput(BaseModel):
    """What was minted."""

    amount_pft: str
    account: str
    balance_pft: str
    evidence_sha256: str
    ledger_sequence: int | None
    queued: QueuedItem | None = None

    def __str__(self) -> str:
        if self.ledger_sequence is None and self.queued is not None:
            return f"{self.queued.state} after {self.queued.attempts} attempts: {self.queued.reason}"
        return f"{self.amount_pft} PFT minted to {self.account}, which holds {self.balance_pft} PFT now"


@operation(
    "economy_read",
    toolset="economy",
    scope="read",
    title="Read the ledger",
    read_only=True,
    default_on=True,
    examples=examples.READ,
)
async def economy_read(request: ReadInput, context: OperationContext) -> ReadOutput:
    """Read an account's balance and entries and an asset's supply; or a pool, a quote, offers, a log proof, your queue.

    Raises:
        EconomyError: If the account's name is malformed or the cursor is not one of this account.
    """

    def read(services: Services) -> ReadOutput:
        ledger, asset = services.ledger, Asset(request.asset)
        page = ledger.entries(
            account=request.account, asset=asset, limit=request.limit, cursor=request.cursor
        )
        minted = None
        if request.certificate_id is not None:
            issued = services.certificates.find(request.certificate_id)
            minted = units(minted_for(ledger, issued.verified.predicate.evidence_sha256, request.account))
        return ReadOutput(
            account=request.account,
            asset=request.asset,
            balance=units(ledger.balance(request.account, asset)),
            supply=units(ledger.supply(asset)),
            entries=[
                EntryItem(
                    sequence=entry.sequence,
                    asset=entry.asset.value,
                    amount=units(entry.amount),
                    balance=units(entry.balance),
                )
                for entry in page.entries
            ],
            next_cursor=page.next_cursor,
            minted_for_certificate=minted,
            **_more(request, services, account_of(context.principal)),
        )

    if request.account.startswith("budget:"):
        # What calls cost is booked in batches; who looks at a budget sees it to the last call.
        await asyncio.to_thread(context.platform.meter.book)

    async def ask() -> ReadOutput:
        return await context.platform.run(read, context.platform.services)

    if request.what != "account" or request.certificate_id is not None:
        # These look at the clock or at other stores, too.
        return await ask()
    key = (request.account, request.asset, request.limit, request.cursor)
    return await context.platform.ledger_reads.get(key, ReadOutput, ask)


def _more(request: ReadInput, services: Services, caller: str) -> dict[str, Any]:
    ledger, now_ns = services.ledger, services.clock()
    if request.what == "pool":
        return {"pool": pool_of(ledger, request.pool, now_ns)}
    if request.what == "quote":
        return {"quote": quote_of(ledger, request.pool, request.asset, request.give)}
    if request.what == "offers":
        return {"offers": offers_of(ledger, now_ns, request.limit)}
    if request.what == "proof":
        return {"proof": proof_of(ledger, request.sequence, request.since)}
    if request.what == "queue":
        # Whoever owns the machine sees everyone's.
        return {"queue": queue_of(ledger, None if caller == TREASURY else caller, request.limit)}
    return {}


@operation(
    "economy_mint",
    toolset="economy",
    scope="mint",
    title="Mint proof tokens",
    cost=100,
    examples=examples.MINT,
)
async def economy_mint(request: MintInput, context: OperationContext) -> MintOutput:
    """Mint PFT for your certificate if it verifies, once for its evidence, by the published quality rule.

    Raises:
        NotFoundError: If there is no such certificate.
        NotAllowedError: If somebody else had its window certified first.
        EconomyError: If it does not verify, has expired, or its evidence was minted before.
    """

    def mint(services: Services) -> MintOutput:
        if request.queue != "no":
            return _queued(services, request, account_of(context.principal))
        minted = mint_certificate(services, request.certificate_id, account_of(context.principal))
        return MintOutput(
            amount_pft=units(minted.amount),
            account=minted.owner,
            balance_pft=units(services.ledger.balance(minted.owner, Asset.PFT)),
            evidence_sha256=minted.evidence.evidence_sha256,
            ledger_sequence=minted.sequence,
        )

    return await context.platform.run(mint, context.platform.services)


def _queued(services: Services, request: MintInput, owner: str) -> MintOutput:
    queued = queue_certificate(services, request.certificate_id, owner, again=request.queue == "retry")
    evidence = services.certificates.find(request.certificate_id).verified.predicate.evidence_sha256
    minted = 0 if queued.sequence is None else minted_for(services.ledger, evidence, owner)
    return MintOutput(
        amount_pft=units(minted),
        account=owner,
        balance_pft=units(services.ledger.balance(owner, Asset.PFT)),
        evidence_sha256=evidence,
        ledger_sequence=queued.sequence,
        queued=queued_item(queued),
    )
