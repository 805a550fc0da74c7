"""Whatever is wrong with a question, the error names the field and what is admissible, in every domain of record."""

import math

import pytest
import torch
from torch import Tensor

from industriverse.nvp.field_errors import (
    CoefficientError,
    FieldShapeError,
    FieldValueError,
    StabilityError,
    UnknownDomainError,
)
from industriverse.nvp.grid import Boundary
from industriverse.nvp.service import FieldQuestion, NVPPredictor
from industriverse.nvp.solvers import DOMAINS
from nvp_fields.cases import IDENTIFIERS, KINDS, Case, make_case

every_domain = pytest.mark.parametrize(("domain", "boundary"), KINDS, ids=IDENTIFIERS)


def asked(case: Case, frames: Tensor, **changes: object) -> FieldQuestion:
    """The case as a question to the service."""
    solver = case.solver
    fields = {name: getattr(solver, name) for name in solver.field_names}
    settings: dict[str, object] = {
        "domain": solver.name,
        "frames": frames,
        "frame_s": solver.frame_s,
        "horizon": 1,
        "length": solver.grid.length,
        "boundary": solver.grid.boundary,
        "coefficients": {name: float(value) for name, value in solver.coefficients.items()},
        "fields": {name: value for name, value in fields.items() if value is not None},
    }
    return FieldQuestion(**(settings | changes))  # type: ignore[arg-type]


@every_domain
def test_a_question_without_fault_is_answered(domain: str, boundary: Boundary) -> None:
    case = make_case(domain, boundary, cells=8)
    found = NVPPredictor().forecast(asked(case, case.state[None]))
    assert bool(torch.isfinite(found.mean).all())


@every_domain
@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf], ids=["nan", "inf", "minus inf"])
def test_what_is_no_number_is_refused_by_channel(domain: str, boundary: Boundary, poison: float) -> None:
    case = make_case(domain, boundary, cells=8)
    for index, channel in enumerate(case.solver.channels):
        frames = case.state[None].clone()
        frames[0, 1, index, 3, 5] = poison
        with pytest.raises(FieldValueError, match=rf"channel {channel.name} of {domain} has NaN or infinite"):
            NVPPredictor().forecast(asked(case, frames))


@every_domain
def test_a_density_below_its_minimum_is_refused_with_the_range(domain: str, boundary: Boundary) -> None:
    case = make_case(domain, boundary, cells=8)
    for index, channel in enumerate(case.solver.channels):
        if math.isinf(channel.minimum):
            continue
        frames = case.state[None].clone()
        frames[0, 0, index, 1, 2] = channel.minimum - 0.5
        with pytest.raises(FieldValueError) as caught:
            NVPPredictor().forecast(asked(case, frames))
        assert f"channel {channel.name} of {domain} has the value" in str(caught.value)
        assert f"admissible: at least {channel.minimum:.6g} {channel.unit}" in caught.value.hint


@every_domain
def test_a_wrong_shape_is_refused_with_the_right_one(domain: str, boundary: Boundary) -> None:
    case = make_case(domain, boundary, cells=8)
    count = len(case.solver.channels)
    for frames in (case.state, case.state[None][..., :4], case.state[None].repeat(1, 1, 2, 1, 1)):
        with pytest.raises(FieldShapeError, match="shape") as caught:
            NVPPredictor().forecast(asked(case, frames))
        hint = caught.value.hint
        assert "(time, batch, channels, cells, cells)" in hint or f"(batch, {count}, 8, 8)" in hint


@every_domain
def test_a_coefficient_beyond_its_range_is_refused_with_the_range(domain: str, boundary: Boundary) -> None:
    case = make_case(domain, boundary, cells=8)
    for name, limit in case.solver.coefficient_ranges.items():
        for value in (limit.low - abs(limit.low) / 2 - 1e-12, 2 * abs(limit.high), math.nan):
            good = asked(case, case.state[None]).coefficients
            with pytest.raises(CoefficientError) as caught:
                NVPPredictor().forecast(asked(case, case.state[None], coefficients={**good, name: value}))
            assert f"coefficient {name} of {domain} is" in str(caught.value)
            assert f"admissible: {limit.low} to {limit.high} {limit.unit}" in caught.value.hint


# What the range admits may still be too stiff for the frame: then the answer is finite, or an error says so.
@pytest.mark.parametrize("domain", DOMAINS)
def test_a_coefficient_at_the_end_of_its_range_is_finite_or_refused(domain: str) -> None:
    case = make_case(domain, cells=8)
    for name, limit in case.solver.coefficient_ranges.items():
        # A millionfold conductivity or diffusivity is admitted and takes seconds.
        for value in (limit.low, min(limit.high, 1e3)):
            good = asked(case, case.state[None]).coefficients
            question = asked(case, case.state[None], coefficients={**good, name: value})
            try:
                found = NVPPredictor().forecast(question)
            except StabilityError:
                continue
            assert bool(torch.isfinite(found.mean).all())


def test_a_frame_too_stiff_for_any_number_of_substeps_is_refused_with_the_way_out() -> None:
    stiff: tuple[tuple[str, Boundary, str], ...] = (
        ("advection_diffusion", "wall", "diffusivity"),
        ("wave", "periodic", "scale"),
        ("allen_cahn", "wall", "mobility"),
    )
    for domain, boundary, name in stiff:
        case = make_case(domain, boundary, cells=8)
        high = case.solver.coefficient_ranges[name].high
        good = asked(case, case.state[None]).coefficients
        with pytest.raises(StabilityError, match="substeps") as caught:
            NVPPredictor().forecast(asked(case, case.state[None], coefficients={**good, name: high}))
        assert "shorten frame_s (now" in caught.value.hint


@every_domain
def test_a_coefficient_or_frame_that_does_not_exist_is_refused(domain: str, boundary: Boundary) -> None:
    case = make_case(domain, boundary, cells=8)
    with pytest.raises(CoefficientError, match="its coefficients are"):
        NVPPredictor().forecast(asked(case, case.state[None], coefficients={"phlogiston": 1.0}))
    for frame_s in (0.0, -1.0, math.nan):
        with pytest.raises(CoefficientError, match="frame_s"):
            NVPPredictor().forecast(asked(case, case.state[None], frame_s=frame_s))


def test_an_unknown_domain_is_refused_with_those_there_are() -> None:
    case = make_case("heat", cells=8)
    with pytest.raises(UnknownDomainError, match="magnetism") as caught:
        NVPPredictor().forecast(asked(case, case.state[None], domain="magnetism"))
    assert "navier_stokes" in caught.value.hint
