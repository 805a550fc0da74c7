"""A threshold keeps its budget, or the calibration says what it cannot certify."""

import numpy as np
import pytest

from industriverse.eil import layout
from industriverse.eil.calibration import ticket_threshold
from industriverse.eil.errors import CalibrationError
from industriverse.eil.evidence import negative_log_p
from industriverse.eil.tails import fit_tail, fusion_weights
from industriverse.eil.watch import ticket_rows

MINUTE = 60 * 1_000_000_000


def exponential(rows: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).exponential(size=rows)


def test_independent_scores_keep_their_budget_within_a_factor_of_two() -> None:
    realised = []
    for seed in range(20):
        calibration = ticket_threshold(exponential(20_000, seed), interval_s=60.0, budget_per_day=2.0)
        assert calibration.certified
        fresh = exponential(60_000, 1000 + seed) >= calibration.threshold
        times = np.arange(60_000, dtype=np.int64) * MINUTE
        realised.append(len(ticket_rows(times, fresh)) / (60_000 / 1440))
    assert 0.5 <= float(np.mean(realised)) / 2.0 <= 2.0


def test_too_few_clean_days_are_said_not_to_certify() -> None:
    calibration = ticket_threshold(exponential(1440, 0), interval_s=60.0, budget_per_day=1.0)
    assert not calibration.certified
    assert calibration.lowest_certifiable_per_day == pytest.approx(3.0)
    assert calibration.promised_per_day == pytest.approx(3.0)
    assert calibration.statement().startswith(
        "not certifiable yet: 1 days scored ahead of the fit certify no less than 3"
    )


def test_a_smaller_budget_never_lowers_the_threshold() -> None:
    scores = exponential(30_000, 4)
    thresholds = [
        ticket_threshold(scores, interval_s=60.0, budget_per_day=budget).threshold
        for budget in (20.0, 10.0, 5.0, 2.0, 0.5)
    ]
    assert thresholds == sorted(thresholds)


@pytest.mark.parametrize(("budget", "interval"), [(0.0, 60.0), (float("nan"), 60.0), (1.0, 0.0)])
def test_a_senseless_budget_or_interval_is_refused(budget: float, interval: float) -> None:
    with pytest.raises(CalibrationError, match="positive finite"):
        ticket_threshold(exponential(200, 1), interval_s=interval, budget_per_day=budget)


def test_negative_log_p_is_calibrated_monotone_and_capped() -> None:
    tail = fit_tail(exponential(20_000, 7))
    grid = np.linspace(-1.0, 60.0, 400)
    values = np.array([negative_log_p(float(x), tail) for x in grid])
    assert (np.diff(values) >= -1e-12).all()
    assert values[0] == 0.0
    assert values[-1] == layout.SCORE_CAP
    # For the exponential law -log P(X >= x) is x itself.
    for x in (0.5, 1.0, 2.0, 4.0, 6.0):
        assert negative_log_p(x, tail) == pytest.approx(x, rel=0.1)


def test_the_tail_shape_stays_in_its_bounds() -> None:
    generator = np.random.default_rng(9)
    for sample in (generator.random(500), generator.normal(size=500), generator.standard_cauchy(500) ** 2):
        assert 0.0 <= fit_tail(sample)[2] <= 0.45


def test_weights_sum_to_one_and_skip_what_never_varies() -> None:
    components = np.random.default_rng(2).random((50, 11))
    components[:, 2] = 0.0
    weights = fusion_weights(components, 1)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[2] == 0.0
    assert weights[1] == weights[3] > 0.0


def test_excursions_of_hours_count_as_the_several_tickets_that_they_raise() -> None:
    # Smoothing makes every excursion last, so that one block raises more than one ticket.
    realised = []
    for seed in range(10):
        generator = np.random.default_rng(seed)
        noise = generator.exponential(size=40_300)
        smooth = np.convolve(noise, np.ones(300) / 300, mode="valid")
        scores = 3.0 + 10.0 * (smooth - 1.0)
        calibration = ticket_threshold(scores[:20_000], interval_s=60.0, budget_per_day=2.0)
        fresh = scores[20_000:] >= calibration.threshold
        times = np.arange(len(fresh), dtype=np.int64) * MINUTE
        realised.append(len(ticket_rows(times, fresh)) / (len(fresh) / 1440))
    assert float(np.mean(realised)) <= 2.0 * 2.0
