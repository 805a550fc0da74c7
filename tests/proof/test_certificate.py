import base64
import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from industriverse.eil.proof import (
    ChainMismatchError,
    EquilibriumReference,
    EvidenceMismatchError,
    InconsistentCertificateError,
    KeyFileError,
    MalformedCertificateError,
    NonceMismatchError,
    NotInEquilibriumError,
    ProofError,
    ReferenceFitError,
    TamperedCertificateError,
    UnknownPredicateError,
    WrongKeyError,
    certificate_digest,
    prove,
    public_key_pem,
    verify_certificate,
    verify_chain,
    window_bytes,
)
from industriverse.eil.proof.envelope import PAYLOAD_TYPE, pre_authentication_encoding, seal
from proof.irreversible import Issuer, frame_of, simulate


@pytest.fixture(scope="session")
def envelope(issuer: Issuer) -> dict[str, Any]:
    return issuer.issue(issuer.calm[0], nonce=b"verifier says 42", previous="ab" * 32)


def payload_of(envelope: dict[str, Any]) -> dict[str, Any]:
    statement: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))
    return statement


def resign(issuer: Issuer, change: Callable[[dict[str, Any]], None], envelope: dict[str, Any]) -> Any:
    """What a dishonest issuer with the real key would sign."""
    statement = payload_of(envelope)
    change(statement)
    return seal(rfc8785.dumps(statement), issuer.key)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for key in value for leaf in leaves(value[key], (*path, key))]
    if isinstance(value, list) and value:
        return [leaf for i, item in enumerate(value) for leaf in leaves(item, (*path, i))]
    return [path]


def mutate(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value[:-1] + ("0" if value[-1:] != "0" else "1")
    return "changed"


def test_pre_authentication_encoding_matches_the_example_of_the_dsse_specification() -> None:
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pre_authentication_encoding("http://example.com/HelloWorld", b"hello world") == expected


def test_canonical_json_matches_the_example_of_rfc_8785() -> None:
    # RFC 8785 section 3.2.3: sorting by UTF-16 code units; section 3.2.2: number and string forms.
    value: dict[str, Any] = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert rfc8785.dumps(value) == expected.encode()


def test_every_issued_certificate_verifies(issuer: Issuer) -> None:
    for window in issuer.calm:
        issued = issuer.issue(window)
        verified = verify_certificate(
            json.dumps(issued).encode(), issuer.public_pem, evidence=window_bytes(window)
        )
        assert verified.predicate.consistent_with_equilibrium
        assert verified.evidence_checked
        assert not verified.nonce_checked


def test_the_certificate_states_its_limits(envelope: dict[str, Any], issuer: Issuer) -> None:
    verified = verify_certificate(envelope, issuer.public_pem)
    predicate = verified.predicate
    assert [skipped.name for skipped in predicate.could_not_run] == ["freshness"]
    assert "freshness" not in [check.name for check in predicate.checks]
    assert "alpha = 0.05 with n = 96 samples" in predicate.limitation
    assert "untampered" not in json.dumps(payload_of(envelope))
    assert predicate.bonferroni_threshold == pytest.approx(0.05 / 4)
    assert predicate.reversal_refusal_rate > 0.9
    summary = verified.summary()
    assert "freshness: could not run" in summary
    assert "evidence: not compared" in summary


def test_a_disturbed_window_gets_no_certificate(issuer: Issuer) -> None:
    reversed_window = frame_of(np.ascontiguousarray(issuer.calm[0].values[::-1]))
    with pytest.raises(NotInEquilibriumError, match="entropy_production") as refusal:
        issuer.issue(reversed_window)
    assert [name for name, _ in refusal.value.failing] == ["entropy_production"]
    assert refusal.value.failing[0][1] <= refusal.value.threshold


def test_a_reference_that_could_refuse_nothing_cannot_prove(issuer: Issuer) -> None:
    reference = EquilibriumReference.fit(frame_of(simulate(1200, seed=5)), window=96, calibration_windows=40)
    with pytest.raises(ReferenceFitError, match="cannot refuse anything at alpha"):
        prove(
            issuer.calm[0], reference, stream="s", alpha=0.01, nonce=None, previous_digest=None,
            signing_key=issuer.key, clock=lambda: 0,
        )  # fmt: skip


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, float("nan")])
def test_an_impossible_level_is_refused(issuer: Issuer, alpha: float) -> None:
    with pytest.raises(ProofError, match="is not between 0 and 1"):
        prove(
            issuer.calm[0], issuer.reference, stream="s", alpha=alpha, nonce=None, previous_digest=None,
            signing_key=issuer.key, clock=lambda: 0,
        )  # fmt: skip


def test_every_changed_field_of_the_payload_breaks_the_certificate(
    envelope: dict[str, Any], issuer: Issuer
) -> None:
    statement = payload_of(envelope)
    paths = leaves(statement)
    assert len(paths) > 50
    for path in paths:
        changed = copy.deepcopy(statement)
        holder = changed
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = mutate(holder[path[-1]])
        forged = {**envelope, "payload": base64.b64encode(rfc8785.dumps(changed)).decode()}
        with pytest.raises(TamperedCertificateError):
            verify_certificate(forged, issuer.public_pem)


def test_every_changed_byte_of_payload_and_signature_breaks_the_certificate(
    envelope: dict[str, Any], issuer: Issuer
) -> None:
    payload = base64.b64decode(envelope["payload"])
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    for position in range(len(payload)):
        forged = bytearray(payload)
        forged[position] ^= 1
        with pytest.raises(ProofError):
            verify_certificate({**envelope, "payload": base64.b64encode(forged).decode()}, issuer.public_pem)
    for bit in range(8 * len(signature)):
        forged = bytearray(signature)
        forged[bit // 8] ^= 1 << (bit % 8)
        signatures = [{**envelope["signatures"][0], "sig": base64.b64encode(forged).decode()}]
        with pytest.raises(TamperedCertificateError):
            verify_certificate({**envelope, "signatures": signatures}, issuer.public_pem)


def test_every_changed_character_of_the_file_breaks_the_certificate(
    envelope: dict[str, Any], issuer: Issuer
) -> None:
    file = json.dumps(envelope, separators=(",", ":")).encode()
    verify_certificate(file, issuer.public_pem)
    for position in range(len(file)):
        forged = bytearray(file)
        forged[position] = ord("A") if forged[position] != ord("A") else ord("B")
        with pytest.raises(ProofError):
            verify_certificate(bytes(forged), issuer.public_pem)


@settings(max_examples=200, deadline=None)
@given(noise=st.binary(max_size=300))
def test_noise_is_refused_with_a_proof_error(noise: bytes) -> None:
    key = public_key_pem(Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
    with pytest.raises(ProofError):
        verify_certificate(noise, key)


def test_another_key_is_named_as_the_wrong_key(envelope: dict[str, Any], issuer: Issuer) -> None:
    other = Ed25519PrivateKey.generate()
    with pytest.raises(WrongKeyError, match="give the public key of the issuer"):
        verify_certificate(envelope, public_key_pem(other))
    renamed = [{**envelope["signatures"][0], "keyid": "0" * 64}]
    with pytest.raises(WrongKeyError):
        verify_certificate({**envelope, "signatures": renamed}, issuer.public_pem)


def test_a_broken_public_key_is_named(envelope: dict[str, Any]) -> None:
    with pytest.raises(KeyFileError, match="not a public key in PEM"):
        verify_certificate(envelope, b"-----BEGIN PUBLIC KEY-----\nbroken\n-----END PUBLIC KEY-----\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e.pop("payload"), "exactly the fields"),
        (lambda e: e.update(note="x"), "exactly the fields"),
        (lambda e: e.update(payloadType="text/plain"), "payloadType"),
        (lambda e: e.update(signatures=[]), "exactly one signature"),
        (lambda e: e.update(signatures=e["signatures"] * 2), "exactly one signature"),
        (lambda e: e.update(signatures=[{"sig": "AA=="}]), "fields keyid and sig"),
        (lambda e: e.update(payload="%%%"), "payload is not base64"),
        (lambda e: e.update(payload=7), "payload is not base64"),
        (lambda e: e["signatures"][0].update(sig="AB=="), "sig is not base64"),
    ],
)
def test_a_malformed_envelope_is_refused(
    change: Callable[[dict[str, Any]], None], message: str, envelope: dict[str, Any], issuer: Issuer
) -> None:
    broken = copy.deepcopy(envelope)
    change(broken)
    with pytest.raises(MalformedCertificateError, match=message):
        verify_certificate(broken, issuer.public_pem)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b'{"a":1,"a":2}', b'{"a":NaN}', b"[" * 100_000])
def test_bytes_that_are_no_certificate_are_refused(raw: bytes, issuer: Issuer) -> None:
    with pytest.raises(MalformedCertificateError):
        verify_certificate(raw, issuer.public_pem)


def test_a_huge_file_is_refused_unread(issuer: Issuer) -> None:
    with pytest.raises(MalformedCertificateError, match="too many for a certificate"):
        verify_certificate(b" " * 1_000_001, issuer.public_pem)


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(statement: dict[str, Any]) -> None:
        *holders, last = path.split(".")
        holder: Any = statement
        for key in holders:
            holder = holder[int(key)] if key.isdigit() else holder[key]
        holder[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("predicate.consistent_with_equilibrium", False), "the verdict is 'not consistent'"),
        (_set("predicate.checks.0.p_value", 1 / 513), "(no rank|failing checks are: energy)"),
        (_set("predicate.checks.0.p_value", 0.77777), "no rank"),
        (_set("predicate.bonferroni_threshold", 0.001), "is not alpha / checks_run"),
        (_set("predicate.alpha", 0.01), "is not alpha / checks_run"),
        (_set("predicate.checks_run", 5), "checks_run is 5"),
        (_set("predicate.calibration_windows", 10), "cannot refuse anything"),
        (_set("predicate.independent_windows", 10**6), "more independent windows"),
        (_set("predicate.could_not_run", []), "not the five checks"),
        (_set("predicate.limitation", "This window is authentic."), "limitation text"),
        (_set("predicate.evidence_sha256", "0" * 64), "subject's digest"),
        (_set("predicate.stream", "tank-2"), "subject's name"),
    ],
)
def test_a_signed_contradiction_is_refused(
    change: Callable[[dict[str, Any]], None], message: str, envelope: dict[str, Any], issuer: Issuer
) -> None:
    with pytest.raises(InconsistentCertificateError, match=message):
        verify_certificate(resign(issuer, change, envelope), issuer.public_pem)


def test_a_failing_p_value_contradicts_the_verdict(envelope: dict[str, Any], issuer: Issuer) -> None:
    grid = issuer.reference.calibration_windows + 1
    forged = resign(issuer, _set("predicate.checks.1.p_value", 2 / grid), envelope)
    with pytest.raises(InconsistentCertificateError, match="failing checks are: entropy"):
        verify_certificate(forged, issuer.public_pem)


@pytest.mark.parametrize("field", ["_type", "predicateType"])
def test_a_statement_of_another_kind_is_refused(field: str, envelope: dict[str, Any], issuer: Issuer) -> None:
    forged = resign(issuer, _set(field, "https://example.com/other/v9"), envelope)
    with pytest.raises(UnknownPredicateError, match=field):
        verify_certificate(forged, issuer.public_pem)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("predicate.note", "x"), "predicate.note"),
        (_set("predicate.samples", "96"), "predicate.samples"),
        (_set("predicate.issued", "yesterday"), "predicate.issued"),
        (_set("subject", []), "subject"),
    ],
)
def test_a_signed_statement_of_the_wrong_form_is_refused(
    change: Callable[[dict[str, Any]], None], message: str, envelope: dict[str, Any], issuer: Issuer
) -> None:
    with pytest.raises(MalformedCertificateError, match=message):
        verify_certificate(resign(issuer, change, envelope), issuer.public_pem)


def test_a_signed_payload_that_is_not_canonical_is_refused(envelope: dict[str, Any], issuer: Issuer) -> None:
    loose = json.dumps(payload_of(envelope), indent=1).encode()
    with pytest.raises(MalformedCertificateError, match="not in canonical form"):
        verify_certificate(seal(loose, issuer.key), issuer.public_pem)


def test_other_evidence_is_refused(issuer: Issuer) -> None:
    issued = issuer.issue(issuer.calm[0])
    with pytest.raises(EvidenceMismatchError):
        verify_certificate(issued, issuer.public_pem, evidence=window_bytes(issuer.calm[1]))


def test_the_nonce_has_to_be_the_one_asked_for(envelope: dict[str, Any], issuer: Issuer) -> None:
    assert verify_certificate(envelope, issuer.public_pem, nonce=b"verifier says 42").nonce_checked
    for asked, given_to in ((b"another", envelope), (b"any", issuer.issue(issuer.calm[0]))):
        with pytest.raises(NonceMismatchError):
            verify_certificate(given_to, issuer.public_pem, nonce=asked)


def test_a_chain_shows_omission_reordering_and_replacement(issuer: Issuer) -> None:
    chain: list[bytes | dict[str, Any]] = []
    digest = None
    for window in issuer.calm[:4]:
        issued = issuer.issue(window, previous=digest)
        digest = certificate_digest(issued)
        chain.append(issued)
    assert [v.digest for v in verify_chain(chain, issuer.public_pem)][-1] == digest
    replaced = [chain[0], issuer.issue(issuer.calm[5], previous=certificate_digest(chain[0])), *chain[2:]]
    for broken in ([chain[0], *chain[2:]], [chain[1], chain[0]], chain[1:], replaced):
        with pytest.raises(ChainMismatchError):
            verify_chain(broken, issuer.public_pem)


def test_the_digest_of_a_certificate_is_that_of_the_signed_bytes(envelope: dict[str, Any]) -> None:
    signed = pre_authentication_encoding(PAYLOAD_TYPE, base64.b64decode(envelope["payload"]))
    assert certificate_digest(json.dumps(envelope, indent=3).encode()) == hashlib.sha256(signed).hexdigest()
