"""The forecaster that serves: remembered answers, batches, streams, and errors that say what is wrong."""

from dataclasses import replace

import pytest
import torch

from industriverse.core_ai.nvp import NVPPredictor as StablePath
from industriverse.nvp.field_errors import CoefficientError, FieldError, FieldShapeError, UnknownDomainError
from industriverse.nvp.grid import Grid
from industriverse.nvp.learned_flux import Gate, LearnedFlux
from industriverse.nvp.predictor import Predictor
from industriverse.nvp.service import FieldQuestion, NVPPredictor
from industriverse.nvp.solvers.burgers import Burgers
from nvp_fields.cases import make_case


def question(frames: int = 4, horizon: int = 2) -> FieldQuestion:
    case = make_case("burgers", cells=16)
    states = [case.state]
    for _ in range(frames - 1):
        states.append(case.solver.advance(states[-1]))
    return FieldQuestion(torch.stack(states), "burgers", 0.02, horizon, coefficients={"viscosity": 2e-2})


def test_the_stable_import_path_is_the_same_class() -> None:
    assert StablePath is NVPPredictor


def test_a_repeated_question_is_answered_from_memory_and_a_changed_one_is_not() -> None:
    predictor, asked = NVPPredictor(), question()
    first = predictor.forecast(asked)
    assert predictor.forecast(replace(asked, frames=asked.frames.clone())) is first
    assert (predictor.hits, predictor.misses) == (1, 1)
    touched = asked.frames.clone()
    touched[0, 0, 0, 0, 0] += 1e-15
    assert predictor.forecast(replace(asked, frames=touched)) is not first
    assert predictor.forecast(replace(asked, coefficients={"viscosity": 2.1e-2})) is not first
    assert predictor.misses == 3


def test_memory_is_bounded() -> None:
    predictor, asked = NVPPredictor(remembered=1), question()
    predictor.forecast(asked)
    predictor.forecast(replace(asked, horizon=1))
    predictor.forecast(asked)
    assert predictor.hits == 0


def test_a_batch_gives_what_single_questions_give_and_reports_progress() -> None:
    asked = [question(horizon=1), question(horizon=3)]
    told: list[tuple[int, int]] = []
    answers = NVPPredictor().batch(asked, lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]
    for one, answer in zip(asked, answers, strict=True):
        assert torch.equal(NVPPredictor().forecast(one).mean, answer.mean)


def test_a_stream_forecasts_after_every_frame() -> None:
    asked = question(frames=6, horizon=1)
    stream = NVPPredictor().stream(replace(asked, frames=asked.frames[:2]))
    for index in range(2, 5):
        forecast = stream.push(asked.frames[index])
        assert forecast.track == "solver"
        torch.testing.assert_close(forecast.mean[0], asked.frames[index + 1], rtol=0, atol=1e-4)
    with pytest.raises(FieldShapeError, match="this stream has"):
        stream.push(asked.frames[0, :1])


def test_a_closure_is_offered_only_for_the_problem_it_was_trained_on() -> None:
    solver = Burgers(Grid(16), 0.02, viscosity=2e-2)
    closure = LearnedFlux(solver, width=8, levels=1)
    closure.gate = Gate(0.0, 1.0)
    predictor = NVPPredictor({"burgers": Predictor(solver, closure=closure)})
    asked = question()
    assert "learned_flux" in predictor.forecast(asked).certificate.residuals
    other = replace(asked, coefficients={"viscosity": 3e-2})
    assert "learned_flux" not in predictor.forecast(other).certificate.residuals


def test_an_unnamed_linear_law_is_found_mode_by_mode() -> None:
    case = make_case("advection_diffusion", cells=16)
    states = [case.state]
    for _ in range(7):
        states.append(case.solver.advance(states[-1]))
    # The wind that is told points the wrong way, and nothing may be inferred.
    asked = FieldQuestion(
        torch.stack(states[:5]), "advection_diffusion", 0.02, 2, coefficients={"wind_x": -1.0, "wind_y": 0.0}
    )
    forecast = NVPPredictor().forecast(asked)
    assert forecast.track == "vector"
    torch.testing.assert_close(forecast.mean[1], states[6], rtol=0, atol=1e-3)
    assert forecast.certificate.energy_fidelity is not None
    assert forecast.certificate.energy_fidelity > 1 - 1e-12


def test_bad_questions_are_refused_with_the_field_named() -> None:
    predictor, asked = NVPPredictor(), question()
    with pytest.raises(UnknownDomainError, match="magnetism"):
        predictor.forecast(replace(asked, domain="magnetism"))
    with pytest.raises(CoefficientError, match="viscosity of burgers is -1"):
        predictor.forecast(replace(asked, coefficients={"viscosity": -1.0}))
    with pytest.raises(CoefficientError, match="no field 'bed'"):
        predictor.forecast(replace(asked, fields={"bed": torch.zeros(16, 16)}))
    with pytest.raises(FieldShapeError, match="square"):
        predictor.forecast(replace(asked, frames=asked.frames[..., :8]))
    broken = asked.frames.clone()
    broken[-1, 0, 0, 0, 0] = torch.nan
    with pytest.raises(FieldError, match="velocity"):
        predictor.forecast(replace(asked, frames=broken))
