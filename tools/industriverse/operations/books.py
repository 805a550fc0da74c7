"""Views of the books beyond balances: pools, quotes, offers, and proofs for strangers."""

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel

from industriverse.economy.money import Asset
from industriverse.operations.amounts import micro, units
from industriverse.operations.errors import InvalidArgumentsError
from industriverse.operations.times import time_text

if TYPE_CHECKING:
    from industriverse.economy.agreements import Offer
    from industriverse.economy.ledger import Ledger
    from industriverse.economy.validation import Queued

__all__ = [
    "OfferItem",
    "PoolItem",
    "PoolName",
    "ProofItem",
    "QueuedItem",
    "QuoteItem",
    "offers_of",
    "pool_of",
    "proof_of",
    "queue_of",
    "queued_item",
    "quote_of",
]

PoolName = Literal["CEU-PFT", "CEU-MUNT"]
_DAY_NS = 86_400_000_000_000


class PoolItem(BaseModel):
    """A pool of CEU against another asset; amounts and prices are decimal text."""

    pool: str
    ceu: str
    other: str
    shares: str
    price_ceu: str | None
    day_average_price_ceu: str | None


class QuoteItem(BaseModel):
    """What a swap would give now."""

    pool: str
    sold: str
    bought: str
    received: str
    fee: str
    price_impact_percent: float


class OfferItem(BaseModel):
    """Something offered for CEU."""

    offer_id: str
    seller: str
    asset: str
    amount: str
    price_ceu: str
    evidence_sha256: str
    expires: str


class QueuedItem(BaseModel):
    """A certificate on its way to the mint; ``state`` is waiting, minted or dead (refused for good)."""

    proof_id: str
    owner: str
    state: str
    attempts: int
    next_try: str | None
    ledger_sequence: int | None
    reason: str


class ProofItem(BaseModel):
    """Proof under RFC 9162 that a transaction is in the log, and that the log only grew; hashes are hex."""

    sequence: int
    transaction_hash: str
    size: int
    root: str
    path: list[str]
    grown_from: int | None
    growth_path: list[str]
    checkpoint: str | None


def pool_of(ledger: "Ledger", name: str, now_ns: int) -> PoolItem:
    """What a pool holds, its price now and over the last day (over its life if that is shorter)."""
    from industriverse.economy.errors import MarketError
    from industriverse.economy.market import Market

    pool, market = Asset(name), Market(ledger)
    held = market.reserves(pool)
    price = market.price(pool) if held.shares else None
    average = None
    if held.shares:
        born_ns = market.began_ns(pool)
        # A pool that was born in this very moment has no past to average over.
        try:
            average = market.average_price(pool, max(born_ns, now_ns - _DAY_NS), now_ns)
        except MarketError:
            average = price
    return PoolItem(
        pool=name,
        ceu=units(held.ceu),
        other=units(held.other),
        shares=units(held.shares),
        price_ceu=None if price is None else f"{float(price):.9g}",
        day_average_price_ceu=None if average is None else f"{float(average):.9g}",
    )


def quote_of(ledger: "Ledger", name: str, sold: str, given: str) -> QuoteItem:
    """What a swap of ``given`` units of the asset ``sold`` would give now.

    Raises:
        MarketError: If the pool is empty or does not trade the asset.
    """
    from industriverse.economy.market import Market

    quote = Market(ledger).quote(Asset(name), Asset(sold), micro(given, "give"))
    other = name.removeprefix("CEU-")
    return QuoteItem(
        pool=name,
        sold=f"{units(quote.given)} {sold}",
        bought=other if sold == "CEU" else "CEU",
        received=units(quote.received),
        fee=units(quote.fee),
        price_impact_percent=float(100 * quote.impact),
    )


def offers_of(ledger: "Ledger", now_ns: int, limit: int) -> list[OfferItem]:
    """What can be bought on the marketplace now."""
    from industriverse.economy.agreements import Offer, OfferPhase
    from industriverse.economy.contracts import Contracts

    found: list[OfferItem] = []
    after = ""
    while len(found) < limit:
        page = Contracts(ledger).find(Offer, after=after)
        for after, offer in page:
            if offer.phase is OfferPhase.OPEN and offer.expires_ns > now_ns:
                found.append(_offer(after, offer))
        if not page:
            break
    return found[:limit]


def queued_item(queued: "Queued") -> QueuedItem:
    """Where a certificate stands in the queue of the mint."""
    return QueuedItem(
        proof_id=queued.id,
        owner=queued.owner,
        state=queued.state.value,
        attempts=queued.attempts,
        next_try=time_text(queued.due_ns) if queued.state.value == "waiting" else None,
        ledger_sequence=queued.sequence,
        reason=queued.reason,
    )


def queue_of(ledger: "Ledger", owner: str | None, limit: int) -> list[QueuedItem]:
    """Certificates in the queue of the mint, oldest first; of one owner if given."""
    from industriverse.economy.validation import queued_proofs

    return [queued_item(queued) for queued in queued_proofs(ledger, owner=owner, limit=limit)]


def _offer(offer_id: str, offer: "Offer") -> OfferItem:
    return OfferItem(
        offer_id=offer_id,
        seller=offer.seller,
        asset=offer.asset.value,
        amount=units(offer.amount),
        price_ceu=units(offer.price),
        evidence_sha256=offer.evidence_sha256,
        expires=time_text(offer.expires_ns),
    )


def proof_of(ledger: "Ledger", sequence: int | None, since: int | None) -> ProofItem:
    """Proof of a transaction under the latest signed checkpoint that covers it, else under the log now.

    Args:
        ledger: The ledger.
        sequence: Number of the transaction; None for the last.
        since: A size from which the growth to that log is proved as well.

    Raises:
        InvalidArgumentsError: If the ledger is empty.
        CheckpointError: If there is no such transaction or size.
    """
    from industriverse.economy.checkpoints import parse_note
    from industriverse.economy.transparency import TransparencyLog

    log = TransparencyLog(ledger, "ledger")
    now, _ = log.root()
    sequence = now if sequence is None else sequence
    if now == 0:
        raise InvalidArgumentsError("the ledger holds no transaction yet", hint="mint or trade first")
    notes = log.checkpoints(limit=1)
    covered = notes and parse_note(notes[0]).size >= max(sequence, since or 0)
    size = parse_note(notes[0]).size if covered else now
    inclusion, (_, root) = log.inclusion(sequence, size), log.root(size)
    growth = () if since is None else log.consistency(since, size).path
    return ProofItem(
        sequence=sequence,
        transaction_hash=inclusion.transaction_hash,
        size=size,
        root=root.hex(),
        path=[node.hex() for node in inclusion.path],
        grown_from=since,
        growth_path=[node.hex() for node in growth],
        checkpoint=notes[0] if covered else None,
    )
