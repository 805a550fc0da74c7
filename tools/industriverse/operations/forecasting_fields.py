"""Forecasts of fields and of telemetry graphs: from what a caller sends to what a caller reads."""

import base64
import binascii
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from industriverse.operations.errors import InvalidArgumentsError

if TYPE_CHECKING:
    from torch import Tensor

    from industriverse.nvp.certificate import FieldForecast
    from industriverse.nvp.service import NVPPredictor

__all__ = [
    "MOST_VALUES",
    "FieldRequest",
    "GraphForecast",
    "decoded",
    "encoded",
    "forecast_field",
    "forecast_graph",
]

MOST_VALUES = 4_000_000
"""Numbers in one request: five frames of two channels at 512 by 512 and some more."""

Nested = Sequence[Sequence[Sequence[Sequence[float]]]]


@dataclass(frozen=True, slots=True)
class FieldRequest:
    """What is known of a field.

    Attributes:
        frames: Shape (time, channels, n, n), float32 or float64, oldest first.
        domain: Name of the equation.
        frame_s: Seconds between frames.
        length: Side of the square in metres.
        boundary: What happens at the rim.
        coefficients: Known coefficients by name.
        static: Static fields by name, (n, n) each.
        infer: Coefficients to read from the frames.
        horizon: Frames ahead.
        members: Of the ensemble behind the band.
        seed: Of the ensemble.
    """

    frames: NDArray[np.floating]
    domain: str
    frame_s: float
    length: float
    boundary: Literal["periodic", "wall"]
    coefficients: Mapping[str, float]
    static: Mapping[str, NDArray[np.floating]]
    infer: tuple[str, ...]
    horizon: int
    members: int
    seed: int


def decoded(name: str, values: object, shape: Sequence[int] | None) -> NDArray[np.floating]:
    """An array from nested lists of numbers, or from base64 of little-endian float32 with its shape.

    Raises:
        InvalidArgumentsError: Naming the argument and what it should be.
    """
    if isinstance(values, str):
        if not shape:
            raise InvalidArgumentsError(
                f"{name}: base64 without a shape", hint="give shape, such as [4,1,64,64]"
            )
        try:
            content = base64.b64decode(values, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidArgumentsError(
                f"{name} is not base64", hint="encode little-endian float32 values"
            ) from error
        wanted = math.prod(shape)
        if min(shape) < 1 or len(content) != 4 * wanted:
            raise InvalidArgumentsError(
                f"{name} has {len(content)} bytes", hint=f"shape {list(shape)} needs {4 * max(wanted, 0)}"
            )
        array: NDArray[np.floating] = (
            np.frombuffer(content, dtype="<f4").reshape(tuple(shape)).astype(np.float32)
        )
    else:
        try:
            array = np.asarray(values, dtype=np.float64)
        except (ValueError, TypeError) as error:
            raise InvalidArgumentsError(
                f"{name} is not a rectangular array of numbers", hint="give lists of equal lengths"
            ) from error
    if array.size > MOST_VALUES:
        raise InvalidArgumentsError(f"{name} holds {array.size} numbers", hint=f"give at most {MOST_VALUES}")
    if not np.isfinite(array).all():
        where = [int(i) for i in np.argwhere(~np.isfinite(array))[0]]
        raise InvalidArgumentsError(
            f"{name} at {where} is {array[tuple(where)]}", hint="give finite numbers; reconstruct gaps first"
        )
    return array


def encoded(array: NDArray[np.floating]) -> str:
    """Base64 of the little-endian float32 values."""
    return base64.b64encode(np.ascontiguousarray(array, dtype="<f4").tobytes()).decode()


@cache
def _predictor() -> "NVPPredictor":
    import torch

    from industriverse.nvp.service import NVPPredictor

    # Small fields: threads cost more than they bring, and other requests want the cores.
    torch.set_num_threads(1)
    return NVPPredictor()


def forecast_field(
    request: FieldRequest, progress: Callable[[int, int], None] | None = None
) -> "FieldForecast":
    """Answers a request with the track that last predicted best; blocking.

    Raises:
        FieldError: Naming the field or coefficient, its value and the admissible range.
        InvalidArgumentsError: If the frames do not have four axes.
    """
    import torch

    from industriverse.nvp.service import FieldQuestion

    if request.frames.ndim != 4:
        raise InvalidArgumentsError(
            f"frames have {request.frames.ndim} axes", hint="give (time, channels, cells, cells)"
        )

    def tensor(array: NDArray[np.floating]) -> "Tensor":
        return torch.from_numpy(np.ascontiguousarray(array))

    question = FieldQuestion(
        tensor(request.frames)[:, None],
        request.domain,
        request.frame_s,
        request.horizon,
        length=request.length,
        boundary=request.boundary,
        coefficients=request.coefficients,
        fields={name: tensor(array) for name, array in request.static.items()},
        infer=request.infer,
        members=request.members,
        seed=request.seed,
    )
    return _predictor().forecast(question, progress)


@dataclass(frozen=True, slots=True)
class GraphForecast:
    """Stocks of a telemetry graph ahead.

    Attributes:
        mean: (horizon, nodes).
        track: "persistence", "vector" or "graph": the one with the least error on the last fifth.
        residuals: That error of every track, over the spread of the nodes.
        balance: Largest miss of the total balance of the forecast, over the total stock; None if the track
            keeps none.
        leak: Share of every stock lost in a frame, where the graph was fitted.
    """

    mean: NDArray[np.floating]
    track: str
    residuals: dict[str, float]
    balance: float | None
    leak: float | None


def forecast_graph(
    links: Sequence[tuple[int, int]],
    stocks: NDArray[np.floating],
    exchange: NDArray[np.floating],
    horizon: int,
    *,
    seed: int = 0,
) -> GraphForecast:
    """Fits stock and flow to a telemetry graph and forecasts with the exchange held at its mean; blocking.

    Args:
        links: Pairs of node numbers.
        stocks: (frames + 1, nodes).
        exchange: Metered exchange with the outside in each frame, (frames, nodes).
        horizon: Frames ahead.
        seed: Of the fit.

    Raises:
        GraphError: Naming the node, link or series that is not admissible.
    """
    from industriverse.nvp.graph_router import route_graph

    found = route_graph(links, stocks, exchange, horizon, seed=seed)
    return GraphForecast(found.mean, found.track, dict(found.residuals), found.balance, found.leak)
