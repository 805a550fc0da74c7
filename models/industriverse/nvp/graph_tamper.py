"""Detecting tampered stocks by the balance of every node, and the baselines it must beat."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from industriverse.nvp.field_errors import GraphError
from industriverse.nvp.telemetry_graph import TelemetryGraph

__all__ = ["BalanceMonitor", "NodePredictor", "RidgeVar", "SyntheticNetwork", "roc_auc"]

# Predicts stocks from (stock, stock before, exchange), all (..., nodes) float32.
NodePredictor = Callable[[Tensor, Tensor, Tensor], Tensor]


class BalanceMonitor:
    """Largest standardised balance residual over the nodes, for every frame.

    r_i(t) = e_i(t) - predicted_i(t), divided by the node's spread on clean data. A sum over the plant
    does not see stock moved from one node to another; the nodes' own balances do.

    Args:
        predictor: One-frame predictor, usually a `StockAndFlow`.
        stocks: Clean stocks held out from the fit, (frames + 1, nodes).
        exchange: Metered exchange, (frames, nodes).
    """

    def __init__(self, predictor: NodePredictor, stocks: ArrayLike, exchange: ArrayLike) -> None:
        self.predictor = predictor
        residual = self._residual(stocks, exchange)
        if len(residual) < 20:
            raise GraphError(f"{len(residual)} clean residuals", hint="give at least 22 clean frames")
        self.spread: NDArray[np.float64] = np.std(residual, axis=0, dtype=np.float64) + 1e-12
        self.clean_scores = np.abs(residual / self.spread).max(axis=1)

    def _residual(self, stocks: ArrayLike, exchange: ArrayLike) -> NDArray[np.float64]:
        observed = torch.as_tensor(np.asarray(stocks), dtype=torch.float32)
        supplied = torch.as_tensor(np.asarray(exchange), dtype=torch.float32)
        if observed.ndim != 2 or supplied.shape != (len(observed) - 1, observed.shape[1]):
            raise GraphError(
                f"stocks {tuple(observed.shape)} and exchange {tuple(supplied.shape)}",
                hint="give (frames + 1, nodes) and (frames, nodes)",
            )
        with torch.no_grad():
            predicted = self.predictor(observed[1:-1], observed[:-2], supplied[1:])
        found: NDArray[np.float64] = (observed[2:] - predicted).double().numpy()
        return found

    def standardised(self, stocks: ArrayLike, exchange: ArrayLike) -> NDArray[np.float64]:
        """Residuals over clean spread, (frames - 1, nodes); row t judges stock t + 2."""
        found: NDArray[np.float64] = self._residual(stocks, exchange) / self.spread
        return found

    def scores(self, stocks: ArrayLike, exchange: ArrayLike) -> NDArray[np.float64]:
        """Largest absolute standardised residual of every frame, (frames - 1,)."""
        found: NDArray[np.float64] = np.abs(self.standardised(stocks, exchange)).max(axis=1)
        return found

    def p_values(self, stocks: ArrayLike, exchange: ArrayLike) -> NDArray[np.float64]:
        """Conformal p-value of every frame against the clean scores, (frames - 1,)."""
        ordered = np.sort(self.clean_scores)
        above = len(ordered) - np.searchsorted(ordered, self.scores(stocks, exchange), side="left")
        found: NDArray[np.float64] = (above + 1) / (len(ordered) + 1)
        return found


class RidgeVar:
    """VAR(2) with metered exchange by ridge regression: the baseline without a topology.

    Args:
        stocks: (frames + 1, nodes).
        exchange: (frames, nodes).
        penalties: Ridge penalties; the best on the last fifth is kept.
    """

    def __init__(
        self, stocks: ArrayLike, exchange: ArrayLike, penalties: tuple[float, ...] = (1e-2, 1e-1, 1.0, 10.0)
    ) -> None:
        observed, supplied = np.asarray(stocks, dtype=np.float64), np.asarray(exchange, dtype=np.float64)
        inputs = np.hstack([observed[1:-1], observed[:-2], supplied[1:], np.ones((len(observed) - 2, 1))])
        target = observed[2:]
        cut = int(0.8 * len(inputs))
        errors = []
        for penalty in penalties:
            weights = self._solve(inputs[:cut], target[:cut], penalty)
            errors.append(float(np.square(inputs[cut:] @ weights - target[cut:]).mean()))
        self.penalty = penalties[int(np.argmin(errors))]
        self.weights = torch.from_numpy(self._solve(inputs, target, self.penalty)).float()

    @staticmethod
    def _solve(
        inputs: NDArray[np.float64], target: NDArray[np.float64], penalty: float
    ) -> NDArray[np.float64]:
        gram = inputs.T @ inputs + penalty * np.eye(inputs.shape[1])
        return np.linalg.solve(gram, inputs.T @ target).astype(np.float64)

    def __call__(self, stock: Tensor, before: Tensor, exchange: Tensor) -> Tensor:
        """Stocks one frame later."""
        ones = torch.ones(*stock.shape[:-1], 1, dtype=stock.dtype)
        return torch.cat([stock, before, exchange, ones], dim=-1) @ self.weights


def roc_auc(positive: ArrayLike, negative: ArrayLike) -> float:
    """Probability that a positive scores above a negative, ties counted half."""
    high, low = np.asarray(positive, dtype=np.float64), np.sort(np.asarray(negative, dtype=np.float64))
    below = np.searchsorted(low, high, side="left")
    at_most = np.searchsorted(low, high, side="right")
    return float((below + at_most).mean() / (2 * len(low)))


@dataclass(frozen=True)
class SyntheticNetwork:
    """A scale-free network whose law no model here contains, for benchmarks and tests.

    Saturating, congestion-dependent flows, 1 % leak, link memory 0.7 and 1 % sensor noise: models see
    noisy stocks and the metered exchange only.

    Args:
        nodes: Number of nodes.
        seed: Of the topology and the conductances.
        leak: Share of every stock lost per frame.
        memory: Weight of the present flow.
        noise: Standard deviation of the sensors.
    """

    nodes: int
    seed: int
    leak: float = 0.01
    memory: float = 0.7
    noise: float = 0.01

    def graph(self) -> TelemetryGraph:
        """Preferential attachment with three links a node (Barabasi and Albert, Science 286, 1999)."""
        generator = np.random.default_rng(self.seed)
        links, ends = [], [0, 1, 2]
        for node in range(3, self.nodes):
            chosen: set[int] = set()
            while len(chosen) < 3:
                chosen.add(int(generator.choice(ends)))
            links += [(other, node) for other in sorted(chosen)]
            ends += [*sorted(chosen), node, node, node]
        return TelemetryGraph(self.nodes, tuple(links))

    def run(
        self, frames: int, seed: int, injections: dict[int, list[tuple[int, float]]] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Simulates.

        Args:
            frames: Number of frames.
            seed: Of the start, the exchange and the noise.
            injections: By frame, pairs (node, amount) added unmetered to the stocks.

        Returns:
            Noisy stocks (frames + 1, nodes), true stocks, metered exchange (frames, nodes).
        """
        graph = self.graph()
        law, generator = np.random.default_rng(self.seed + 1), torch.Generator().manual_seed(seed)
        conductance = torch.from_numpy(law.lognormal(-2.5, 0.8, len(graph.links)))
        stock = 2 * torch.rand(self.nodes, generator=generator, dtype=torch.float64)
        carried, truth, supplied = torch.zeros(len(graph.links), dtype=torch.float64), [stock], []
        for frame in range(frames):
            exchange = 0.05 * torch.randn(self.nodes, generator=generator, dtype=torch.float64)
            exchange = exchange - exchange.mean() + 0.01
            congestion = 1 + 0.5 * torch.tanh(graph.endowment(stock) / 2 - 1)
            flow = conductance * torch.tanh(1.5 * graph.difference(stock)) / 1.5 * congestion
            moved = self.memory * flow + (1 - self.memory) * carried
            carried = flow
            stock = stock - graph.divergence(moved) - self.leak * stock + exchange
            for node, amount in (injections or {}).get(frame, []):
                stock = stock.clone()
                stock[node] += amount
            truth.append(stock)
            supplied.append(exchange)
        clean = torch.stack(truth)
        noisy = clean + self.noise * torch.randn(clean.shape, generator=generator, dtype=torch.float64)
        return noisy.numpy(), clean.numpy(), torch.stack(supplied).numpy()

    def tampering(
        self, monitor: BalanceMonitor, amplitude: float, *, balanced: bool, seed: int, frames: int = 300
    ) -> float:
        """AUC of a monitor over frames with and without unmetered stock.

        Args:
            monitor: Fitted on clean data.
            amplitude: Stock added, or moved between two random nodes when `balanced`.
            balanced: Whether the sum is left unchanged.
            seed: Of the run; the nodes are drawn from it too.
            frames: Length of the run; every sixth frame is tampered with.
        """
        draw = np.random.default_rng(seed)
        injections: dict[int, list[tuple[int, float]]] = {}
        for frame in range(6, frames - 5, 6):
            if balanced:
                first, second = (int(k) for k in draw.choice(self.nodes, 2, replace=False))
                injections[frame] = [(first, amplitude), (second, -amplitude)]
            else:
                injections[frame] = [(int(draw.integers(self.nodes)), amplitude)]
        noisy, _, supplied = self.run(frames, seed, injections)
        scores = monitor.scores(noisy, supplied)
        # Row r judges stock r + 2, which frame r + 1 made; the frame after a tampering echoes it.
        tampered = np.zeros(len(scores), dtype=bool)
        tampered[[frame - 1 for frame in injections]] = True
        echo = np.zeros(len(scores), dtype=bool)
        echo[[min(frame, len(scores) - 1) for frame in injections]] = True
        return roc_auc(scores[tampered], scores[~tampered & ~echo])
