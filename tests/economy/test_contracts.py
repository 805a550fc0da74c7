"""Contracts move by their terms, by who may and when, and every move is in the books."""

from typing import Any

import pytest

from economy.places import Place
from industriverse.economy import (
    MICRO,
    Asset,
    ContractError,
    IdempotencyError,
    InsufficientFundsError,
    LicenceError,
    PostingError,
)
from industriverse.economy.agreements import (
    Agreements,
    Escrow,
    EscrowPhase,
    Offer,
    OfferPhase,
    SavingsClaim,
    SavingsPhase,
)
from industriverse.economy.contracts import Contracts
from industriverse.economy.ledger import Ledger
from industriverse.economy.licences import Licence, Licences, Model, Terms

SECOND = 1_000_000_000
WEIGHTS, OTHER = "cd" * 32, "ef" * 32
EVIDENCE = "ab" * 32


class Clock:
    def __init__(self) -> None:
        self.now_ns = 1_767_225_600 * SECOND

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def agreements(place: Place, clock: Clock) -> Any:
    with Ledger(place.url, clock_ns=clock) as ledger:
        for account in ("ada", "bo", "cy"):
            ledger.issue(key=f"c-{account}", asset=Asset.CEU, account=account, amount=1_000)
            ledger.issue(key=f"m-{account}", asset=Asset.MUNT, account=account, amount=1_000)
        yield Agreements(Contracts(ledger))
        assert ledger.verify().ok


def balance(agreements: Agreements, account: str, asset: Asset = Asset.CEU) -> int:
    return agreements.contracts.ledger.balance(account, asset)


def deposit(agreements: Agreements, clock: Clock, name: str = "deal", key: str = "open") -> str:
    return agreements.deposit(
        name,
        key=key,
        payer="ada",
        payee="bo",
        arbiter="cy",
        asset=Asset.CEU,
        amount=300,
        deadline_ns=clock.now_ns + 60 * SECOND,
    ).contract_id


@pytest.mark.parametrize("actor", ["ada", "cy"])
def test_an_escrow_is_released_by_payer_or_arbiter(agreements: Agreements, clock: Clock, actor: str) -> None:
    deal = deposit(agreements, clock)
    assert (balance(agreements, "ada"), balance(agreements, f"contract:{deal}")) == (700, 300)
    done = agreements.release(deal, key="go", actor=actor)
    assert done.state.phase is EscrowPhase.RELEASED
    assert agreements.release(deal, key="go", actor=actor) == done
    assert agreements.contracts.read(Escrow, deal) == done.state
    assert (balance(agreements, "bo"), balance(agreements, f"contract:{deal}")) == (1_300, 0)
    for again in (agreements.release, agreements.refund):
        with pytest.raises(ContractError, match="escrow:deal is released"):
            again(deal, key="more", actor="cy")


def test_the_payee_cannot_release_and_the_payer_cannot_refund_before_the_deadline(
    agreements: Agreements, clock: Clock
) -> None:
    deal = deposit(agreements, clock)
    with pytest.raises(ContractError, match="bo may not do this; ada or cy may"):
        agreements.release(deal, key="go", actor="bo")
    clock.now_ns += 59 * SECOND
    with pytest.raises(ContractError, match="may take escrow escrow:deal back in 1 s"):
        agreements.refund(deal, key="back", actor="ada")
    with pytest.raises(ContractError, match="eve may not do this"):
        agreements.refund(deal, key="back", actor="eve")
    clock.now_ns += SECOND
    assert agreements.refund(deal, key="back", actor="ada").state.phase is EscrowPhase.REFUNDED
    assert balance(agreements, "ada") == 1_000


@pytest.mark.parametrize("actor", ["bo", "cy"])
def test_payee_and_arbiter_give_back_at_any_time(agreements: Agreements, clock: Clock, actor: str) -> None:
    deal = deposit(agreements, clock)
    agreements.refund(deal, key="back", actor=actor)
    assert balance(agreements, "ada") == 1_000


def test_an_escrow_that_cannot_be_is_refused(agreements: Agreements, clock: Clock) -> None:
    deposit(agreements, clock)
    with pytest.raises(ContractError, match="escrow:deal exists"):
        deposit(agreements, clock, key="again")
    with pytest.raises(IdempotencyError):
        deposit(agreements, clock, name="other")
    good: dict[str, Any] = {
        "key": "k",
        "payer": "ada",
        "payee": "bo",
        "arbiter": "cy",
        "asset": Asset.CEU,
        "amount": 5,
        "deadline_ns": clock.now_ns + 1,
    }
    for change in ({"arbiter": "bo"}, {"deadline_ns": clock.now_ns}, {"deadline_ns": 1.5}):
        with pytest.raises((ContractError, ValueError)):
            agreements.deposit("x", **{**good, **change})
    with pytest.raises(PostingError):
        agreements.deposit("x", **{**good, "amount": 0})
    with pytest.raises(InsufficientFundsError):
        agreements.deposit("x", **{**good, "amount": 5_000})
    for name in ("", "y" * 121):
        with pytest.raises(ContractError, match="not well formed"):
            agreements.deposit(name, **good)
    with pytest.raises(ContractError, match="there is no escrow 'escrow:x'"):
        agreements.contracts.read(Escrow, "escrow:x")
    with pytest.raises(ContractError, match="there is no offer"):
        agreements.buy("escrow:deal", key="b", actor="bo", most=1)


def test_what_a_contract_holds_moves_by_its_terms_alone(agreements: Agreements, clock: Clock) -> None:
    deal = deposit(agreements, clock)
    with pytest.raises(PostingError, match="by the terms of its contract alone"):
        agreements.contracts.ledger.transfer(
            key="steal", asset=Asset.CEU, source=f"contract:{deal}", target="eve", amount=300
        )


def test_a_state_changed_by_hand_is_found(place: Place, clock: Clock) -> None:
    with Ledger(place.url, clock_ns=clock) as ledger:
        ledger.issue(key="i", asset=Asset.CEU, account="ada", amount=1_000)
        deal = deposit(Agreements(Contracts(ledger)), clock)
        place.run("UPDATE documents SET state = replace(state, '\"bo\"', '\"eve\"')")
        fault = ledger.verify().fault
        assert str(fault) == f"the state of contract {deal} is not the one that its last transaction left"
        place.run("DELETE FROM documents")
        assert ledger.verify().fault == fault


def savings(agreements: Agreements, clock: Clock, evidence: str = EVIDENCE) -> str:
    return agreements.claim(
        key=f"claim-{evidence}",
        claimant="ada",
        reviewer="cy",
        evidence_sha256=evidence,
        saved=5 * MICRO,
        bond=100,
        deadline_ns=clock.now_ns + 60 * SECOND,
    ).contract_id


def test_an_accepted_saving_becomes_an_asset_and_is_sold_with_its_evidence(
    agreements: Agreements, clock: Clock
) -> None:
    claim = savings(agreements, clock)
    assert balance(agreements, "ada") == 900
    agreements.decide(claim, key="yes", actor="cy", accepted=True)
    assert (balance(agreements, "ada"), balance(agreements, "ada", Asset.SAVING)) == (1_000, 5 * MICRO)
    offer = agreements.offer(
        "saved",
        key="offer",
        seller="ada",
        asset=Asset.SAVING,
        amount=2 * MICRO,
        price=400,
        expires_ns=clock.now_ns + 60 * SECOND,
        evidence_sha256=EVIDENCE,
    )
    assert agreements.contracts.find(Offer) == ((offer.contract_id, offer.state),)
    with pytest.raises(ContractError, match="costs 400 micro-CEU, more than 399"):
        agreements.buy(offer.contract_id, key="buy", actor="bo", most=399)
    with pytest.raises(ContractError, match="the seller cannot buy"):
        agreements.buy(offer.contract_id, key="buy", actor="ada", most=400)
    sold = agreements.buy(offer.contract_id, key="buy", actor="bo", most=400)
    assert (sold.state.phase, sold.state.buyer) == (OfferPhase.SOLD, "bo")
    assert balance(agreements, "bo", Asset.SAVING) == 2 * MICRO
    assert (balance(agreements, "ada"), balance(agreements, "bo")) == (1_400, 600)
    with pytest.raises(ContractError, match="is sold"):
        agreements.withdraw(offer.contract_id, key="w", actor="ada")


def test_one_evidence_is_claimed_once_and_savings_come_from_claims_alone(
    agreements: Agreements, clock: Clock
) -> None:
    claim = savings(agreements, clock)
    agreements.decide(claim, key="no", actor="cy", accepted=False, reason="the meter was changed")
    state = agreements.contracts.read(SavingsClaim, claim)
    assert (state.phase, state.reason) == (SavingsPhase.REJECTED, "the meter was changed")
    assert balance(agreements, "ada") == 900
    assert agreements.contracts.ledger.supply(Asset.CEU) == 2_900
    with pytest.raises(ContractError, match="exists"):
        agreements.claim(
            key="again",
            claimant="bo",
            reviewer="cy",
            evidence_sha256=EVIDENCE,
            saved=1,
            bond=1,
            deadline_ns=clock.now_ns + SECOND,
        )
    with pytest.raises(PostingError, match="by an accepted claim alone"):
        agreements.contracts.ledger.issue(key="free", asset=Asset.SAVING, account="ada", amount=1)


def test_a_claim_is_decided_by_its_reviewer_in_time_or_lapses(agreements: Agreements, clock: Clock) -> None:
    claim = savings(agreements, clock)
    with pytest.raises(ContractError, match="ada may not do this; cy may"):
        agreements.decide(claim, key="yes", actor="ada", accepted=True)
    with pytest.raises(ContractError, match="may still be decided"):
        agreements.lapse(claim, key="lapse", actor="ada")
    clock.now_ns += 60 * SECOND
    with pytest.raises(ContractError, match="time to decide"):
        agreements.decide(claim, key="yes", actor="cy", accepted=True)
    agreements.lapse(claim, key="lapse", actor="ada")
    assert balance(agreements, "ada") == 1_000
    with pytest.raises(ContractError, match="reviews a claim of their own"):
        agreements.claim(
            key="k",
            claimant="ada",
            reviewer="ada",
            evidence_sha256=OTHER,
            saved=1,
            bond=1,
            deadline_ns=clock.now_ns + 1,
        )


def test_an_offer_that_expired_is_not_sold_and_can_be_taken_back(
    agreements: Agreements, clock: Clock
) -> None:
    offer = agreements.offer(
        "units",
        key="offer",
        seller="bo",
        asset=Asset.MUNT,
        amount=10,
        price=5,
        expires_ns=clock.now_ns + SECOND,
    ).contract_id
    clock.now_ns += SECOND
    with pytest.raises(ContractError, match="has expired"):
        agreements.buy(offer, key="buy", actor="ada", most=5)
    with pytest.raises(ContractError, match="ada may not do this"):
        agreements.withdraw(offer, key="w", actor="ada")
    agreements.withdraw(offer, key="w", actor="bo")
    assert balance(agreements, "bo", Asset.MUNT) == 1_000


TERMS = Terms(price=101, period_ns=100 * SECOND, uses=10, transferable=True)


@pytest.fixture
def licences(agreements: Agreements) -> Licences:
    licences = Licences(agreements.contracts)
    licences.register(
        key="r",
        actor="bo",
        name="pump forecaster",
        weights_sha256=WEIGHTS,
        terms=TERMS,
        split=(("cy", 2_500), ("dan", 999)),
    )
    return licences


def test_a_licence_costs_its_price_and_pays_every_royalty(
    agreements: Agreements, licences: Licences, clock: Clock
) -> None:
    licence = licences.acquire(WEIGHTS, key="a", actor="ada", most=101)
    held = [balance(agreements, account, Asset.MUNT) for account in ("ada", "cy", "dan", "bo")]
    assert held == [899, 1_025, 10, 1_066]
    assert licence.state.expires_ns == clock.now_ns + 100 * SECOND
    assert licences.acquire(WEIGHTS, key="a", actor="ada", most=101) == licence
    with pytest.raises(IdempotencyError):
        licences.acquire(WEIGHTS, key="a", actor="ada", most=102)
    with pytest.raises(LicenceError, match="costs 101 micro-MUNT, more than 100"):
        licences.acquire(WEIGHTS, key="b", actor="ada", most=100)
    with pytest.raises(InsufficientFundsError):
        licences.acquire(WEIGHTS, key="b", actor="dan", most=101)
    with pytest.raises(ContractError, match="there is no model"):
        licences.acquire(OTHER, key="b", actor="ada", most=101)


def test_a_payee_and_the_owner_pay_themselves_only_the_rest(
    agreements: Agreements, licences: Licences
) -> None:
    licences.acquire(WEIGHTS, key="a", actor="cy", most=101)
    assert balance(agreements, "cy", Asset.MUNT) == 1_000 - 101 + 25
    licences.acquire(WEIGHTS, key="b", actor="bo", most=101)
    assert agreements.contracts.ledger.supply(Asset.MUNT) == 3_000


def test_uses_are_counted_and_end_with_the_licence(licences: Licences, clock: Clock) -> None:
    licence = licences.acquire(WEIGHTS, key="a", actor="ada", most=101).contract_id
    used = licences.use(licence, key="u1", actor="ada", count=7)
    assert used.state.remaining(clock.now_ns) == 3
    assert licences.use(licence, key="u1", actor="ada", count=7).state.used == 7
    with pytest.raises(LicenceError, match="covers 3 more uses, not 4"):
        licences.use(licence, key="u2", actor="ada", count=4)
    with pytest.raises(LicenceError, match="held by another account than bo"):
        licences.use(licence, key="u2", actor="bo")
    with pytest.raises(LicenceError, match="0 uses"):
        licences.use(licence, key="u2", actor="ada", count=0)
    clock.now_ns += 100 * SECOND
    with pytest.raises(LicenceError, match="has expired"):
        licences.use(licence, key="u2", actor="ada")
    assert licences.contracts.read(Licence, licence).remaining(clock.now_ns) == 0


def test_a_licence_is_given_away_where_its_terms_allow_it(licences: Licences, clock: Clock) -> None:
    licence = licences.acquire(WEIGHTS, key="a", actor="ada", most=101).contract_id
    licences.use(licence, key="u", actor="ada", count=4)
    given = licences.transfer(licence, key="t", actor="ada", target="dan")
    assert (given.state.holder, given.state.used) == ("dan", 4)
    with pytest.raises(LicenceError, match="held by another"):
        licences.use(licence, key="u2", actor="ada")
    licences.use(licence, key="u3", actor="dan", count=6)
    bound = Terms(price=0, period_ns=None, uses=None, transferable=False)
    licences.change(WEIGHTS, key="c", actor="bo", terms=bound)
    free = licences.acquire(WEIGHTS, key="b", actor="eve", most=0)
    assert free.state.expires_ns is None
    assert licences.use(free.contract_id, key="u4", actor="eve", count=10**6).state.remaining(0) is None
    with pytest.raises(LicenceError, match="stays with its holder"):
        licences.transfer(free.contract_id, key="t2", actor="eve", target="ada")
    with pytest.raises(LicenceError, match="cannot receive"):
        licences.transfer(licence, key="t3", actor="dan", target="dan")


def test_terms_change_for_later_licences_by_the_owner_alone(licences: Licences) -> None:
    before = licences.acquire(WEIGHTS, key="a", actor="ada", most=101)
    dear = TERMS.model_copy(update={"price": 900, "uses": 1})
    with pytest.raises(ContractError, match="ada may not change"):
        licences.change(WEIGHTS, key="c", actor="ada", terms=dear)
    licences.change(WEIGHTS, key="c", actor="bo", terms=dear, offered=False)
    assert licences.contracts.read(Licence, before.contract_id).terms == TERMS
    with pytest.raises(LicenceError, match="is not offered"):
        licences.acquire(WEIGHTS, key="b", actor="ada", most=900)
    assert licences.contracts.find(Model)[0][1].terms == dear


@pytest.mark.parametrize(
    "change",
    [
        {"weights_sha256": "AB" * 32},
        {"name": ""},
        {"actor": "issuer:CEU"},
        {"split": (("cy", 10_001),)},
        {"split": (("cy", 0),)},
        {"split": (("cy", 1), ("cy", 2))},
        {"split": (("issuer:MUNT", 1),)},
        {"split": tuple((f"p{n}", 1) for n in range(17))},
        {"key": "second"},
    ],
)
def test_a_model_that_cannot_be_registered_is_refused(licences: Licences, change: dict[str, Any]) -> None:
    good: dict[str, Any] = {"key": "new", "actor": "bo", "name": "m", "weights_sha256": OTHER, "terms": TERMS}
    if change == {"key": "second"}:
        good["weights_sha256"] = WEIGHTS
    with pytest.raises(ContractError):
        licences.register(**{**good, **change})


@pytest.mark.parametrize("change", [{"price": -1}, {"uses": 0}, {"period_ns": 0}, {"price": 2**63}])
def test_terms_out_of_range_are_refused(change: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"price": 1, "period_ns": 1, "uses": 1, "transferable": True, **change}
    with pytest.raises(ContractError):
        Terms(**fields)
