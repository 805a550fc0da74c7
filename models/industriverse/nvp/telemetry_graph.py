"""Track C: stocks on the nodes of a telemetry graph and flows along its links."""

import math
import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from industriverse.nvp.field_errors import GraphError

__all__ = ["FitReport", "StockAndFlow", "TelemetryGraph", "fit_stock_and_flow"]


@dataclass(frozen=True)
class TelemetryGraph:
    """Nodes that hold a stock and links that carry flows between them.

    Args:
        nodes: Number of nodes.
        links: Pairs (from, to) of node numbers; a flow is positive from the first to the second.
    """

    nodes: int
    links: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        for link in self.links:
            if link[0] == link[1] or not all(0 <= end < self.nodes for end in link):
                raise GraphError(
                    f"link {link} of a graph of {self.nodes} nodes",
                    hint=f"join two different nodes in 0 ... {self.nodes - 1}",
                )

    @cached_property
    def ends(self) -> tuple[Tensor, Tensor]:
        """First and second node of every link, (links,) each."""
        pairs = torch.tensor(self.links, dtype=torch.long).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def difference(self, potential: Tensor) -> Tensor:
        """Potential of the first node minus that of the second, (..., links)."""
        first, second = self.ends
        return potential[..., first] - potential[..., second]

    def endowment(self, stock: Tensor) -> Tensor:
        """Sum of the two nodes of every link, (..., links)."""
        first, second = self.ends
        return stock[..., first] + stock[..., second]

    def divergence(self, flow: Tensor) -> Tensor:
        """Outflow minus inflow of every node, (..., nodes); sums to zero over the nodes."""
        first, second = self.ends
        empty = torch.zeros(*flow.shape[:-1], self.nodes, dtype=flow.dtype)
        return empty.index_add(-1, first, flow).index_add(-1, second, -flow)


class StockAndFlow(nn.Module):
    """A conserved stock (bytes queued, sessions, tokens, joules) on a graph.

        e' = e - div( w J(e) + (1 - w) J(e_before) ) - leak e + s
        J_l = G_l m(|d_l|, e_i + e_j) d_l,   d_l = e_i - e_j,   G_l > 0, m > 0

    G is a conductance for every link, m a small network shared by all (congestion), w the link memory,
    leak a share lost per frame and s the metered exchange with the outside.

    State: stocks (..., nodes) of this frame and the one before, any unit; exchange (..., nodes) in the
    same unit per frame.

    Expected behaviour: sum(e') = (1 - leak) sum(e) + sum(s) to rounding for any weights; flows run from
    high to low stock.

    When it breaks: stocks that are pumped uphill (a queue that prefers the busier server), unmetered
    exchange, a topology that misses links.

    Args:
        graph: The topology.
        hidden: Hidden units of the mobility network.
        scale: Typical stock, which makes the network's inputs of order one.
    """

    def __init__(self, graph: TelemetryGraph, *, hidden: int = 16, scale: float = 1.0) -> None:
        super().__init__()
        if not (math.isfinite(scale) and scale > 0):
            raise GraphError(f"scale is {scale}", hint="give the typical size of a stock, positive")
        self.graph = graph
        self.scale = scale
        self.log_conductance = nn.Parameter(torch.full((len(graph.links),), -2.5))
        self.mobility = nn.Sequential(nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, 1))
        self.raw_leak = nn.Parameter(torch.tensor(-6.0))
        self.raw_memory = nn.Parameter(torch.tensor(0.0))

    @property
    def conductance(self) -> Tensor:
        """G of every link, positive, (links,)."""
        return functional.softplus(self.log_conductance)

    @property
    def leak(self) -> Tensor:
        """Share of every stock lost in a frame."""
        return functional.softplus(self.raw_leak)

    @property
    def memory(self) -> Tensor:
        """Weight w of the present flow; the rest follows the frame before."""
        return torch.sigmoid(self.raw_memory)

    def flow(self, stock: Tensor) -> Tensor:
        """Flow along every link, (..., links), per frame."""
        force = self.graph.difference(stock) / self.scale
        load = self.graph.endowment(stock) / (2 * self.scale)
        features = torch.stack([force.abs(), load], dim=-1)
        mobility = functional.softplus(self.mobility(features)[..., 0])
        return self.conductance * mobility * force * self.scale

    def forward(self, stock: Tensor, before: Tensor, exchange: Tensor) -> Tensor:
        """Stocks one frame later."""
        weight = self.memory
        carried = weight * self.flow(stock) + (1 - weight) * self.flow(before)
        return stock - self.graph.divergence(carried) - self.leak * stock + exchange

    @torch.no_grad()
    def forecast(self, stock: Tensor, before: Tensor, exchange: Tensor) -> Tensor:
        """Roll-out over the frames of `exchange` (frames, ..., nodes); returns the same shape."""
        states = []
        for supplied in exchange:
            stock, before = self(stock, before, supplied), stock
            states.append(stock)
        return torch.stack(states)


@dataclass(frozen=True)
class FitReport:
    """How a fit went.

    Args:
        loss: Mean square error per node of the last epochs, stock units squared.
        iterations: Updates made.
        cpu_s: Processor time spent.
        leak: Share lost per frame that was found.
        memory: Weight of the present flow that was found.
    """

    loss: float
    iterations: int
    cpu_s: float
    leak: float
    memory: float


def _series(values: ArrayLike, name: str, rows: int, nodes: int) -> Tensor:
    array: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != nodes or array.shape[0] < rows:
        raise GraphError(f"{name} has the shape {array.shape}", hint=f"give (at least {rows}, {nodes})")
    if not np.isfinite(array).all():
        row, node = (int(k) for k in np.argwhere(~np.isfinite(array))[0])
        raise GraphError(
            f"{name} at frame {row}, node {node} is {array[row, node]}", hint="give finite values"
        )
    return torch.from_numpy(array).float()


def fit_stock_and_flow(
    graph: TelemetryGraph,
    stocks: ArrayLike,
    exchange: ArrayLike,
    *,
    seed: int,
    iterations: int = 1500,
    unroll: int = 3,
    batch: int = 48,
    learning_rate: float = 0.02,
) -> tuple[StockAndFlow, FitReport]:
    """Fits a model by short roll-outs (Adam, cosine schedule).

    Args:
        graph: The topology.
        stocks: (frames + 1, nodes).
        exchange: Metered exchange in the frame after each stock, (frames, nodes).
        seed: For the weights and the batches.
        iterations: Updates.
        unroll: Frames of each roll-out; more than one keeps sensor noise from hiding in the flow.
        batch: Roll-outs an update.
        learning_rate: Of Adam, at the start.

    Raises:
        GraphError: The series are too short, of the wrong shape or not finite.
    """
    observed = _series(stocks, "stocks", unroll + 3, graph.nodes)
    supplied = _series(exchange, "exchange", unroll + 2, graph.nodes)
    if len(observed) != len(supplied) + 1:
        raise GraphError(
            f"{len(observed)} stocks and {len(supplied)} exchanges",
            hint="give one exchange between two stocks",
        )
    generator = torch.Generator().manual_seed(seed)
    model = StockAndFlow(graph, scale=max(float(observed.abs().mean()), 1e-12))
    with torch.no_grad():
        for layer in model.mobility:
            if isinstance(layer, nn.Linear):
                bound = 1 / math.sqrt(layer.in_features)
                for parameter in layer.parameters():
                    parameter.uniform_(-bound, bound, generator=generator)
    optimiser = torch.optim.Adam(model.parameters(), learning_rate)
    started, recent = time.process_time(), 0.0
    for iteration in range(iterations):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate * (0.5 * (1 + math.cos(math.pi * iteration / iterations)) + 0.005)
        start = torch.randint(1, len(supplied) - unroll + 1, (batch,), generator=generator)
        stock, before = observed[start], observed[start - 1]
        loss = torch.zeros(())
        for k in range(unroll):
            stock, before = model(stock, before, supplied[start + k]), stock
            loss = loss + (stock - observed[start + k + 1]).square().mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        recent += (float(loss.detach()) / unroll - recent) * 0.05
    if not math.isfinite(recent):
        raise GraphError("the fit diverged", hint=f"lower learning_rate (now {learning_rate})")
    spent = time.process_time() - started
    return model, FitReport(
        recent, iterations, spent, float(model.leak.detach()), float(model.memory.detach())
    )
