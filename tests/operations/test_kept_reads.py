"""Answers kept until their store changes: never older than what was committed before the question."""

import asyncio
from pathlib import Path

import pytest
from pydantic import BaseModel

from industriverse.economy.ledger import Ledger
from industriverse.economy.money import Asset
from industriverse.operations.kept_reads import KeptReads
from industriverse.operations.platform import Platform
from industriverse.operations.toolsets import load
from industriverse.storage import CommitWatch
from prepared_plant import call, opened

load()


class Answer(BaseModel):
    number: int


def test_a_commit_of_anyone_changes_the_version_and_nothing_else_does(tmp_path: Path) -> None:
    watch = CommitWatch(tmp_path / "ledger.sqlite")
    assert watch.version() is None
    with Ledger(tmp_path / "ledger.sqlite") as ledger, Ledger(tmp_path / "ledger.sqlite") as other:
        before = watch.version()
        assert before is not None
        assert other.balance("treasury", Asset.CEU) == 0
        assert watch.version() == before
        for number, writer in enumerate((ledger, other)):
            writer.issue(key=f"k{number}", asset=Asset.CEU, account="treasury", amount=1)
            assert watch.version() != before
            before = watch.version()
            assert watch.version() == before
    watch.close()


def test_what_changed_while_it_was_read_is_not_filed_under_the_later_version() -> None:
    version, reads = [1], list[int]()
    kept = KeptReads(lambda: version[0], lambda: 0)

    async def read() -> Answer:
        reads.append(len(reads))
        return Answer(number=len(reads))

    async def read_late() -> Answer:
        version[0] = 2
        assert (await kept.get("other", Answer, read)).number == 1
        return Answer(number=-1)

    async def tale() -> None:
        assert (await kept.get("key", Answer, read_late)).number == -1
        assert (await kept.get("key", Answer, read)).number == 2
        assert (await kept.get("key", Answer, read)).number == 2
        assert (await kept.get("other", Answer, read)).number == 1

    asyncio.run(tale())
    assert len(reads) == 2


def test_books_in_a_database_are_not_kept_by_the_file_that_they_were_in_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path / "home") as platform:
        with Ledger(platform.home.paths.ledger) as ledger:
            ledger.issue(key="k", asset=Asset.CEU, account="treasury", amount=1)
        monkeypatch.setenv("INDUSTRIVERSE_LEDGER", "postgresql://nowhere/books")
        balances = []

        async def read() -> Answer:
            balances.append(1)
            return Answer(number=len(balances))

        async def tale() -> list[int]:
            return [(await platform.ledger_reads.get("key", Answer, read)).number for _ in range(3)]

        assert asyncio.run(tale()) == [1, 2, 3]


def test_without_a_version_every_question_is_read_anew() -> None:
    kept, reads = KeptReads(lambda: None, lambda: 0), list[int]()

    async def read() -> Answer:
        reads.append(1)
        return Answer(number=len(reads))

    async def tale() -> None:
        assert [(await kept.get("key", Answer, read)).number for _ in range(3)] == [1, 2, 3]

    asyncio.run(tale())


def test_the_ledger_is_read_once_until_somebody_writes_it(tmp_path: Path) -> None:
    async def balance(platform: Platform) -> str:
        answer = await call(platform, "economy_read", asset="CEU", account="somebody")
        return str(answer.model_dump()["balance"])

    with opened(tmp_path / "home") as platform:
        runs = []
        through = platform.run

        async def counted(*arguments: object) -> object:
            runs.append(arguments)
            return await through(*arguments)  # type: ignore[arg-type]

        async def tale() -> None:
            # The ledger's file comes into being with the first read.
            await balance(platform)
            await asyncio.to_thread(platform.meter.book)
            platform.run = counted  # type: ignore[method-assign, assignment]
            with Ledger(platform.home.paths.ledger) as outside:
                for number in range(1, 4):
                    outside.issue(key=f"k{number}", asset=Asset.CEU, account="somebody", amount=10**6)
                    before = len(runs)
                    told = [await balance(platform) for _ in range(3)]
                    assert {float(text) for text in told} == {float(number)}
                    assert len(runs) - before <= 2

        asyncio.run(tale())
