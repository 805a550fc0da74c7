"""Fields and graphs through the operation: what it answers, and how it refuses what is not admissible."""

import asyncio
import time
from typing import Any

import numpy as np
import pytest

from industriverse.nvp.field_errors import FieldError
from industriverse.nvp.graph_tamper import SyntheticNetwork
from industriverse.operations.costs import StepCounter, counting
from industriverse.operations.errors import InvalidArgumentsError
from industriverse.operations.forecasting_fields import FieldRequest, decoded, encoded, forecast_field
from industriverse.operations.toolsets.nvp import ForecastInput, ForecastOutput, nvp_forecast


class _Nothing:
    """Fields and graphs need no store."""


async def _untold(done: float, total: float | None, message: str) -> None:
    del done, total, message


def ask(**given: Any) -> ForecastOutput:
    from industriverse.operations.context import LOCAL_OPERATOR, OperationContext

    context = OperationContext(platform=_Nothing(), principal=LOCAL_OPERATOR)  # type: ignore[arg-type]
    return asyncio.run(nvp_forecast(ForecastInput.model_validate(given), context))


def burgers(**rest: Any) -> dict[str, Any]:
    x = 2 * np.pi * (np.arange(16) + 0.5) / 16
    frames = np.sin(x)[None, None, :, None] * np.ones((1, 1, 16, 16))
    return {"domain": "burgers", "frames": frames.tolist(), "frame_s": 0.02} | rest


def test_a_single_frame_is_stepped_by_the_named_equation_and_certified() -> None:
    found = ask(field=burgers(horizon=3, coefficients={"viscosity": 0.02}))
    assert found.track == "solver"
    assert found.shape == [3, 1, 16, 16]
    assert found.certificate is not None
    assert found.certificate.valid
    assert found.certificate.coefficients == {"viscosity": 0.02}
    assert "energy fidelity" in str(found)


def test_a_field_pays_for_the_frames_that_it_read_and_forecast() -> None:
    counter = StepCounter()
    with counting(counter):
        ask(field=burgers(horizon=3, coefficients={"viscosity": 0.02}))
    assert counter.steps == 1 + 3


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"domain": "magnetism"}, "choose one of"),
        ({"coefficients": {"viscosity": -1.0}}, "admissible: 1e-06 to 1000"),
        ({"coefficients": {"drag": 1.0}}, "its coefficients are: viscosity"),
        ({"infer": ["drag"]}, "drag"),
        ({"frames": [[[[0.0, 1.0], [1.0]]]]}, "field.frames is not a rectangular array"),
        ({"frames": [[[0.0, 1.0]]]}, "axes"),
        ({"frames": "AAAA"}, "base64 without a shape"),
        ({"frames": "AAAA", "shape": [1, 1, 4, 4]}, "needs 64"),
        ({"frame_s": 1e9}, "shorten frame_s"),
        ({"boundary": "wall"}, "no 'wall' boundary"),
        ({"static": {"bed": [[0.0]]}}, "no field 'bed'"),
    ],
)
def test_bad_fields_are_refused_with_the_name_and_the_range(changed: dict[str, Any], named: str) -> None:
    with pytest.raises((FieldError, InvalidArgumentsError), match=named):
        ask(field=burgers(**changed))


def test_a_hole_in_a_frame_and_a_negative_density_are_told_with_their_place() -> None:
    with pytest.raises(InvalidArgumentsError, match=r"field.frames at \[0, 0, 1, 2\] is nan"):
        decoded("field.frames", [[[[1.0, 1.0, 1.0], [1.0, 1.0, float("nan")]]]], None)
    cold = np.ones((1, 1, 8, 8))
    cold[0, 0, 3, 3] = -1.0
    with pytest.raises(FieldError, match="admissible: at least"):
        ask(field={"domain": "heat", "frames": cold.tolist(), "frame_s": 0.01})


def test_exactly_one_thing_is_forecast() -> None:
    for given in ({}, {"stream": "a", "field": burgers()}):
        with pytest.raises(InvalidArgumentsError, match="give one of stream, field and graph"):
            ask(**given)


def test_numbers_survive_their_encoding() -> None:
    array = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    assert np.array_equal(decoded("x", encoded(array), array.shape), array)


def test_a_repeated_field_is_answered_from_memory() -> None:
    frames = np.random.default_rng(1).standard_normal((1, 1, 64, 64)).astype(np.float32)
    request = FieldRequest(frames, "burgers", 0.001, 1.0, "periodic", {}, {}, (), 20, 0, 0)
    started = time.process_time()
    first = forecast_field(request)
    computed = time.process_time() - started
    started = time.process_time()
    assert forecast_field(request) is first
    assert time.process_time() - started < 0.2 * computed


def test_a_graph_is_forecast_by_its_balances() -> None:
    network = SyntheticNetwork(20, 0)
    stocks, _, exchange = network.run(160, 1)
    found = ask(
        graph={
            "links": [list(link) for link in network.graph().links],
            "stocks": np.asarray(stocks).tolist(),
            "exchange": np.asarray(exchange).tolist(),
            "horizon": 4,
        }
    )
    assert found.track == "graph"
    assert found.residuals["graph"] < found.residuals["vector"]
    assert found.shape == [4, 20]
    assert "balance kept" in str(found)
