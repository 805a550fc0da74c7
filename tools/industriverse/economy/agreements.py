"""Agreements between accounts: escrow, offers on the marketplace and claims of saved energy."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, TypeVar

from industriverse.economy.contracts import Contracts, ContractState, Outcome, Request, Step
from industriverse.economy.errors import ContractError
from industriverse.economy.ledger import Writer
from industriverse.economy.money import Asset, Leg, check_account, check_amount, issuer_of
from industriverse.economy.rules import contract_account

__all__ = ["Agreements", "Escrow", "EscrowPhase", "Offer", "OfferPhase", "SavingsClaim", "SavingsPhase"]

S = TypeVar("S", bound=ContractState)
Moved = tuple[Leg, ...]
_SHA256_LETTERS = frozenset("0123456789abcdef")


class EscrowPhase(StrEnum):
    """Where an escrow stands."""

    HELD = "held"
    RELEASED = "released"
    REFUNDED = "refunded"


class Escrow(ContractState):
    """A deposit that goes to the payee when the payer or the arbiter says so, else back.

    Attributes:
        phase: Where it stands.
        payer: Who deposited.
        payee: Who is to receive.
        arbiter: Who decides when they do not agree.
        asset: Of what.
        amount: Micro-units.
        deadline_ns: From when on the payer may take it back alone.
    """

    machine: ClassVar[str] = "escrow"
    phase: EscrowPhase
    payer: str
    payee: str
    arbiter: str
    asset: Asset
    amount: int
    deadline_ns: int


class OfferPhase(StrEnum):
    """Where an offer stands."""

    OPEN = "open"
    SOLD = "sold"
    WITHDRAWN = "withdrawn"


class Offer(ContractState):
    """Something offered on the marketplace for CEU; it lies in the contract until it is sold or withdrawn.

    Attributes:
        phase: Where it stands.
        seller: Who offers.
        asset: What.
        amount: Micro-units of it, sold as a whole.
        price: Micro-CEU.
        evidence_sha256: What it rests on, such as the evidence of a savings claim; empty if nothing.
        expires_ns: Until when it can be bought.
        buyer: Who bought it; empty until then.
    """

    machine: ClassVar[str] = "offer"
    phase: OfferPhase
    seller: str
    asset: Asset
    amount: int
    price: int
    evidence_sha256: str
    expires_ns: int
    buyer: str = ""


class SavingsPhase(StrEnum):
    """Where a savings claim stands."""

    CLAIMED = "claimed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    LAPSED = "lapsed"


class SavingsClaim(ContractState):
    """A claim that energy was saved, one for each evidence; accepted, it becomes SAVING in the books.

    Attributes:
        phase: Where it stands.
        claimant: Who claims.
        reviewer: Who accepts or rejects.
        evidence_sha256: Hash of the measurement and of what it is compared with.
        saved: Micro-kilowatt-hours (3.6 J each).
        bond: Micro-CEU that the claimant loses if the claim is rejected.
        deadline_ns: From when on an undecided claim lapses.
        reason: Why it was rejected.
    """

    machine: ClassVar[str] = "savings"
    phase: SavingsPhase
    claimant: str
    reviewer: str
    evidence_sha256: str
    saved: int
    bond: int
    deadline_ns: int
    reason: str = ""


@dataclass(frozen=True)
class Agreements:
    """What two accounts can agree on.

    ``actor`` is the account in whose name the server acts; it is never taken from the client's word.

    Args:
        contracts: Where contracts are kept.
    """

    contracts: Contracts

    def deposit(
        self,
        name: str,
        *,
        key: str,
        payer: str,
        payee: str,
        arbiter: str,
        asset: Asset,
        amount: int,
        deadline_ns: int,
    ) -> Outcome[Escrow]:
        """Put an amount into escrow; its contract id is ``escrow:`` and the name.

        Raises:
            ContractError: If the name is taken, two of the three are one, or the deadline has passed.
            InsufficientFundsError: If the payer holds too little.
        """
        check_amount(amount)
        if len({check_account(payer), check_account(payee), check_account(arbiter)}) < 3:
            raise ContractError("payer, payee and arbiter are not three", hint="name three accounts")
        state = Escrow(
            phase=EscrowPhase.HELD,
            payer=payer,
            payee=payee,
            arbiter=arbiter,
            asset=asset,
            amount=amount,
            deadline_ns=deadline_ns,
        )
        escrow_id = f"{Escrow.machine}:{name}"

        def first(_writer: Writer, now_ns: int) -> Step[Escrow]:
            _require_later(deadline_ns, now_ns)
            return Step("deposit", state, _move(payer, contract_account(escrow_id), asset, amount))

        request = state.model_dump(mode="json")
        return self.contracts.open(Escrow, escrow_id, key=key, request=request, first=first)

    def release(self, escrow_id: str, *, key: str, actor: str) -> Outcome[Escrow]:
        """Pay the payee; the payer and the arbiter may.

        Raises:
            ContractError: If somebody else asks, or the escrow is settled.
        """

        def legs(state: Escrow, _now_ns: int) -> Moved:
            _require_actor(actor, state.payer, state.arbiter)
            return _move(contract_account(escrow_id), state.payee, state.asset, state.amount)

        request: Request = {"do": "release", "actor": actor}
        return self._settle(
            Escrow, escrow_id, key, request, EscrowPhase.HELD, {"phase": EscrowPhase.RELEASED}, legs
        )

    def refund(self, escrow_id: str, *, key: str, actor: str) -> Outcome[Escrow]:
        """Pay back; the payee and the arbiter may, and the payer from the deadline on.

        Raises:
            ContractError: If somebody else asks, the payer asks too early, or the escrow is settled.
        """

        def legs(state: Escrow, now_ns: int) -> Moved:
            if actor == state.payer:
                _require(
                    now_ns >= state.deadline_ns,
                    f"the payer may take escrow {escrow_id} back in {(state.deadline_ns - now_ns) / 1e9:.0f} s",
                )
            else:
                _require_actor(actor, state.payee, state.arbiter)
            return _move(contract_account(escrow_id), state.payer, state.asset, state.amount)

        request: Request = {"do": "refund", "actor": actor}
        return self._settle(
            Escrow, escrow_id, key, request, EscrowPhase.HELD, {"phase": EscrowPhase.REFUNDED}, legs
        )

    def offer(
        self,
        name: str,
        *,
        key: str,
        seller: str,
        asset: Asset,
        amount: int,
        price: int,
        expires_ns: int,
        evidence_sha256: str = "",
    ) -> Outcome[Offer]:
        """Offer an amount of an asset for CEU; its contract id is ``offer:`` and the name.

        Raises:
            ContractError: If the name is taken, CEU are offered for CEU, or the offer has expired.
            InsufficientFundsError: If the seller holds too little.
        """
        check_amount(amount)
        check_amount(price)
        if asset is Asset.CEU:
            raise ContractError("CEU are offered for CEU", hint="offer another asset")
        if evidence_sha256:
            _require_sha256(evidence_sha256)
        state = Offer(
            phase=OfferPhase.OPEN,
            seller=check_account(seller),
            asset=asset,
            amount=amount,
            price=price,
            evidence_sha256=evidence_sha256,
            expires_ns=expires_ns,
        )
        offer_id = f"{Offer.machine}:{name}"

        def first(_writer: Writer, now_ns: int) -> Step[Offer]:
            _require_later(expires_ns, now_ns)
            return Step("offer", state, _move(seller, contract_account(offer_id), asset, amount))

        request = state.model_dump(mode="json")
        return self.contracts.open(Offer, offer_id, key=key, request=request, first=first)

    def buy(self, offer_id: str, *, key: str, actor: str, most: int) -> Outcome[Offer]:
        """Buy what is offered, for at most ``most`` micro-CEU.

        Raises:
            ContractError: If it is no longer offered, or costs more.
            InsufficientFundsError: If the buyer holds too little.
        """
        check_account(actor)

        def legs(state: Offer, now_ns: int) -> Moved:
            _require(now_ns < state.expires_ns, f"offer {offer_id} has expired")
            _require(state.price <= most, f"offer {offer_id} costs {state.price} micro-CEU, more than {most}")
            _require(actor != state.seller, "the seller cannot buy what it offers; withdraw it")
            return (
                *_move(actor, state.seller, Asset.CEU, state.price),
                *_move(contract_account(offer_id), actor, state.asset, state.amount),
            )

        request: Request = {"do": "buy", "actor": actor, "most": most}
        changes = {"phase": OfferPhase.SOLD, "buyer": actor}
        return self._settle(Offer, offer_id, key, request, OfferPhase.OPEN, changes, legs)

    def withdraw(self, offer_id: str, *, key: str, actor: str) -> Outcome[Offer]:
        """Take back what is offered and not sold; the seller may.

        Raises:
            ContractError: If somebody else asks, or it is sold or withdrawn.
        """

        def legs(state: Offer, _now_ns: int) -> Moved:
            _require_actor(actor, state.seller)
            return _move(contract_account(offer_id), state.seller, state.asset, state.amount)

        request: Request = {"do": "withdraw", "actor": actor}
        return self._settle(
            Offer, offer_id, key, request, OfferPhase.OPEN, {"phase": OfferPhase.WITHDRAWN}, legs
        )

    def claim(
        self,
        *,
        key: str,
        claimant: str,
        reviewer: str,
        evidence_sha256: str,
        saved: int,
        bond: int,
        deadline_ns: int,
    ) -> Outcome[SavingsClaim]:
        """Claim that energy was saved, once for an evidence.

        Raises:
            ContractError: If the evidence was claimed before or is no hash, or one reviews its own claim.
            InsufficientFundsError: If the claimant cannot pay the bond.
        """
        check_amount(saved)
        check_amount(bond)
        _require_sha256(evidence_sha256)
        _require(check_account(claimant) != check_account(reviewer), "nobody reviews a claim of their own")
        state = SavingsClaim(
            phase=SavingsPhase.CLAIMED,
            claimant=claimant,
            reviewer=reviewer,
            evidence_sha256=evidence_sha256,
            saved=saved,
            bond=bond,
            deadline_ns=deadline_ns,
        )
        claim_id = f"{SavingsClaim.machine}:{evidence_sha256}"

        def first(_writer: Writer, now_ns: int) -> Step[SavingsClaim]:
            _require_later(deadline_ns, now_ns)
            return Step("claim", state, _move(claimant, contract_account(claim_id), Asset.CEU, bond))

        request = state.model_dump(mode="json")
        return self.contracts.open(SavingsClaim, claim_id, key=key, request=request, first=first)

    def decide(
        self, claim_id: str, *, key: str, actor: str, accepted: bool, reason: str = ""
    ) -> Outcome[SavingsClaim]:
        """Accept a claim (SAVING are issued, the bond goes back) or reject it (the bond is destroyed).

        Raises:
            ContractError: If somebody else than the reviewer asks, too late, or it is decided.
        """

        def legs(state: SavingsClaim, now_ns: int) -> Moved:
            _require_actor(actor, state.reviewer)
            _require(now_ns < state.deadline_ns, f"the time to decide on {claim_id} is over")
            account = contract_account(claim_id)
            if not accepted:
                return _move(account, issuer_of(Asset.CEU), Asset.CEU, state.bond)
            return (
                *_move(issuer_of(Asset.SAVING), state.claimant, Asset.SAVING, state.saved),
                *_move(account, state.claimant, Asset.CEU, state.bond),
            )

        request: Request = {"do": "decide", "actor": actor, "accepted": accepted, "reason": reason}
        changes: dict[str, str] = {"phase": SavingsPhase.ACCEPTED}
        if not accepted:
            changes = {"phase": SavingsPhase.REJECTED, "reason": reason[:200]}
        step = "accept" if accepted else "reject"
        return self._settle(SavingsClaim, claim_id, key, request, SavingsPhase.CLAIMED, changes, legs, step)

    def lapse(self, claim_id: str, *, key: str, actor: str) -> Outcome[SavingsClaim]:
        """Give up a claim that nobody decided in time; the claimant may, and gets the bond back.

        Raises:
            ContractError: If somebody else asks, too early, or it is decided.
        """

        def legs(state: SavingsClaim, now_ns: int) -> Moved:
            _require_actor(actor, state.claimant)
            _require(now_ns >= state.deadline_ns, f"claim {claim_id} may still be decided")
            return _move(contract_account(claim_id), actor, Asset.CEU, state.bond)

        request: Request = {"do": "lapse", "actor": actor}
        return self._settle(
            SavingsClaim, claim_id, key, request, SavingsPhase.CLAIMED, {"phase": SavingsPhase.LAPSED}, legs
        )

    def _settle(
        self,
        kind: type[S],
        contract_id: str,
        key: str,
        request: Request,
        phase: StrEnum,
        changes: Mapping[str, str],
        legs: Callable[[S, int], Moved],
        step: str = "",
    ) -> Outcome[S]:
        """Take a contract out of the phase in which alone this can be asked; ``legs`` refuses by raising."""

        def transition(state: S, now_ns: int) -> Step[S]:
            now = getattr(state, "phase", None)
            _require(now is phase, f"{kind.machine} {contract_id} is {now}")
            moved = legs(state, now_ns)
            return Step(step or str(request["do"]), state.model_copy(update=dict(changes)), moved)

        return self.contracts.advance(kind, contract_id, key=key, request=request, transition=transition)


def _move(source: str, target: str, asset: Asset, amount: int) -> tuple[Leg, Leg]:
    return Leg(source, asset, -amount), Leg(target, asset, amount)


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise ContractError(problem, hint="read the contract's state and terms")


def _require_actor(actor: str, *allowed: str) -> None:
    if actor not in allowed:
        raise ContractError(f"{actor} may not do this", hint=f"{' or '.join(allowed)} may")


def _require_later(deadline_ns: int, now_ns: int) -> None:
    if type(deadline_ns) is not int or not now_ns < deadline_ns < 2**62:
        raise ContractError(
            f"the deadline {deadline_ns!r:.40} does not lie in the future", hint="give nanoseconds since 1970"
        )


def _require_sha256(text: str) -> None:
    if len(text) != 64 or not _SHA256_LETTERS.issuperset(text):
        raise ContractError(f"{text!r:.80} is no SHA-256", hint="give 64 lower-case hex digits")
