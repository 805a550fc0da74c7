"""Verbs of the market: from the caller's own account, once per key, with proofs that a stranger can check."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from industriverse.economy import (
    MICRO,
    Asset,
    ContractError,
    DeadlineError,
    IdempotencyError,
    InsufficientFundsError,
    MarketError,
    SlippageError,
)
from industriverse.economy.merkle import verify_consistency, verify_inclusion
from industriverse.economy.names import check_account
from industriverse.economy.tiles import leaf_of
from industriverse.operations.amounts import account_of
from industriverse.operations.context import OWNERS, Principal
from industriverse.operations.errors import InvalidArgumentsError, NotAllowedError
from industriverse.operations.platform import Platform
from industriverse.operations.pricing import prices
from prepared_plant import call, on

ADA = Principal("ada", frozenset({"*"}))
WEIGHTS = "ab" * 32
EVIDENCE = "cd" * 32
LATER = "2100-01-01T00:00:00Z"


async def fund(platform: Platform) -> None:
    def issue() -> None:
        for account in ("treasury", "account:ada"):
            for asset in (Asset.CEU, Asset.MUNT):
                platform.services.ledger.issue(
                    key=f"{account}{asset}", asset=asset, account=account, amount=1_000 * MICRO
                )

    await platform.run(issue)


async def trade(platform: Platform, key: str, **order: Any) -> Any:
    principal = order.pop("principal", ADA)
    return await call(platform, "economy_trade", caller=principal, key=key, order=order)


async def open_pool(platform: Platform) -> None:
    await fund(platform)
    await trade(platform, "pool", do="add_liquidity", pool="CEU-MUNT", ceu="100", other="50")


def test_a_quote_is_what_a_swap_gives_and_the_price_moves(tmp_path: Path) -> None:
    async def story(platform: Platform) -> None:
        await open_pool(platform)
        read = await call(platform, "economy_read", what="quote", pool="CEU-MUNT", asset="CEU", give="10")
        assert read.quote is not None
        swap = {"do": "swap", "pool": "CEU-MUNT", "sell": "CEU", "give": "10", "least": read.quote.received}
        done = await trade(platform, "s1", **swap)
        assert done.account == "account:ada"
        assert f"for {read.quote.received} MUNT" in str(done)
        pool = (await call(platform, "economy_read", what="pool", pool="CEU-MUNT")).pool
        assert (pool.ceu, pool.price_ceu > "2") == ("110.000000", True)
        again = await trade(platform, "s1", **swap)
        assert again.sequence == done.sequence
        with pytest.raises(IdempotencyError):
            await trade(platform, "s1", **{**swap, "give": "11"})
        with pytest.raises(SlippageError, match="quote again"):
            await trade(platform, "s2", **{**swap, "least": "40"})
        with pytest.raises(DeadlineError):
            await trade(platform, "s3", **{**swap, "least": "0.1", "deadline": "2020-01-01T00:00:00Z"})
        with pytest.raises(InvalidArgumentsError, match="pool"):
            await trade(platform, "s4", **{**swap, "pool": "CEU-GOLD"})
        with pytest.raises(MarketError, match="is empty"):
            await trade(platform, "s5", **{**swap, "pool": "CEU-PFT"})
        shares = (await call(platform, "economy_read", account="account:ada", asset="CEU-MUNT")).balance
        await trade(platform, "out", do="remove_liquidity", pool="CEU-MUNT", shares=shares)
        assert (await platform.run(platform.services.ledger.verify)).ok

    on(tmp_path / "home", story)


def test_nobody_trades_from_another_ones_account_or_without_the_scope(tmp_path: Path) -> None:
    async def story(platform: Platform) -> None:
        await open_pool(platform)
        bo = Principal("bo", frozenset({"trade", "read"}))
        swap = {"do": "swap", "pool": "CEU-MUNT", "sell": "CEU", "give": "10", "least": "0.1"}
        with pytest.raises(InsufficientFundsError, match="account:bo holds 0"):
            await trade(platform, "k", principal=bo, **swap)
        with pytest.raises(NotAllowedError):
            await trade(platform, "k", principal=Principal("cy", frozenset({"read"})), **swap)
        # A caller that bears the name of an account is not its owner.
        with pytest.raises(InsufficientFundsError, match="account:treasury holds 0"):
            await trade(platform, "k", principal=Principal("treasury", frozenset({"*"})), **swap)
        # The same key of two callers is two keys.
        await trade(platform, "k", **swap)

    on(tmp_path / "home", story)


def test_every_caller_has_an_account_of_its_own() -> None:
    long = "x" * 300
    digest = account_of(Principal(long + "1")).removeprefix("account:")
    names = ["ada", "treasury", "budget:ada", "account:ada", long + "1", long + "2", digest, "a\nb", "a\\nb"]
    accounts = [account_of(Principal(name)) for name in names]
    assert len({*accounts, "treasury"}) == len(names) + 1
    assert all(check_account(account).startswith("account:") for account in accounts)
    assert [account_of(Principal(name)) for name in OWNERS] == ["treasury", "treasury"]
    assert account_of(Principal("local-operator", tenant="north")) == "account:local-operator"


def test_a_licence_is_bought_used_and_given_away(tmp_path: Path) -> None:
    async def story(platform: Platform) -> None:
        await fund(platform)
        await trade(
            platform, "m", do="register_model", name="n", weights_sha256=WEIGHTS, price_munt="5", uses=3,
            transferable=True, royalties={"author": 1_000},
        )  # fmt: skip
        owner = Principal("local-operator", frozenset({"*"}))
        bought = await trade(
            platform, "l", principal=owner, do="acquire_licence", weights_sha256=WEIGHTS, most_munt="5"
        )
        assert (await call(platform, "economy_read", account="author", asset="MUNT")).balance == "0.500000"
        await trade(platform, "u", principal=owner, do="use_licence", licence_id=bought.id, count=2)
        await trade(
            platform, "t", principal=owner, do="transfer_licence", licence_id=bought.id, to="account:ada"
        )
        with pytest.raises(ContractError, match="covers 1 more uses, not 2"):
            await trade(platform, "v", do="use_licence", licence_id=bought.id, count=2)

    on(tmp_path / "home", story)


def test_saved_energy_is_claimed_accepted_offered_and_sold(tmp_path: Path) -> None:
    async def story(platform: Platform) -> None:
        await fund(platform)
        claim = await trade(
            platform, "c", do="claim_saving", evidence_sha256=EVIDENCE, saved_kwh="12.5", bond_ceu="1",
            reviewer="treasury", deadline=LATER,
        )  # fmt: skip
        with pytest.raises(ContractError, match="may not do this"):
            await trade(platform, "d", do="decide_saving", claim_id=claim.id, accept=True)
        owner = Principal("local-operator", frozenset({"*"}))
        await trade(platform, "d", principal=owner, do="decide_saving", claim_id=claim.id, accept=True)
        offered = await trade(
            platform, "o", do="offer", asset="SAVING", amount="12.5", price_ceu="30",
            evidence_sha256=EVIDENCE, expires=LATER,
        )  # fmt: skip
        (offer,) = (await call(platform, "economy_read", what="offers")).offers
        assert (offer.offer_id, offer.evidence_sha256, offer.amount) == (offered.id, EVIDENCE, "12.500000")
        await trade(platform, "b", principal=owner, do="buy", offer_id=offered.id, most_ceu="30")
        assert (await call(platform, "economy_read", asset="SAVING")).balance == "12.500000"
        assert (await call(platform, "economy_read", what="offers")).offers == []

    on(tmp_path / "home", story)


def test_a_proof_from_the_verb_holds_and_a_changed_one_does_not(tmp_path: Path) -> None:
    async def story(platform: Platform) -> None:
        with pytest.raises(InvalidArgumentsError, match="no transaction yet"):
            await call(platform, "economy_read", what="proof")
        await open_pool(platform)
        old = (await call(platform, "economy_read", what="proof")).proof
        await trade(platform, "s", do="swap", pool="CEU-MUNT", sell="CEU", give="1", least="0.1")
        proof = (await call(platform, "economy_read", what="proof", sequence=2, since=old.size)).proof
        path = [bytes.fromhex(node) for node in proof.path]
        root, leaf = bytes.fromhex(proof.root), leaf_of(proof.transaction_hash)
        assert verify_inclusion(1, proof.size, leaf, path, root)
        assert not verify_inclusion(2, proof.size, leaf, path, root)
        growth = [bytes.fromhex(node) for node in proof.growth_path]
        assert verify_consistency(old.size, proof.size, growth, bytes.fromhex(old.root), root)

    on(tmp_path / "home", story)


def test_prices_are_told_once_and_after_every_trade(tmp_path: Path) -> None:
    async def story(platform: Platform) -> None:
        await open_pool(platform)
        told = prices(platform, "CEU-MUNT")
        async with asyncio.timeout(30):
            first = await anext(told)
            waiting = asyncio.ensure_future(anext(told))
            await trade(platform, "s", do="swap", pool="CEU-MUNT", sell="CEU", give="10", least="0.1")
            second = await waiting
        await told.aclose()
        assert (first.ceu, second.ceu) == ("100.000000", "110.000000")
        ended = [item async for item in prices(platform, "CEU-MUNT", ended=lambda: True)]
        assert ended == []

    on(tmp_path / "home", story)


@pytest.mark.parametrize("amount", ["0", "-1", "1e3", "1.1234567", "nan", "", "٣"])
def test_what_is_no_amount_is_refused(amount: str, tmp_path: Path) -> None:
    async def story(platform: Platform) -> None:
        await open_pool(platform)
        with pytest.raises(InvalidArgumentsError):
            await trade(platform, "s", do="swap", pool="CEU-MUNT", sell="CEU", give=amount, least="0.1")

    on(tmp_path / "home", story)
