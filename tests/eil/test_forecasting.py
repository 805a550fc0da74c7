"""A mixture of forecasters that never loses to the best of them by more than its bound, and never looks ahead."""

from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from industriverse.eil.detector import Detector
from industriverse.eil.forecasting import FORECASTERS, AdaHedge, MixedForecaster, RecursiveAutoregression
from industriverse.eil.reference import Reference
from industriverse.eil.regimes import RegimeBank
from industriverse.signals import NANOSECONDS_PER_SECOND, Channel, Frame

CHANNELS = (Channel("a"), Channel("b"))


def walk(rows: int, seed: int) -> np.ndarray:
    rng, state, out = np.random.default_rng(seed), np.zeros(2), []
    for shock in rng.normal(size=(rows, 2)):
        state = np.array([[0.8, 0.1], [-0.1, 0.7]]) @ state + shock
        out.append(state.copy())
    return np.array(out)


CLEAN = walk(400, 1)


@cache
def reference() -> Reference:
    times = np.arange(400, dtype=np.int64) * NANOSECONDS_PER_SECOND
    return Detector().fit(Frame(times, CLEAN, CHANNELS)).reference


def mixed() -> MixedForecaster:
    bank = RegimeBank(Detector.from_reference(reference()), "s")
    return MixedForecaster(bank, CHANNELS, CLEAN.mean(0), CLEAN.std(0))


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    forecasters=st.integers(2, 5),
    rows=st.integers(1, 300),
    spike=st.floats(0, 50),
)
def test_the_regret_of_the_weights_stays_within_the_published_bound(
    seed: int, forecasters: int, rows: int, spike: float
) -> None:
    rng = np.random.default_rng(seed)
    losses = rng.exponential(size=(rows, forecasters, 2)) * rng.choice(
        [0.0, 1.0, spike], size=(rows, forecasters, 2)
    )
    hedge, paid, variance = AdaHedge(forecasters, 2), np.zeros(2), np.zeros(2)
    for row in losses:
        weights = hedge.weights
        assert np.allclose(weights.sum(axis=0), 1.0)
        mean = (weights * row).sum(axis=0)
        paid += mean
        variance += (weights * (row - mean) ** 2).sum(axis=0)
        hedge.learn(row)
    spread = (losses.max(axis=1) - losses.min(axis=1)).max(axis=0)
    logarithm = np.log(forecasters)
    bound = 2 * np.sqrt(variance * logarithm) + spread * (4 / 3 * logarithm + 2)
    assert np.all(paid - losses.sum(axis=0).min(axis=0) <= bound + 1e-6)


def test_the_recursive_autoregression_is_the_least_squares_one() -> None:
    rows = walk(300, 3)
    model = RecursiveAutoregression(np.zeros(2), np.ones(2))
    for row in rows:
        model.update(row)
    regressors = np.hstack([rows[:-1], np.ones((299, 1))])
    prior = np.vstack([np.eye(2), np.zeros(2)])
    gram = regressors.T @ regressors + np.eye(3)
    batch = np.linalg.solve(gram, regressors.T @ rows[1:] + prior)
    assert np.allclose(model.expected, np.append(rows[-1], 1.0) @ batch)


def test_no_forecaster_sees_the_sample_that_it_forecasts_and_the_bank_says_what_it_says_afterwards() -> None:
    rows, one, other = walk(40, 5), mixed(), mixed()
    for k, row in enumerate(rows[:-1]):
        now = (400 + k) * NANOSECONDS_PER_SECOND
        assert np.array_equal(one.update(now, row), other.update(now, row))
    last = 439 * NANOSECONDS_PER_SECOND
    told = one.update(last, rows[-1])
    assert np.array_equal(told, other.update(last, rows[-1] + 100.0))
    assert np.array_equal(told[0], one._bank.detectors[0].expected)


def test_the_mixture_is_near_the_best_whichever_that_is() -> None:
    rng = np.random.default_rng(9)
    streams = {"regimes": walk(600, 11), "still": np.cumsum(0.05 * rng.normal(size=(600, 2)), axis=0)}
    for rows in streams.values():
        mixture = mixed()
        told = np.array(
            [mixture.update((400 + k) * NANOSECONDS_PER_SECOND, row) for k, row in enumerate(rows)]
        )
        errors = ((told - rows[:, None, :]) ** 2).sum(axis=(0, 2))
        assert errors.shape == (len(FORECASTERS) + 1,)
        assert errors[-1] <= 1.1 * errors[:-1].min()


def test_a_missing_value_is_taken_for_what_was_forecast() -> None:
    mixture = mixed()
    told = mixture.update(400 * NANOSECONDS_PER_SECOND, np.array([np.nan, 0.3]))
    after = mixture.forecast(401 * NANOSECONDS_PER_SECOND)
    assert np.isfinite(after).all()
    assert after[2, 0] == told[-1, 0]
