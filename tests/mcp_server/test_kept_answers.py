"""Kept answers are never older than what anybody wrote before the question, and carry the ETag of what they say."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from pydantic import BaseModel

from industriverse.mcp_server.composition import compose
from industriverse.operations import kept_reads
from industriverse.operations.home import Home
from industriverse.operations.kept_reads import KeptReads
from industriverse.operations.platform import Platform
from prepared_plant import PLANT, Prepared, call, opened
from web_server import served

WRITER = """
import sys
from pathlib import Path
from industriverse.shield.triage import TriageStore
store = TriageStore(Path(sys.argv[1]))
for line in sys.stdin:
    incident, who = line.split()
    store.assign(incident, who, who="another process", at_ns=1)
    print("written", flush=True)
"""


@contextmanager
def another_process(shield: Path) -> Iterator[Any]:
    """A process that gives an incident to somebody, told which by a line; it answers once that is committed."""
    words = [sys.executable, "-c", WRITER, str(shield)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        sent, heard = process.stdin, process.stdout

        def assign(incident: str, who: str) -> None:
            sent.write(f"{incident} {who}\n")
            sent.flush()
            assert heard.readline() == "written\n"

        yield assign
        sent.close()


def test_what_another_process_wrote_is_in_the_very_next_answer(alarmed: Path, story: Prepared) -> None:
    envelope = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": "shield_threats", "arguments": {"open_only": True}, "_meta": envelope}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = {
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "shield_threats",
    }
    with (
        served(alarmed) as url,
        httpx.Client(base_url=url, timeout=60) as client,
        another_process(alarmed / "shield.sqlite") as assign,
    ):
        tags: set[str] = set()
        for number in range(25):
            name = f"person-{number}"
            assign(story.incident_id, name)
            by_mcp = client.post("/mcp", json=body, headers=headers).json()["result"]["structuredContent"]
            by_rest = client.get("/v1/shield/threats", params={"open_only": "true"})
            assert by_mcp["incidents"][0]["assignee"] == name
            assert by_rest.json() == by_mcp
            tag = by_rest.headers["etag"]
            assert tag not in tags
            known = {"if-none-match": ", ".join([tag, *tags])}
            same = client.get("/v1/shield/threats", params={"open_only": "true"}, headers=known)
            assert (same.status_code, same.headers["etag"]) == (304, tag)
            tags.add(tag)


def test_an_answer_ends_with_the_suppression_that_is_in_it(alarmed: Path, story: Prepared) -> None:
    now = [time.time_ns()]

    async def suppressed(platform: Platform) -> bool:
        return bool((await call(platform, "shield_threats")).incidents[0].suppressed)

    async def tale(platform: Platform) -> None:
        begin, end = now[0], now[0] + 3600 * 10**9
        assert not await suppressed(platform)
        await platform.run(
            lambda: platform.services.triage.suppress(
                PLANT, reason="a test", until_ns=end, who="somebody", at_ns=begin
            )
        )
        for moment, wanted in (
            (begin, True),
            (end - 1, True),
            (end, False),
            (end + 1, False),
            (begin, True),
            (begin - 1, False),
        ):
            now[0] = moment
            assert [await suppressed(platform) for _ in range(2)] == [wanted, wanted], moment - begin

    with Home(alarmed) as home, compose(home, clock=lambda: now[0]) as platform:
        asyncio.run(tale(platform))


def test_a_regime_is_read_anew_after_samples_and_after_learning(learned: Path) -> None:
    reads = []

    async def regime(platform: Platform) -> Any:
        told = [await call(platform, "eil_regime", stream=PLANT) for _ in range(3)]
        assert told[0] == told[1] == told[2]
        return told[0]

    async def tale(platform: Platform) -> None:
        through = platform.run

        async def counted(function: Any, *arguments: Any, **named: Any) -> Any:
            reads.append(function)
            return await through(function, *arguments, **named)

        await call(platform, "sim_run", plant_id=PLANT, until_hours=24.0 * 30 + 2)
        first = await regime(platform)
        platform.run = counted  # type: ignore[method-assign]
        assert await regime(platform) == first
        assert not reads
        await call(platform, "sim_run", plant_id=PLANT, until_hours=24.0 * 30 + 4)
        second = await regime(platform)
        assert second.time > first.time
        # Straight to the services, as no operation does: nothing tells the platform of it.
        await through(platform.services.streams.learn, PLANT, 24 * 4 * 20, 0.5)
        relearned = await regime(platform)
        assert relearned.promised_false_tickets_per_day > second.promised_false_tickets_per_day

    with opened(learned) as platform:
        asyncio.run(tale(platform))


def test_no_more_is_kept_than_there_is_room_for() -> None:
    class Answer(BaseModel):
        number: int

    async def tale() -> None:
        before = len(kept_reads._documents)
        kept = KeptReads(lambda: 1, lambda: 0)
        for number in range(400):

            async def read(number: int = number) -> Answer:
                return Answer(number=number)

            answer = await kept.get(number, Answer, read)
            assert json.loads(kept_reads.document_of(answer)) == {"number": number}
        assert len(kept_reads._documents) - before == 256
        kept.forget_all()
        assert len(kept_reads._documents) == before

    asyncio.run(tale())
