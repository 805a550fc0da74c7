"""Stocks on a graph: the balance holds for any weights, and tampering shows in it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from industriverse.nvp.field_errors import GraphError
from industriverse.nvp.graph_tamper import BalanceMonitor, RidgeVar, SyntheticNetwork, roc_auc
from industriverse.nvp.telemetry_graph import StockAndFlow, TelemetryGraph, fit_stock_and_flow

NETWORK = SyntheticNetwork(80, 0)


@pytest.fixture(scope="module")
def fitted() -> tuple[StockAndFlow, RidgeVar]:
    noisy, _, supplied = NETWORK.run(400, 10)
    model, report = fit_stock_and_flow(NETWORK.graph(), noisy, supplied, seed=0, iterations=350)
    assert report.leak == pytest.approx(0.01, abs=0.002)
    assert report.memory == pytest.approx(0.7, abs=0.05)
    return model, RidgeVar(noisy, supplied)


def test_the_fitted_flows_forecast_better_than_a_var_and_persistence(
    fitted: tuple[StockAndFlow, RidgeVar],
) -> None:
    model, var = fitted
    noisy, clean, supplied = (torch.from_numpy(series).float() for series in NETWORK.run(60, 15))
    states = {"flow": (noisy[1], noisy[0]), "var": (noisy[1], noisy[0])}
    for frame in range(1, 21):
        for name, predictor in (("flow", model), ("var", var)):
            stock, before = states[name]
            with torch.no_grad():
                states[name] = (predictor(stock, before, supplied[frame]), stock)
    truth = clean[21]
    spread = float((truth - truth.mean()).norm())
    errors = {name: float((state[0] - truth).norm()) / spread for name, state in states.items()}
    assert errors["flow"] < 0.1
    assert errors["flow"] < 0.25 * errors["var"]
    assert errors["flow"] < 0.1 * float((noisy[1] - truth).norm()) / spread


def test_moved_stock_shows_in_the_node_balances_where_a_var_is_near_chance(
    fitted: tuple[StockAndFlow, RidgeVar],
) -> None:
    clean, _, supplied = NETWORK.run(300, 15)
    flow, var = (BalanceMonitor(predictor, clean, supplied) for predictor in fitted)
    detected = NETWORK.tampering(flow, 0.05, balanced=True, seed=17)
    assert detected >= 0.93
    assert NETWORK.tampering(var, 0.05, balanced=True, seed=17) < 0.75
    assert NETWORK.tampering(flow, 0.1, balanced=False, seed=17) > 0.98


def test_conformal_p_values_are_small_where_stock_was_moved(fitted: tuple[StockAndFlow, RidgeVar]) -> None:
    clean, _, supplied = NETWORK.run(300, 15)
    monitor = BalanceMonitor(fitted[0], clean, supplied)
    noisy, _, exchange = NETWORK.run(100, 18, {50: [(3, 0.5), (9, -0.5)]})
    p_values = monitor.p_values(noisy, exchange)
    assert p_values[49] == pytest.approx(1 / 300, rel=0.01)
    assert set(np.abs(monitor.standardised(noisy, exchange)[49]).argsort()[-2:]) == {3, 9}
    assert 0.3 < float(np.median(np.delete(p_values, [49, 50]))) < 0.7


@given(seed=st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_the_balance_holds_for_any_weights(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    model = StockAndFlow(SyntheticNetwork(12, 1).graph()).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) - 1)
    stock = torch.rand(2, 12, dtype=torch.float64, generator=generator)
    exchange = 0.1 * torch.randn(2, 12, dtype=torch.float64, generator=generator)
    after = model(stock, stock.flip(0), exchange).detach()
    expected = (1 - model.leak.detach()) * stock.sum(dim=-1) + exchange.sum(dim=-1)
    torch.testing.assert_close(after.sum(dim=-1), expected, rtol=0, atol=1e-12)


def test_flow_runs_from_high_to_low_stock() -> None:
    graph = TelemetryGraph(3, ((0, 1), (2, 1)))
    flow = StockAndFlow(graph).flow(torch.tensor([2.0, 1.0, 0.0]))
    assert flow[0] > 0
    assert flow[1] < 0


def test_forecast_rolls_out_frame_by_frame() -> None:
    model = StockAndFlow(NETWORK.graph())
    noisy, _, supplied = (torch.from_numpy(series).float() for series in NETWORK.run(5, 3))
    rolled = model.forecast(noisy[1], noisy[0], supplied[1:4])
    first = model(noisy[1], noisy[0], supplied[1]).detach()
    second = model(first, noisy[1], supplied[2]).detach()
    assert rolled.shape == (3, 80)
    torch.testing.assert_close(rolled[1], second)


def test_auc_counts_ties_half() -> None:
    assert roc_auc([1.0, 2.0], [0.0, 1.0]) == pytest.approx(0.875)
    assert roc_auc([1.0], [1.0]) == 0.5


def test_malformed_graphs_and_series_are_refused() -> None:
    with pytest.raises(GraphError, match=r"link \(0, 5\)"):
        TelemetryGraph(3, ((0, 5),))
    graph = TelemetryGraph(3, ((0, 1), (1, 2)))
    good = np.ones((30, 3))
    with pytest.raises(GraphError, match="one exchange between two stocks"):
        fit_stock_and_flow(graph, good, good, seed=0)
    broken = good.copy()
    broken[4, 1] = np.nan
    with pytest.raises(GraphError, match="stocks at frame 4, node 1 is nan"):
        fit_stock_and_flow(graph, broken, good[1:], seed=0)
    with pytest.raises(GraphError, match="exchange has the shape"):
        fit_stock_and_flow(graph, good, good[1:, :2], seed=0)
    with pytest.raises(GraphError, match="clean residuals"):
        BalanceMonitor(StockAndFlow(graph), good[:5], good[:4])
    with pytest.raises(GraphError, match="scale is 0"):
        StockAndFlow(graph, scale=0.0)
