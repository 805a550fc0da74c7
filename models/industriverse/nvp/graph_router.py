"""Track C served: a telemetry graph forecast by whichever predictor last did best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from industriverse.nvp.field_errors import GraphError
from industriverse.nvp.graph_tamper import NodePredictor, RidgeVar
from industriverse.nvp.telemetry_graph import TelemetryGraph, fit_stock_and_flow

__all__ = ["RoutedGraph", "route_graph"]

_LEAST_FRAMES = 40
_JUDGED_SHARE = 0.2


@dataclass(frozen=True)
class RoutedGraph:
    """A forecast of stocks.

    Args:
        mean: (horizon, nodes).
        track: "persistence", "vector" (ridge VAR) or "graph" (stock and flow).
        residuals: One-frame error over the spread of the nodes on the last fifth, by track.
        balance: Largest miss of sum(e') = (1 - leak) sum(e) + sum(s), over the total stock; for "graph" only.
        leak: Share lost per frame, for "graph" only.
    """

    mean: NDArray[np.float64]
    track: str
    residuals: Mapping[str, float]
    balance: float | None
    leak: float | None


def route_graph(
    links: Sequence[tuple[int, int]],
    stocks: ArrayLike,
    exchange: ArrayLike,
    horizon: int,
    *,
    seed: int = 0,
    iterations: int = 400,
) -> RoutedGraph:
    """Fits on the first four fifths, judges on the last, forecasts from the end.

    The exchange ahead is held at its mean, node by node: what will be fed in is not known.

    Args:
        links: Pairs of node numbers.
        stocks: (frames + 1, nodes), any unit.
        exchange: Metered exchange in every frame, (frames, nodes), same unit.
        horizon: Frames ahead.
        seed: Of the fit.
        iterations: Updates of the fit.

    Raises:
        GraphError: Too few frames, wrong shapes, values that are not finite, links that join nothing.
    """
    observed = np.asarray(stocks, dtype=np.float64)
    supplied = np.asarray(exchange, dtype=np.float64)
    if observed.ndim != 2 or len(observed) < _LEAST_FRAMES:
        raise GraphError(
            f"stocks have the shape {observed.shape}", hint=f"give at least {_LEAST_FRAMES} frames by nodes"
        )
    if supplied.shape != (len(observed) - 1, observed.shape[1]):
        raise GraphError(
            f"exchange has the shape {supplied.shape}",
            hint=f"give ({len(observed) - 1}, {observed.shape[1]}): one row between two stocks",
        )
    if horizon < 1:
        raise GraphError(f"horizon is {horizon}", hint="give at least 1 frame")
    for name, series in (("stocks", observed), ("exchange", supplied)):
        if not np.isfinite(series).all():
            raise GraphError(f"{name} hold a value that is not finite", hint="fill gaps first")
    graph = TelemetryGraph(observed.shape[1], tuple((int(a), int(b)) for a, b in links))
    cut = round((1 - _JUDGED_SHARE) * len(supplied))
    fitted = (observed[: cut + 1], supplied[:cut])
    model, _ = fit_stock_and_flow(graph, *fitted, seed=seed, iterations=iterations)
    predictors: dict[str, NodePredictor] = {
        "persistence": _persistence,
        "vector": RidgeVar(*fitted),
        "graph": model,
    }
    seen, fed = (torch.from_numpy(array).float() for array in (observed, supplied))
    residuals = {name: _residual(predictor, seen, fed, cut) for name, predictor in predictors.items()}
    track = min(residuals, key=lambda name: residuals[name])
    feed = fed.mean(dim=0)
    with torch.no_grad():
        rolled = _rolled(predictors[track], seen[-1], seen[-2], feed, horizon)
        leak = float(model.leak) if track == "graph" else None
    balance = None
    if leak is not None:
        before = torch.cat([seen[-1:], rolled[:-1]]).double().sum(dim=1)
        expected = (1 - leak) * before + feed.double().sum()
        scale = seen[-1].double().abs().sum().clamp_min(1e-300)
        balance = float((rolled.double().sum(dim=1) - expected).abs().max() / scale)
    return RoutedGraph(rolled.double().numpy(), track, residuals, balance, leak)


def _persistence(stock: Tensor, before: Tensor, exchange: Tensor) -> Tensor:
    del before, exchange
    return stock


@torch.no_grad()
def _residual(predictor: NodePredictor, stocks: Tensor, exchange: Tensor, cut: int) -> float:
    stock, before, truth = stocks[cut:-1], stocks[cut - 1 : -2], stocks[cut + 1 :]
    error = predictor(stock, before, exchange[cut:]) - truth
    spread = (truth - truth.mean(dim=1, keepdim=True)).norm()
    return float(error.norm() / spread.clamp_min(1e-12))


def _rolled(predictor: NodePredictor, stock: Tensor, before: Tensor, feed: Tensor, horizon: int) -> Tensor:
    states = []
    for _ in range(horizon):
        stock, before = predictor(stock, before, feed), stock
        states.append(stock)
    return torch.stack(states)
