"""Certificates with the fifth check and with the device's own chain."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from industriverse.eil.proof import (
    Challenge,
    ChallengeUndecidedError,
    CheckName,
    EquilibriumReference,
    EvidenceMismatchError,
    InconsistentCertificateError,
    NotInEquilibriumError,
    ProofError,
    SourceChain,
    SourceChainError,
    SourceSigner,
    Watermark,
    WatermarkError,
    WatermarkModel,
    prove,
    public_key_pem,
    recheck_freshness,
    recheck_source,
    verify_certificate,
    window_bytes,
)
from industriverse.eil.proof.envelope import seal
from industriverse.signals import Frame
from proof.actuated import NONCE, VALVE, challenge_of, commissioned, marked, watermark
from proof.irreversible import SECOND

ALPHA = 0.05
ROWS = 128
KEY = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
PEM = public_key_pem(KEY)
DEVICE = Ed25519PrivateKey.from_private_bytes(b"\x08" * 32)


@dataclass(frozen=True)
class Plant:
    """Reference, response and one calm live window of the simulated tank."""

    reference: EquilibriumReference
    model: WatermarkModel
    window: Frame

    def issue(self, window: Frame, mark: Watermark | None, **options: Any) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "stream": "tank", "alpha": ALPHA, "nonce": None, "previous_digest": None, "signing_key": KEY,
            "clock": lambda: 10**9 * SECOND, "watermark": mark,
        }  # fmt: skip
        return prove(window, self.reference, **(arguments | options))


@pytest.fixture(scope="module")
def plant() -> Plant:
    clean = marked(challenge_of(b"commissioning"), 12_000, seed=21)
    reference = EquilibriumReference.fit(clean, window=ROWS)
    windows = (marked(challenge_of(), ROWS, seed=seed) for seed in range(30, 60))
    calm = next(w for w in windows if all(r.p_value > 0.05 for r in reference.check(w)))
    return Plant(reference, commissioned(), calm)


@pytest.fixture(scope="module")
def envelope(plant: Plant) -> dict[str, Any]:
    return plant.issue(plant.window, watermark(plant.model))


def resigned(envelope: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    statement = json.loads(base64.b64decode(envelope["payload"]))
    change(statement["predicate"])
    return seal(rfc8785.dumps(statement), KEY)


def test_under_a_challenge_five_checks_run_and_none_is_left_out(envelope: dict[str, Any]) -> None:
    verified = verify_certificate(envelope, PEM, nonce=NONCE)
    predicate = verified.predicate
    assert [check.name for check in predicate.checks] == list(CheckName)
    assert predicate.checks_run == 5
    assert predicate.bonferroni_threshold == pytest.approx(ALPHA / 5)
    assert predicate.could_not_run == []
    assert predicate.freshness is not None
    assert predicate.freshness.replay_p_value <= ALPHA / 5
    assert predicate.freshness.answering_channels == ["sensor-0", "sensor-1"]
    assert "a forger who knew the challenge" in predicate.limitation
    assert "challenge on valve, 2.00% of its range" in verified.summary()


def test_without_a_challenge_four_checks_run_and_the_payload_has_no_trace_of_a_fifth(plant: Plant) -> None:
    issued = plant.issue(plant.window, None)
    predicate = verify_certificate(issued, PEM).predicate
    fields = json.loads(base64.b64decode(issued["payload"]))["predicate"]
    assert predicate.checks_run == 4
    assert [skipped.name for skipped in predicate.could_not_run] == [CheckName.FRESHNESS]
    assert not {"freshness", "source"} & set(fields)


def test_a_replay_of_clean_marked_data_gets_no_certificate(plant: Plant) -> None:
    with pytest.raises(NotInEquilibriumError) as refusal:
        plant.issue(plant.window, watermark(plant.model, b"a new challenge"))
    assert [name for name, _ in refusal.value.failing] == ["freshness"]


def test_a_window_from_before_its_challenge_gets_no_certificate(plant: Plant) -> None:
    with pytest.raises(WatermarkError, match="starts before its challenge"):
        plant.issue(plant.window, watermark(plant.model, start_s=ROWS // 2))


def test_a_challenge_too_faint_to_decide_gives_no_certificate() -> None:
    faint = replace(VALVE, share=0.006)
    session = challenge_of(b"commissioning", actuator=faint)
    run = marked(session, 12_000, seed=22)
    reference, model = EquilibriumReference.fit(run, window=32), WatermarkModel.fit(run, session)
    calm = Plant(reference, model, run.rows(0, 32))
    undecided = 0
    for number in range(30):
        challenge = challenge_of(b"faint %06d" % number, actuator=faint)
        window = marked(challenge, 32, seed=number)
        fresh = model.check(window, challenge)
        if fresh.p_value > ALPHA / 5 < fresh.replay_p_value and all(
            result.p_value > ALPHA / 5 for result in reference.check(window)
        ):
            undecided += 1
            with pytest.raises(ChallengeUndecidedError, match="prove a longer window"):
                calm.issue(window, Watermark(model, challenge))
    assert undecided >= 10
    assert model.samples_needed(ALPHA / 5) > 32


def test_the_nonce_of_the_certificate_is_the_one_of_the_challenge(plant: Plant) -> None:
    with pytest.raises(WatermarkError, match="one nonce and the actuator another"):
        plant.issue(plant.window, watermark(plant.model), nonce=b"something else")


def test_every_number_of_freshness_is_held_to_the_others(envelope: dict[str, Any]) -> None:
    for field in ("correlation", "replay_spread", "replay_p_value"):

        def shift(predicate: dict[str, Any], field: str = field) -> None:
            predicate["freshness"][field] *= 0.9

        with pytest.raises(InconsistentCertificateError, match=r"(do not follow|limitation)"):
            verify_certificate(resigned(envelope, shift), PEM)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.pop("freshness"), "without the record"),
        (lambda p: p.update(nonce=None), "nonce of a challenge"),
        (lambda p: p["freshness"].update(correlation=0.0), "do not follow"),
        (lambda p: p["freshness"].update(gain_floor=1.0, correlation=1e-6), "do not follow"),
        (lambda p: p["freshness"].update(started="2099-01-01T00:00:00.000000000Z"), "after the window"),
        (lambda p: p["freshness"].update(answering_channels=["sensor-9"]), "does not have"),
        (lambda p: p["checks"].pop(), "not the five checks"),
    ],
)
def test_a_signed_contradiction_about_freshness_is_refused(
    change: Callable[[dict[str, Any]], None], message: str, envelope: dict[str, Any]
) -> None:
    with pytest.raises(InconsistentCertificateError, match=message):
        verify_certificate(resigned(envelope, change), PEM)


def test_a_consistent_record_of_an_undecided_challenge_is_refused(envelope: dict[str, Any]) -> None:
    def weaken(predicate: dict[str, Any]) -> None:
        record = predicate["freshness"]
        record.update(correlation=0.0, expected_correlation=0.0, replay_p_value=1.0)
        predicate["checks"][4].update(p_value=1.0)

    with pytest.raises(InconsistentCertificateError, match="does not tell an answer from a replay"):
        verify_certificate(resigned(envelope, weaken), PEM)


def test_freshness_recorded_beside_four_checks_is_a_contradiction(
    envelope: dict[str, Any], plant: Plant
) -> None:
    record = json.loads(base64.b64decode(envelope["payload"]))["predicate"]["freshness"]
    forged = resigned(plant.issue(plant.window, None), lambda p: p.update(freshness=record))
    with pytest.raises(InconsistentCertificateError, match="not listed as run"):
        verify_certificate(forged, PEM)


def test_whoever_shares_the_secret_can_repeat_the_test_on_the_evidence(
    envelope: dict[str, Any], plant: Plant
) -> None:
    verified = verify_certificate(envelope, PEM)
    evidence = window_bytes(plant.window)
    recheck_freshness(verified, evidence, watermark(plant.model))
    with pytest.raises(WatermarkError, match="another nonce"):
        recheck_freshness(verified, evidence, watermark(plant.model, b"another nonce"))
    guessed = Challenge(challenge_of().actuator, NONCE, 0, 1.0, bytes(32))
    with pytest.raises(WatermarkError, match="does not repeat: session_key_sha256"):
        recheck_freshness(verified, evidence, Watermark(plant.model, guessed))
    other = window_bytes(marked(challenge_of(), ROWS, seed=77))
    with pytest.raises(EvidenceMismatchError):
        recheck_freshness(verified, other, watermark(plant.model))
    plain = verify_certificate(plant.issue(plant.window, None), PEM)
    with pytest.raises(WatermarkError, match="records no challenge"):
        recheck_freshness(plain, evidence, watermark(plant.model))


def test_the_head_of_the_device_chain_is_in_the_certificate(plant: Plant) -> None:
    signer = SourceSigner("tank", DEVICE)
    blocks = [signer.sign(plant.window.rows(32 * i, 32 * i + 32)) for i in range(4)]
    chain = SourceChain(blocks, public_key_pem(DEVICE))
    verified = verify_certificate(plant.issue(plant.window, watermark(plant.model), source=chain), PEM)
    assert verified.predicate.source is not None
    assert verified.predicate.source.head_sha256 == blocks[-1].digest
    assert "source chain: blocks 0 to 3" in verified.summary()
    recheck_source(verified, window_bytes(plant.window), chain)
    longer = [*blocks, signer.sign(marked(challenge_of(), 32, seed=78, first=ROWS))]
    with pytest.raises(SourceChainError, match="not the one in the certificate"):
        recheck_source(verified, window_bytes(plant.window), SourceChain(longer, public_key_pem(DEVICE)))


def test_a_window_that_the_device_did_not_sign_gets_no_certificate(plant: Plant) -> None:
    signer = SourceSigner("tank", DEVICE)
    other = marked(challenge_of(), ROWS, seed=79)
    chain = SourceChain([signer.sign(other)], public_key_pem(DEVICE))
    with pytest.raises(SourceChainError, match=r"block 0 .* not the window's"):
        plant.issue(plant.window, None, source=chain)
    with pytest.raises(ProofError, match="signed stream 'tank'"):
        plant.issue(other, None, source=chain, stream="tank-2")


def test_a_source_chain_that_ends_before_it_starts_is_a_contradiction(plant: Plant) -> None:
    chain = SourceChain([SourceSigner("tank", DEVICE).sign(plant.window)], public_key_pem(DEVICE))
    issued = plant.issue(plant.window, None, source=chain)
    forged = resigned(issued, lambda p: p["source"].update(first_sequence=3))
    with pytest.raises(InconsistentCertificateError, match="ends before it starts"):
        verify_certificate(forged, PEM)
