"""Streams whose level drifts, and references that rest on few independent windows."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from industriverse.eil.proof import (
    CheckName,
    EquilibriumReference,
    InconsistentCertificateError,
    ReferenceFitError,
    prove,
    public_key_pem,
    verify_certificate,
)
from industriverse.eil.proof.envelope import seal
from industriverse.eil.proof.fitting import count_disjoint, quasi_static_levels
from proof.irreversible import ALPHA, SECOND, WINDOW, frame_of, simulate

CLEAN, TESTS = 12_000, 60
KEY = Ed25519PrivateKey.from_private_bytes(b"\x09" * 32)
Values = NDArray[np.float64]


def drifting(rows: int, seed: int) -> Values:
    """The irreversible process with a slow sinusoidal drift, five deviations high, on its second channel."""
    values = simulate(rows, seed)
    slow = np.sin(2 * np.pi * np.arange(rows) / 4500.0 + 1.0)
    values[:, 1] += 5.0 * values[:, 1].std() * slow
    return values


@pytest.fixture(scope="module")
def stream() -> Values:
    return drifting(CLEAN + TESTS * WINDOW, seed=3)


@pytest.fixture(scope="module")
def wandering(stream: Values) -> EquilibriumReference:
    return EquilibriumReference.fit(frame_of(stream[:CLEAN]), window=WINDOW)


def refusals(reference: EquilibriumReference, values: Values) -> dict[CheckName, float]:
    blocks = values[CLEAN:].reshape(TESTS, WINDOW, -1)
    results = [reference.check(frame_of(block)) for block in blocks]
    return {
        r.name: float(np.mean([w[i].p_value <= ALPHA / 4 for w in results])) for i, r in enumerate(results[0])
    }


def test_only_the_drifting_channel_has_a_quasi_static_level(wandering: EquilibriumReference) -> None:
    assert [name for name, _, _ in wandering.quasi_static] == ["sensor-1"]


def test_no_level_of_a_stationary_process_is_quasi_static(reference: EquilibriumReference) -> None:
    assert reference.quasi_static == ()
    assert not reference.geometry.level_range.any()


def test_windows_of_a_drifting_stream_are_refused_at_about_the_promised_rate(
    wandering: EquilibriumReference, stream: Values
) -> None:
    assert sum(refusals(wandering, stream).values()) <= 3 * ALPHA


def test_without_levels_taken_out_the_same_windows_are_refused(stream: Values) -> None:
    rigid = EquilibriumReference.fit(frame_of(stream[:CLEAN]), window=WINDOW, quasi_static=False)
    assert rigid.quasi_static == ()
    inside = stream.copy()
    inside[:, 1] += 2.0 * stream[:CLEAN, 1].std()
    assert refusals(rigid, inside)[CheckName.ENERGY] > refusals(rigid, stream)[CheckName.ENERGY]


def test_a_bias_beyond_the_clean_levels_is_refused_and_one_within_them_passes_for_drift(
    wandering: EquilibriumReference, stream: Values
) -> None:
    _, low, high = wandering.quasi_static[0]
    outside, inside = stream.copy(), stream.copy()
    outside[:, 1] += 1.5 * (high - low)
    inside[:, 1] += 0.05 * (high - low)
    assert refusals(wandering, outside)[CheckName.ENERGY] == 1.0
    assert refusals(wandering, inside)[CheckName.ENERGY] <= 0.1


def test_a_bias_on_a_channel_that_stands_still_is_refused_beside_one_that_drifts(
    wandering: EquilibriumReference, stream: Values
) -> None:
    biased = stream.copy()
    biased[:, 0] += 2.0 * biased[:, 0].std()
    assert refusals(wandering, biased)[CheckName.ENERGY] >= 0.95


def test_the_arrow_of_time_survives_the_removal_of_the_level(
    wandering: EquilibriumReference, stream: Values
) -> None:
    backward = stream.copy()
    backward[CLEAN:] = stream[CLEAN:][::-1]
    assert refusals(wandering, backward)[CheckName.CURRENTS] >= 0.9


def test_too_few_windows_decide_nothing_about_drift() -> None:
    values = np.linspace(0.0, 1.0, 6 * 40)[:, None]
    assert np.isnan(quasi_static_levels(values, 3 * 40, 40)).all()
    ramp = np.linspace(0.0, 1.0, 16 * 40)[:, None]
    low, high = quasi_static_levels(ramp, 8 * 40, 40)[:, 0]
    span = 15 * 40 / (16 * 40 - 1)
    assert (low, high) == pytest.approx((0.5 - span, 0.5 + span))


def test_a_reference_with_quasi_static_levels_comes_back_bit_for_bit(
    wandering: EquilibriumReference, stream: Values, tmp_path: Path
) -> None:
    wandering.save(tmp_path / "reference.npz")
    loaded = EquilibriumReference.load(tmp_path / "reference.npz")
    assert (loaded.digest, loaded.quasi_static) == (wandering.digest, wandering.quasi_static)


def test_a_gap_costs_the_independent_windows_that_it_cuts() -> None:
    times = np.arange(400, dtype=np.int64) * SECOND
    assert count_disjoint(times, 1.0, 100) == 4
    times[250:] += 10 * SECOND
    assert count_disjoint(times, 1.0, 100) == 3
    times[130:] += 10 * SECOND
    assert count_disjoint(times, 1.0, 100) == 3
    times[60:] += 10 * SECOND
    assert count_disjoint(times, 1.0, 100) == 2


def certificate(
    reference: EquilibriumReference, values: Values, *, require_certifiable: bool = False
) -> dict[str, object]:
    blocks = values[CLEAN:].reshape(TESTS, WINDOW, -1)
    frames = (frame_of(block) for block in blocks)
    calm = next(f for f in frames if all(r.p_value > ALPHA / 4 for r in reference.check(f)))
    return prove(
        calm, reference, stream="drift", alpha=ALPHA, nonce=None, previous_digest=None, signing_key=KEY,
        clock=lambda: 0, require_certifiable=require_certifiable,
    )  # fmt: skip


def test_the_certificate_names_levels_that_a_bias_could_hide_in(
    wandering: EquilibriumReference, stream: Values
) -> None:
    verified = verify_certificate(certificate(wandering, stream), public_key_pem(KEY))
    listed = verified.predicate.quasi_static_channels
    assert listed is not None
    assert [(c.name, c.low, c.high) for c in listed] == list(wandering.quasi_static)
    assert "would pass for drift: sensor-1" in verified.summary()


def test_the_level_that_few_windows_cannot_certify_is_stated_or_refused(
    wandering: EquilibriumReference, stream: Values
) -> None:
    windows = wandering.independent_windows
    assert windows == 62
    verified = verify_certificate(certificate(wandering, stream), public_key_pem(KEY))
    assert verified.predicate.certifiable_alpha == pytest.approx(4 / 63)
    assert "certify no level below 0.0635" in verified.predicate.limitation
    with pytest.raises(ReferenceFitError, match=r"62 independent .* 0.0635 at best.*158 windows"):
        certificate(wandering, stream, require_certifiable=True)


def test_enough_windows_certify_and_say_nothing_more(reference: EquilibriumReference, stream: Values) -> None:
    issued = certificate(
        reference, np.vstack([stream[:CLEAN], simulate(TESTS * WINDOW, 12)]), require_certifiable=True
    )
    predicate = verify_certificate(issued, public_key_pem(KEY)).predicate
    assert predicate.independent_windows == 104
    assert "certify no level" not in predicate.limitation


@pytest.mark.parametrize(
    ("value", "message"), [(0.01, "certifiable_alpha 0.01 is not"), (None, "limitation text")]
)
def test_a_false_certifiable_level_is_a_contradiction(
    value: float | None, message: str, wandering: EquilibriumReference, stream: Values
) -> None:
    envelope = certificate(wandering, stream)
    statement = json.loads(base64.b64decode(str(envelope["payload"])))
    statement["predicate"]["certifiable_alpha"] = value
    with pytest.raises(InconsistentCertificateError, match=message):
        verify_certificate(seal(rfc8785.dumps(statement), KEY), public_key_pem(KEY))


def test_a_certificate_from_before_these_fields_still_verifies(
    reference: EquilibriumReference, stream: Values
) -> None:
    envelope = certificate(reference, np.vstack([stream[:CLEAN], simulate(TESTS * WINDOW, 12)]))
    statement = json.loads(base64.b64decode(str(envelope["payload"])))
    del statement["predicate"]["certifiable_alpha"]
    assert not {"freshness", "source", "quasi_static_channels"} & set(statement["predicate"])
    assert (
        verify_certificate(seal(rfc8785.dumps(statement), KEY), public_key_pem(KEY)).predicate.checks_run == 4
    )
