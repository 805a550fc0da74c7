"""Certificates and tokens: one a window, refused once altered, minted once."""

import functools
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from industriverse.cli.main import main
from industriverse.economy.errors import EconomyError, QueueError, ReplayedProofError
from industriverse.eil.proof.errors import ProofError
from industriverse.operations.context import LOCAL_OPERATOR, Principal
from industriverse.operations.errors import (
    InvalidArgumentsError,
    NotAllowedError,
    NotFoundError,
    OperationError,
)
from industriverse.operations.platform import Platform
from industriverse.operations.times import time_text
from prepared_plant import CLEAN_HOURS, PLANT, Prepared, call, on
from wandering_telemetry import wandering

START_NS = 1_767_571_200_000_000_000
HOUR_NS = 3_600_000_000_000


def at_hour(hours: float) -> str:
    """Time of the sample that ends at a simulated hour."""
    return time_text(START_NS + round(hours * HOUR_NS) - HOUR_NS // 4)


async def two_days_on(platform: Platform) -> None:
    """Run the calm plant on, but not until the intruder comes."""
    await call(platform, "sim_run", plant_id=PLANT, until_hours=CLEAN_HOURS + 32)


async def prove(platform: Platform, hours: float = CLEAN_HOURS + 26, **arguments: Any) -> Any:
    return await call(platform, "eil_prove", stream=PLANT, at=at_hour(hours), **arguments)


def alter(path: Path) -> None:
    """Change one character inside the signed payload."""
    envelope = json.loads(path.read_text())
    payload = envelope["payload"]
    middle = len(payload) // 2
    envelope["payload"] = payload[:middle] + ("A" if payload[middle] != "A" else "B") + payload[middle + 1 :]
    path.write_text(json.dumps(envelope))


def test_the_same_window_gives_the_same_certificate_also_after_a_restart(learned: Path) -> None:
    async def first(platform: Platform) -> tuple[str, str]:
        await two_days_on(platform)
        proof = await prove(platform)
        assert await prove(platform) == proof
        return proof.certificate_id, Path(proof.certificate_file).read_text()

    async def second(platform: Platform) -> None:
        assert (await prove(platform)).certificate_id == known[0]

    known = on(learned, first)
    on(learned, second)
    assert len(list((learned / "certificates").glob("*.json"))) == 1


def test_another_alpha_or_a_challenge_is_another_certificate(learned: Path) -> None:
    async def tale(platform: Platform) -> None:
        await two_days_on(platform)
        proofs = [
            await prove(platform),
            await prove(platform, alpha=0.02),
            await prove(platform, nonce="00ff"),
        ]
        assert len({proof.certificate_id for proof in proofs}) == 3
        assert len({proof.evidence_sha256 for proof in proofs}) == 1
        assert (await prove(platform, nonce="00ff")).certificate_id == proofs[2].certificate_id

    on(learned, tale)


def test_certificates_of_a_stream_form_a_chain(learned: Path) -> None:
    async def tale(platform: Platform) -> None:
        await two_days_on(platform)
        ids = [(await prove(platform, CLEAN_HOURS + hours)).certificate_id for hours in (25, 27, 29)]
        issued = [platform.services.certificates.find(certificate_id) for certificate_id in ids]
        assert [entry.verified.predicate.previous_sha256 for entry in issued] == [None, *ids[:-1]]
        assert list(platform.services.certificates.of_stream(PLANT)) == ids

    on(learned, tale)


def test_a_window_of_the_clean_rows_proves_nothing_and_is_refused(learned: Path) -> None:
    async def tale(platform: Platform) -> None:
        await two_days_on(platform)
        with pytest.raises(OperationError, match="reaches into the clean rows"):
            await prove(platform, CLEAN_HOURS + 12)

    on(learned, tale)


def test_a_disturbed_window_gets_no_certificate_and_leaves_none(alarmed: Path, story: Prepared) -> None:
    async def tale(platform: Platform) -> None:
        await call(platform, "sim_run", plant_id=PLANT, until_hours=story.alarm_hours + 30)
        with pytest.raises(ProofError, match=r"no certificate for stream 'practice': .*p = "):
            await call(platform, "eil_prove", stream=PLANT)

    on(alarmed, tale)
    assert list((alarmed / "certificates").glob("*.json")) == []


def test_a_proof_from_too_few_clean_rows_is_refused_with_the_number_needed(tmp_path: Path) -> None:
    async def tale(platform: Platform) -> None:
        await platform.run(lambda: platform.services.streams.ingest("s", wandering(400)))
        compiled = await call(platform, "signal_compile", stream="s", clean_rows=300)
        assert "512 are needed" in compiled.note
        with pytest.raises(OperationError, match=r"300 clean samples are too few .*512 are needed"):
            await call(platform, "eil_prove", stream="s")

    on(tmp_path / "home", tale)


@pytest.mark.parametrize("damage", [alter, lambda p: p.write_text("{"), lambda p: p.write_bytes(b"\xff\x00")])
def test_a_damaged_certificate_is_refused_everywhere(damage: Callable[[Path], object], learned: Path) -> None:
    async def tale(platform: Platform) -> None:
        await two_days_on(platform)
        proof = await prove(platform)
        damage(Path(proof.certificate_file))
        for attempt in (
            prove(platform),
            call(platform, "economy_mint", certificate_id=proof.certificate_id),
            call(platform, "economy_read", certificate_id=proof.certificate_id),
        ):
            with pytest.raises(ProofError):
                await attempt
        assert (await call(platform, "economy_read")).supply == "0.000000"

    on(learned, tale)


def test_a_certificate_under_the_name_of_another_is_refused(learned: Path) -> None:
    async def tale(platform: Platform) -> None:
        await two_days_on(platform)
        one, other = await prove(platform, CLEAN_HOURS + 25), await prove(platform, CLEAN_HOURS + 27)
        Path(one.certificate_file).write_bytes(Path(other.certificate_file).read_bytes())
        with pytest.raises(ProofError, match="holds another certificate"):
            await call(platform, "economy_mint", certificate_id=one.certificate_id)

    on(learned, tale)


def test_only_who_had_the_window_certified_first_may_mint_and_is_paid(learned: Path) -> None:
    ada, bo = (Principal(name, frozenset({"mint", "prove"})) for name in ("ada", "bo"))

    async def story(platform: Platform) -> None:
        await two_days_on(platform)
        proof = await prove(platform, caller=ada)
        # Another's is the same certificate, and one at another level is one for the same window.
        others = [await prove(platform, caller=bo), await prove(platform, caller=bo, alpha=0.02)]
        assert others[0] == proof
        for caller, certificate in itertools.product((bo, LOCAL_OPERATOR), (proof, others[1])):
            with pytest.raises(NotAllowedError, match="certified for another caller first"):
                await call(platform, "economy_mint", caller=caller, certificate_id=certificate.certificate_id)
        minted = await call(platform, "economy_mint", caller=ada, certificate_id=proof.certificate_id)
        assert minted.account == "account:ada"
        assert float(minted.balance_pft) == float(minted.amount_pft) > 0
        assert (await call(platform, "economy_read", asset="PFT")).balance == "0.000000"

    on(learned, story)


def test_the_second_mint_of_a_certificate_is_refused_also_after_a_restart(learned: Path) -> None:
    async def first(platform: Platform) -> str:
        await two_days_on(platform)
        proof = await prove(platform)
        assert (
            await call(platform, "economy_read", certificate_id=proof.certificate_id)
        ).balance == "0.000000"
        minted = await call(platform, "economy_mint", certificate_id=proof.certificate_id)
        assert float(minted.amount_pft) > 0
        with pytest.raises(ReplayedProofError):
            await call(platform, "economy_mint", certificate_id=proof.certificate_id)
        again = await prove(platform, alpha=0.02)
        with pytest.raises(ReplayedProofError):
            await call(platform, "economy_mint", certificate_id=again.certificate_id)
        return str(proof.certificate_id)

    async def second(platform: Platform) -> None:
        with pytest.raises(EconomyError):
            await call(platform, "economy_mint", certificate_id=certificate_id)
        read = await call(platform, "economy_read", certificate_id=certificate_id)
        assert read.minted_for_certificate == read.balance == read.supply
        assert len(read.entries) == 1

    certificate_id = on(learned, first)
    on(learned, second)


def test_the_same_telemetry_under_another_name_is_the_same_evidence(learned: Path) -> None:
    async def story(platform: Platform) -> None:
        await two_days_on(platform)
        streams = platform.services.streams
        seen = await platform.run(streams.store.frame, PLANT)
        await platform.run(streams.ingest, "mirror", seen)
        clean = streams.watched(PLANT).reference.clean_rows
        await call(platform, "signal_compile", stream="mirror", clean_rows=clean)
        proof = await prove(platform)
        mirrored = await call(platform, "eil_prove", stream="mirror", at=at_hour(CLEAN_HOURS + 26))
        assert mirrored.certificate_id != proof.certificate_id
        assert mirrored.evidence_sha256 == proof.evidence_sha256
        await call(platform, "economy_mint", certificate_id=mirrored.certificate_id)
        with pytest.raises(ReplayedProofError):
            await call(platform, "economy_mint", certificate_id=proof.certificate_id)

    on(learned, story)


def test_a_certificate_from_before_owners_were_noted_is_the_installations(learned: Path) -> None:
    ada = Principal("ada", frozenset({"mint", "prove"}))

    async def story(platform: Platform) -> None:
        await two_days_on(platform)
        proof = await prove(platform, caller=ada)
        (learned / "certificates" / f"{proof.evidence_sha256}.owner").unlink()
        again = await prove(platform, caller=ada, nonce="00ff")
        with pytest.raises(NotAllowedError, match="certified for another caller first"):
            await call(platform, "economy_mint", caller=ada, certificate_id=again.certificate_id)
        minted = await call(platform, "economy_mint", certificate_id=proof.certificate_id)
        assert minted.account == "treasury"

    on(learned, story)


def test_a_dead_letter_is_listed_and_taken_back_by_verb_and_by_command(learned: Path) -> None:
    ada, bo = (Principal(name, frozenset({"mint", "prove", "read"})) for name in ("ada", "bo"))
    cli = functools.partial(CliRunner().invoke, main)

    async def story(platform: Platform) -> None:
        await two_days_on(platform)
        proof, later = await prove(platform, caller=ada), await prove(platform, CLEAN_HOURS + 29, caller=ada)
        windows = [Path(found.evidence_file) for found in (proof, later)]
        kept = [path.rename(path.with_suffix(".away")) for path in windows]
        submit = {"certificate_id": proof.certificate_id, "queue": "submit", "caller": ada}
        refused = await call(platform, "economy_mint", **submit)
        assert (refused.queued.state, refused.ledger_sequence, refused.amount_pft) == (
            "dead",
            None,
            "0.000000",
        )
        assert "window of the certificate is not kept here" in str(refused)
        with pytest.raises(NotAllowedError):
            await call(platform, "economy_mint", **submit | {"caller": bo})
        await call(platform, "economy_mint", **submit | {"certificate_id": later.certificate_id})
        for caller, count in ((ada, 2), (bo, 0), (LOCAL_OPERATOR, 2)):
            listed = await call(platform, "economy_read", caller=caller, what="queue")
            assert [item.owner for item in listed.queue] == count * ["account:ada"]
        for path, window in zip(kept, windows, strict=True):
            path.rename(window)
        assert (await call(platform, "economy_mint", **submit)).queued.state == "dead"
        taken = await call(platform, "economy_mint", **submit | {"queue": "retry"})
        assert (taken.queued.state, taken.balance_pft) == ("minted", taken.amount_pft)
        with pytest.raises(QueueError, match="only dead letters"):
            await call(platform, "economy_mint", **submit | {"queue": "retry"})

    on(learned, story)
    found = json.loads(cli(["ledger", "proofs", "--home", str(learned), "--json"]).output)
    assert sorted(item["state"] for item in found) == ["dead", "minted"]
    (dead,) = (item["proof_id"] for item in found if item["state"] == "dead")
    done = cli(["ledger", "proofs", "--home", str(learned), "--retry", dead])
    # Tried once more, and told why it can never be: half of its window is that of the other.
    assert f"{dead}  dead  account:ada  1 attempts  a part of this window" in done.output, done.output


@pytest.mark.parametrize("name", ["", "x", "../../etc/passwd", "0" * 64, "f" * 5000, "²" * 64, "a\x00b"])
def test_a_certificate_that_does_not_exist_is_refused(name: str, tmp_path: Path) -> None:
    async def tale(platform: Platform) -> None:
        with pytest.raises(NotFoundError, match="no certificate"):
            await call(platform, "economy_mint", certificate_id=name)

    on(tmp_path / "home", tale)


def test_a_challenge_that_is_not_hexadecimal_is_refused(learned: Path) -> None:
    async def tale(platform: Platform) -> None:
        await two_days_on(platform)
        for nonce in ("xyz", "0"):
            with pytest.raises(InvalidArgumentsError, match="nonce"):
                await prove(platform, nonce=nonce)

    on(learned, tale)


def test_the_evidence_file_is_the_window_that_the_certificate_speaks_of(learned: Path) -> None:
    from industriverse.eil.proof.windows import frame_from_window_bytes

    async def tale(platform: Platform) -> None:
        await two_days_on(platform)
        proof = await prove(platform)
        window = frame_from_window_bytes(Path(proof.evidence_file).read_bytes())
        stored = platform.services.streams.store.frame(PLANT)
        stop = round((CLEAN_HOURS + 26) * 4)
        np.testing.assert_array_equal(window.values, stored.rows(stop - proof.samples, stop).values)

    on(learned, tale)
