"""Seven witnesses become one calibrated index; benign stays benign, and copies are seen however calm."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from industriverse.shield.errors import AnalysisError
from industriverse.shield.fusion import (
    Band,
    ShieldModel,
    ShieldMonitor,
    band_of,
    criticality_index,
    evidence_share,
)
from industriverse.shield.fusion.witnesses import fused_evidence
from industriverse.signals import Frame


@pytest.fixture(scope="module")
def model(clean: Frame) -> ShieldModel:
    return ShieldModel.fit(clean, budget_per_day=1.0)


def test_the_index_is_the_published_formula() -> None:
    assert criticality_index(np.array([0.8]), np.array([0.5]))[0] == pytest.approx(80.0)
    assert criticality_index(np.array([0.8]), np.array([0.0]))[0] == pytest.approx(50.0)
    assert criticality_index(np.array([[0.1, 0.9]]), np.array([1.0]))[0] == 100.0
    assert [band_of(x) for x in (0, 19.9, 20, 40, 60, 80, 100)] == [
        Band.MONITOR, Band.MONITOR, Band.LOG, Band.ALERT, Band.MITIGATE, Band.ISOLATE, Band.ISOLATE
    ]  # fmt: skip


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_less_probable_is_never_less_critical(p: float, q: float, consensus: float) -> None:
    small, large = min(p, q), max(p, q)
    shares = evidence_share(np.array([small, large]))
    index = criticality_index(shares, np.array([consensus, consensus]))
    assert index[0] >= index[1]


def test_evidence_outside_its_range_is_refused() -> None:
    with pytest.raises(AnalysisError, match="calibrate"):
        criticality_index(np.array([1.2]), np.array([0.5]))
    with pytest.raises(AnalysisError, match="lies outside"):
        evidence_share(np.array([1.5]))


def test_benign_rows_score_benign(model: ShieldModel, later: Frame) -> None:
    _, shield = ShieldMonitor(model).see(later)
    assert (shield.index < 20).mean() >= 0.99
    assert shield.alarm.mean() < 0.05


def test_an_attack_on_two_sensors_is_critical_and_reaches_the_quorum(
    model: ShieldModel, later: Frame
) -> None:
    values = later.values.copy()
    values[200:260, 2] += 4.0
    values[200:260, 4] -= 4.0
    _, shield = ShieldMonitor(model).see(Frame(later.timestamps_ns, values, later.channels))
    assert shield.index[205:260].max() >= 80
    assert shield.alarm[200:215].any()
    assert shield.quorum[200:260].any()
    assert shield.agreeing.max() <= 7


def test_a_replay_that_leaves_every_energy_calm_is_in_alarm(
    model: ShieldModel, clean: Frame, later: Frame
) -> None:
    values = later.values.copy()
    values[300:380] = clean.values[700:780]
    replayed = Frame(later.timestamps_ns, values, later.channels)
    _, shield = ShieldMonitor(model).see(replayed)
    assert shield.alarm[320:380].all()
    energies = ShieldModel.fit(clean, phases=("EIL",))
    _, without = ShieldMonitor(energies).see(replayed)
    assert without.alarm[330:380].mean() < 0.5


def test_blocks_and_single_samples_agree(model: ShieldModel, later: Frame) -> None:
    window = later.rows(0, 60)
    _, block = ShieldMonitor(model).see(window)
    single = ShieldMonitor(model)
    rows = [single.see(window.rows(k, k + 1))[1] for k in range(len(window))]
    assert np.allclose(block.index, [row.index[0] for row in rows])
    assert np.array_equal(block.alarm, [row.alarm[0] for row in rows])


def test_an_unknown_phase_is_refused(clean: Frame) -> None:
    with pytest.raises(AnalysisError, match="choose among"):
        ShieldModel.fit(clean, phases=("XYZ",))


def test_the_merged_evidence_is_the_logarithm_of_an_e_value_whatever_the_witnesses_share() -> None:
    rng = np.random.default_rng(8)
    nats = np.zeros((200_000, 7))
    nats[:, [0, 5, 6]] = -np.log(1.0 - rng.random(200_000))[:, None]  # the three say the very same
    assert np.exp(fused_evidence(nats)).mean() == pytest.approx(1.0, abs=0.1)
    one = np.zeros((1, 7))
    one[0, 6] = 20.0
    assert fused_evidence(one)[0] > fused_evidence(np.zeros((1, 7)))[0] + 5.0


def test_the_phases_decide_together_only_where_the_core_cannot_certify_the_budget(
    model: ShieldModel, clean: Frame, later: Frame
) -> None:
    for budget, together in ((1e-3, True), (24.0, False)):
        fitted = ShieldModel.fit(clean, budget_per_day=budget)
        assert fitted.calibration.certified is not together
        values = later.values.copy()
        values[200:260, 2] += 4.0
        readings, shield = ShieldMonitor(fitted).see(Frame(later.timestamps_ns, values, later.channels))
        same = np.array_equal(shield.alarm, readings.alarm | (shield.copies > 0.0))
        assert same is not together
