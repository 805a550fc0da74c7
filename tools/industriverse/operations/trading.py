"""Orders that a caller can give, and how each is carried out in the caller's name."""

import hashlib
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field

from industriverse.economy.money import Asset
from industriverse.operations.amounts import Amount, micro, units
from industriverse.operations.books import PoolName
from industriverse.operations.registry import OperationInput
from industriverse.operations.times import parse_time

if TYPE_CHECKING:
    from industriverse.economy.ledger import Ledger
    from industriverse.economy.money import Transaction

__all__ = ["AnyOrder", "Done", "carry_out"]

_NEVER_NS = 2**62
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(min_length=1, max_length=100)]


class Swap(OperationInput):
    """Sell one asset of a pool for the other."""

    do: Literal["swap"]
    pool: PoolName
    sell: Literal["CEU", "PFT", "MUNT"]
    give: Amount
    least: Amount = Field(description="Refuse if less comes back")
    deadline: str | None = None


class AddLiquidity(OperationInput):
    """Deposit both assets of a pool for shares."""

    do: Literal["add_liquidity"]
    pool: PoolName
    ceu: Amount
    other: Amount
    least_shares: Amount = "0.000001"
    deadline: str | None = None


class RemoveLiquidity(OperationInput):
    """Give shares back for their part of the pool."""

    do: Literal["remove_liquidity"]
    pool: PoolName
    shares: Amount
    least_ceu: Amount = "0.000001"
    least_other: Amount = "0.000001"
    deadline: str | None = None


class RegisterModel(OperationInput):
    """Offer licences of a model; royalties in ten-thousandths of the price by account."""

    do: Literal["register_model"]
    name: Name
    weights_sha256: Sha256
    price_munt: Amount
    period_days: float | None = Field(default=None, gt=0, le=36_500)
    uses: int | None = Field(default=None, gt=0, le=10**12)
    transferable: bool = False
    royalties: dict[str, int] = Field(default_factory=dict)


class AcquireLicence(OperationInput):
    """Buy a licence of a model."""

    do: Literal["acquire_licence"]
    weights_sha256: Sha256
    most_munt: Amount


class UseLicence(OperationInput):
    """Account for uses of a licensed model, before they are made."""

    do: Literal["use_licence"]
    licence_id: Name
    count: int = Field(default=1, ge=1, le=10**12)


class TransferLicence(OperationInput):
    """Give a licence to another account, where its terms allow that."""

    do: Literal["transfer_licence"]
    licence_id: Name
    to: Name


class ClaimSaving(OperationInput):
    """Claim saved energy for a reviewer to accept; an accepted claim becomes SAVING."""

    do: Literal["claim_saving"]
    evidence_sha256: Sha256
    saved_kwh: Amount
    bond_ceu: Amount
    reviewer: Name
    deadline: str


class DecideSaving(OperationInput):
    """Accept or reject a claim that names the caller as its reviewer."""

    do: Literal["decide_saving"]
    claim_id: Name
    accept: bool
    reason: str = Field(default="", max_length=200)


class OfferAsset(OperationInput):
    """Offer SAVING or another asset on the marketplace for CEU."""

    do: Literal["offer"]
    asset: Literal["SAVING", "PFT", "MUNT", "CEU-PFT", "CEU-MUNT"]
    amount: Amount
    price_ceu: Amount
    evidence_sha256: Sha256 | None = None
    expires: str


class BuyOffer(OperationInput):
    """Buy what is offered."""

    do: Literal["buy"]
    offer_id: Name
    most_ceu: Amount


class WithdrawOffer(OperationInput):
    """Take back what one offered."""

    do: Literal["withdraw"]
    offer_id: Name


AnyOrder = Annotated[
    Swap
    | AddLiquidity
    | RemoveLiquidity
    | RegisterModel
    | AcquireLicence
    | UseLicence
    | TransferLicence
    | ClaimSaving
    | DecideSaving
    | OfferAsset
    | BuyOffer
    | WithdrawOffer,
    Field(discriminator="do"),
]


class Done(BaseModel):
    """What an order did."""

    account: str
    sequence: int
    summary: str
    id: str | None = None


def carry_out(ledger: "Ledger", account: str, key: str, order: AnyOrder) -> Done:
    """Carry an order out in the name of an account, once per key.

    Raises:
        EconomyError: If the books, the pool or the contract do not allow it.
        InvalidArgumentsError: If an amount or a time is malformed.
    """
    # Keys of different accounts never meet.
    digest = hashlib.sha256(f"{account}\n{key}".encode()).hexdigest()
    key = f"trade:{digest[:40]}"
    if isinstance(order, Swap | AddLiquidity | RemoveLiquidity):
        return _pool(ledger, account, key, order)
    if isinstance(order, RegisterModel | AcquireLicence | UseLicence | TransferLicence):
        return _licence(ledger, account, key, order)
    return _agreement(ledger, account, key, order)


def _pool(ledger: "Ledger", account: str, key: str, order: Swap | AddLiquidity | RemoveLiquidity) -> Done:
    from industriverse.economy.market import Market, Order

    market, pool, deadline_ns = Market(ledger), Asset(order.pool), _deadline(order.deadline)
    if isinstance(order, Swap):
        given, least = micro(order.give, "give"), micro(order.least, "least")
        trade = market.swap(Order(key, account, pool, Asset(order.sell), given, least, deadline_ns))
        bought = order.pool.removeprefix("CEU-") if order.sell == "CEU" else "CEU"
        return _done(
            account, trade.transaction, f"{order.give} {order.sell} for {units(trade.received)} {bought}"
        )
    if isinstance(order, AddLiquidity):
        added = market.add(
            pool,
            key=key,
            provider=account,
            ceu=micro(order.ceu, "ceu"),
            other=micro(order.other, "other"),
            least_shares=micro(order.least_shares, "least_shares"),
            deadline_ns=deadline_ns,
        )
        told = f"{units(added.ceu)} CEU and {units(added.other)} for {units(added.shares)} shares"
        return _done(account, added.transaction, told)
    paid = market.remove(
        pool,
        key=key,
        provider=account,
        shares=micro(order.shares, "shares"),
        least_ceu=micro(order.least_ceu, "least_ceu"),
        least_other=micro(order.least_other, "least_other"),
        deadline_ns=deadline_ns,
    )
    return _done(account, paid.transaction, f"{units(paid.ceu)} CEU and {units(paid.other)} paid out")


def _licence(
    ledger: "Ledger",
    account: str,
    key: str,
    order: RegisterModel | AcquireLicence | UseLicence | TransferLicence,
) -> Done:
    from industriverse.economy.contracts import Contracts
    from industriverse.economy.licences import Licences, Terms

    licences = Licences(Contracts(ledger))
    if isinstance(order, RegisterModel):
        period_ns = None if order.period_days is None else round(order.period_days * 86_400e9)
        terms = Terms(
            price=micro(order.price_munt, "price_munt"),
            period_ns=period_ns,
            uses=order.uses,
            transferable=order.transferable,
        )
        model = licences.register(
            key=key,
            actor=account,
            name=order.name,
            weights_sha256=order.weights_sha256,
            terms=terms,
            split=tuple(order.royalties.items()),
        )
        return _done(account, model.transaction, f"model {order.name} registered", model.contract_id)
    if isinstance(order, AcquireLicence):
        most = micro(order.most_munt, "most_munt")
        licence = licences.acquire(order.weights_sha256, key=key, actor=account, most=most)
        told = f"licence acquired for {units(licence.state.terms.price)} MUNT"
    elif isinstance(order, UseLicence):
        licence = licences.use(order.licence_id, key=key, actor=account, count=order.count)
        told = f"{order.count} uses accounted for, {licence.state.used} in all"
    else:
        licence = licences.transfer(order.licence_id, key=key, actor=account, target=order.to)
        told = f"licence given to {order.to}"
    return _done(account, licence.transaction, told, licence.contract_id)


def _agreement(
    ledger: "Ledger",
    account: str,
    key: str,
    order: ClaimSaving | DecideSaving | OfferAsset | BuyOffer | WithdrawOffer,
) -> Done:
    from industriverse.economy.agreements import Agreements
    from industriverse.economy.contracts import Contracts

    agreements = Agreements(Contracts(ledger))
    if isinstance(order, ClaimSaving):
        claim = agreements.claim(
            key=key,
            claimant=account,
            reviewer=order.reviewer,
            evidence_sha256=order.evidence_sha256,
            saved=micro(order.saved_kwh, "saved_kwh"),
            bond=micro(order.bond_ceu, "bond_ceu"),
            deadline_ns=parse_time(order.deadline, "deadline"),
        )
        return _done(account, claim.transaction, f"{order.saved_kwh} kWh claimed", claim.contract_id)
    if isinstance(order, DecideSaving):
        claim = agreements.decide(
            order.claim_id, key=key, actor=account, accepted=order.accept, reason=order.reason
        )
        return _done(account, claim.transaction, f"claim {claim.state.phase}", claim.contract_id)
    if isinstance(order, OfferAsset):
        offer = agreements.offer(
            key.removeprefix("trade:"),
            key=key,
            seller=account,
            asset=Asset(order.asset),
            amount=micro(order.amount, "amount"),
            price=micro(order.price_ceu, "price_ceu"),
            expires_ns=parse_time(order.expires, "expires"),
            evidence_sha256=order.evidence_sha256 or "",
        )
        told = f"{order.amount} {order.asset} offered for {order.price_ceu} CEU"
    elif isinstance(order, BuyOffer):
        offer = agreements.buy(order.offer_id, key=key, actor=account, most=micro(order.most_ceu, "most_ceu"))
        told = f"{units(offer.state.amount)} {offer.state.asset} bought for {units(offer.state.price)} CEU"
    else:
        offer = agreements.withdraw(order.offer_id, key=key, actor=account)
        told = "offer withdrawn"
    return _done(account, offer.transaction, told, offer.contract_id)


def _deadline(text: str | None) -> int:
    return _NEVER_NS if text is None else parse_time(text, "deadline")


def _done(account: str, transaction: "Transaction", summary: str, contract_id: str | None = None) -> Done:
    return Done(account=account, sequence=transaction.sequence, summary=summary, id=contract_id)
