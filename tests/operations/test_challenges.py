"""The keyed challenge from the actuator to the certificate: live data pass, a replay through the gateway does not."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from industriverse.eil.proof.errors import ChainMismatchError, ChallengeError, NotInEquilibriumError
from industriverse.eil.proof.verify import verify_chain
from industriverse.operations.errors import NotFoundError, OperationError
from industriverse.operations.platform import Platform
from industriverse.operations.times import time_text
from industriverse.signals import Frame
from prepared_plant import call, opened

SITE, ROOM = "site", "control-room"
COMMISSIONING_HOURS = 24 * 11
DAY = 96
"""Samples of a day, which is the window of a proof."""
DAY_NS = 86_400 * 1_000_000_000
DELIVERED = ("tank-3.level", "tank-3.outflow", "pump-10.flow", "pump-10.power", "junction-15.pressure")


async def run(platform: Platform, until_hours: float) -> Frame:
    """Run the plant on; what its instruments showed meanwhile."""
    store = platform.services.streams.store
    before = store.count(SITE) if SITE in store.names() else 0
    create = {"seed": 11, "interval_s": 900}
    await call(platform, "sim_run", plant_id=SITE, until_hours=until_hours, create=create)
    whole = store.frame(SITE).rows(before)
    columns = [whole.names.index(name) for name in DELIVERED]
    return Frame(whole.timestamps_ns, whole.values[:, columns], tuple(whole.channels[c] for c in columns))


async def deliver(platform: Platform, frame: Frame) -> None:
    """What the gateway between the plant and the control room sends on."""
    channels = [{"name": c.name, "unit": c.unit, "entity": c.entity} for c in frame.channels]
    times = [time_text(int(ns)) for ns in frame.timestamps_ns]
    for first in range(0, len(frame), 400):
        last = first + 400
        rows = frame.values[first:last].tolist()
        await call(
            platform, "telemetry_ingest", stream=ROOM, channels=channels, times=times[first:last], values=rows
        )


async def story(platform: Platform) -> Frame:
    """Commission the lake pump, learn how the plant answers, and challenge it for a day and an hour."""
    await run(platform, 0.25)
    on: Any = {"plant_id": SITE, "stream": ROOM}
    await call(platform, "eil_challenge", change="commission", nonce="0011223344556677", **on)
    recorded = await run(platform, COMMISSIONING_HOURS)
    await deliver(platform, recorded)
    learned = await call(platform, "eil_challenge", change="learn", **on)
    assert learned.gain > 0.7
    assert learned.samples_needed <= DAY
    await call(platform, "signal_compile", stream=ROOM, budget_per_day=1.0)
    begun = await call(
        platform, "eil_challenge", change="begin", nonce="00112233445566778899aabbccddeeff", **on
    )
    assert begun.state == "challenged"
    await deliver(platform, await run(platform, COMMISSIONING_HOURS + 25))
    return recorded


@pytest.fixture(scope="module")
def challenged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, Frame]]:
    """A platform whose plant answers a challenge, and what a forger could have recorded before."""
    home = tmp_path_factory.mktemp("challenged") / "home"
    # One secret in every run: calm windows are refused once in twenty, by chance, and this one shall not be.
    (home / "keys").mkdir(parents=True)
    (home / "keys" / "server-secret").write_bytes(bytes(range(32)))
    with opened(home) as platform:
        yield platform, asyncio.run(story(platform))


def prove(platform: Platform, **arguments: Any) -> Any:
    return asyncio.run(call(platform, "eil_prove", stream=ROOM, **arguments))


def test_live_telemetry_gets_five_checks_and_a_replay_through_the_gateway_is_convicted_by_the_fifth_alone(
    challenged: tuple[Platform, Frame],
) -> None:
    platform, recorded = challenged
    live = prove(platform, alpha=0.02)
    assert live.could_not_run == {}
    assert live.p_values["freshness"] > 0.01
    assert "pump-10.power" in live.answering_channels
    state = asyncio.run(call(platform, "eil_challenge", plant_id=SITE))
    assert 30 < state.settings_sent < 70
    assert state.lost_share == 0.0

    async def replay() -> None:
        genuine = await run(platform, COMMISSIONING_HOURS + 49.25)
        # The forger plays a calm day of the commissioning at the same hours of the day.
        first = next(
            row
            for row in range(5 * DAY, 6 * DAY)
            if (genuine.timestamps_ns[0] - recorded.timestamps_ns[row]) % DAY_NS == 0
        )
        rows = recorded.rows(first, first + len(genuine))
        await deliver(platform, replace(rows, timestamps_ns=genuine.timestamps_ns))

    asyncio.run(replay())
    with pytest.raises(NotInEquilibriumError) as refusal:
        prove(platform, alpha=0.02)
    assert [name for name, _ in refusal.value.failing] == ["freshness"]


def test_a_gap_or_another_order_in_the_chain_of_certificates_is_convicted(
    challenged: tuple[Platform, Frame],
) -> None:
    platform, _ = challenged
    store = platform.services.certificates
    end = 1_767_571_200_000_000_000 + (COMMISSIONING_HOURS + 25) * 3_600_000_000_000
    for back in (3, 2, 1):
        prove(platform, at=time_text(end - back * 900_000_000_000), alpha=0.02)
    whole = asyncio.run(call(platform, "eil_certificates", stream=ROOM))
    assert len(whole.certificates) >= 3
    verify_chain([store.find(item.id).envelope for item in whole.certificates], store.public_key)
    (path,) = store._paths.certificates.glob("*.chain")
    ids = path.read_text().split()
    for damaged in (ids[:1] + ids[2:], [*ids[:-2], ids[-1], ids[-2]], ids[1:], [*ids, ids[0]]):
        path.write_text("\n".join(damaged))
        with pytest.raises(ChainMismatchError):
            asyncio.run(call(platform, "eil_certificates", stream=ROOM))
    path.write_text("\n".join(ids))
    hidden: Path = store._certificate_path(ids[-2])
    content = hidden.read_bytes()
    hidden.unlink()
    with pytest.raises(ChainMismatchError, match="gone"):
        prove(platform, at=time_text(end), alpha=0.03)
    hidden.write_bytes(content)


def test_a_challenge_that_cannot_be_is_refused_with_what_can(challenged: tuple[Platform, Frame]) -> None:
    platform, _ = challenged

    async def ask(**arguments: Any) -> Any:
        return await call(platform, "eil_challenge", **{"plant_id": SITE, "stream": ROOM, **arguments})

    async def refusals() -> None:
        before = await ask()
        with pytest.raises(OperationError, match="was used before"):
            await ask(change="begin", nonce=before.nonce)
        with pytest.raises(ChallengeError, match="may repeat"):
            await ask(change="begin", nonce="00ff")
        with pytest.raises(OperationError, match="not hexadecimal"):
            await ask(change="begin", nonce="no")
        with pytest.raises(NotFoundError, match="not continuous"):
            await ask(change="begin", actuator="pump-335")
        with pytest.raises(OperationError, match="answers pump-10 is not known"):
            await ask(change="begin", stream=SITE)
        with pytest.raises(NotFoundError):
            await call(platform, "eil_challenge", plant_id="nowhere")
        assert await ask() == before

    asyncio.run(refusals())


def test_after_its_end_the_actuator_is_given_back_and_a_window_half_under_it_is_refused(
    challenged: tuple[Platform, Frame],
) -> None:
    platform, _ = challenged

    async def end() -> None:
        ended = await call(platform, "eil_challenge", plant_id=SITE, change="end")
        assert ended.state == "off"
        assert platform.services.plants.find(SITE).active_commands() == ()
        await deliver(platform, await run(platform, COMMISSIONING_HOURS + 60))

    asyncio.run(end())
    with pytest.raises(OperationError, match="began or ended inside the window"):
        prove(platform)
