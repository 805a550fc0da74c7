"""The predictor picks its track by what happened last, proves what it says and survives the disk."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from industriverse.nvp.ensemble import ensemble_states, noise_level
from industriverse.nvp.field_errors import FieldShapeError, FieldValueError, PredictorError
from industriverse.nvp.inference import infer_coefficients
from industriverse.nvp.learned_flux import Gate, LearnedFlux
from industriverse.nvp.metrics import coverage, crps_of_ensemble
from industriverse.nvp.predictor import Predictor
from industriverse.nvp.weights import FORMAT
from nvp_fields.cases import IDENTIFIERS, KINDS, make_case


def seen_and_coming(domain: str, seen: int = 5, coming: int = 4, noise: float = 0.0) -> tuple[Tensor, Tensor]:
    case = make_case(domain, cells=16)
    states = [case.state]
    exact = case.solver.with_refinement(4)
    for _ in range(seen + coming - 1):
        states.append(exact.advance(states[-1]))
    frames = torch.stack(states)
    generator = torch.Generator().manual_seed(5)
    error = torch.randn(frames.shape, dtype=torch.float64, generator=generator)
    error = error - error.mean(dim=(-2, -1), keepdim=True)
    observed = frames + noise * frames.std(dim=(-2, -1), keepdim=True) * error
    return observed[:seen], frames[seen:]


def error_of(found: Tensor, truth: Tensor) -> float:
    spread = truth - truth.mean(dim=(-2, -1), keepdim=True)
    return float((found - truth).norm() / spread.norm())


@pytest.mark.parametrize(
    ("domain", "wrong"),
    [("heat", {"scale": 2.0}), ("burgers", {"viscosity": 6e-3}), ("wave", {"scale": 0.7})],
)
def test_the_router_infers_when_the_coefficients_are_wrong(domain: str, wrong: dict[str, float]) -> None:
    frames, truth = seen_and_coming(domain)
    solver = make_case(domain, cells=16).solver.with_coefficients(**wrong)
    found = Predictor(solver, infer=tuple(wrong)).forecast(frames, 4)
    assert found.track == "inferred"
    assert found.certificate.track == "inferred"
    residuals = found.certificate.residuals
    assert residuals["inferred"] < residuals["solver"]
    assert error_of(found.mean, truth) < 0.01
    assert set(found.certificate.coefficient_errors) == set(wrong)


def test_the_router_keeps_the_solver_when_nothing_beats_it() -> None:
    frames, truth = seen_and_coming("heat")
    found = Predictor(make_case("heat", cells=16).solver).forecast(frames, 4)
    assert found.track == "solver"
    assert error_of(found.mean, truth) < 1e-3


def test_the_router_prefers_persistence_to_a_law_that_fails() -> None:
    case = make_case("burgers", cells=16)
    still = case.state.expand(5, *case.state.shape)
    found = Predictor(case.solver).forecast(still, 3)
    assert found.track == "persistence"
    assert torch.equal(found.mean[2], case.state)


def test_an_untrained_closure_changes_nothing_and_ties_go_to_the_simpler_track() -> None:
    frames, _ = seen_and_coming("burgers")
    solver = make_case("burgers", cells=16).solver
    found = Predictor(solver, closure=LearnedFlux(solver, width=8, levels=1)).forecast(frames, 2)
    assert found.track == "solver"
    residuals = found.certificate.residuals
    assert residuals["learned_flux"] == residuals["solver"]


@pytest.mark.parametrize(("domain", "boundary"), KINDS, ids=IDENTIFIERS)
def test_every_domain_gives_a_valid_certificate(domain: str, boundary: str) -> None:
    case = make_case(domain, boundary, cells=16)  # type: ignore[arg-type]
    certificate = Predictor(case.solver).forecast(case.state[None], 3).certificate
    assert certificate.valid
    assert certificate.courant <= 1
    assert 0 <= certificate.error_estimate < 0.1
    if case.solver.invariants(case.state):
        assert certificate.energy_fidelity == pytest.approx(1.0, abs=1e-12)


def test_bands_cover_as_promised_and_beat_the_deterministic_error() -> None:
    inside, sharp, blunt = [], [], []
    for domain, names in (("burgers", ["viscosity"]), ("heat", ["scale"]), ("cahn_hilliard", ["mobility"])):
        frames, truth = seen_and_coming(domain, coming=3, noise=0.03)
        solver = make_case(domain, cells=16).solver
        found = Predictor(solver, infer=names).forecast(frames, 3, members=24, seed=1)
        assert found.lower is not None
        assert found.upper is not None
        inside.append(coverage(found.lower, found.upper, truth))
        inference = infer_coefficients(solver, frames, names)
        states = ensemble_states(solver, frames, 3, members=24, seed=1, inference=inference)
        sharp.append(float(crps_of_ensemble(states[:, -1], truth[-1]).mean()))
        blunt.append(float((found.mean[-1] - truth[-1]).abs().mean()))
    # Three small fields with correlated errors: the target is 0.87-0.93 over many, here a wider net.
    assert 0.82 < sum(inside) / len(inside) < 0.97
    assert all(crps < mae for crps, mae in zip(sharp, blunt, strict=True))


def test_noise_is_measured_and_a_clean_field_has_next_to_none() -> None:
    frames, _ = seen_and_coming("burgers", noise=0.03)
    clean, _ = seen_and_coming("burgers")
    solver = make_case("burgers", cells=16).solver
    expected = 0.03 * frames[-1].std(dim=(-2, -1))
    found = noise_level(solver, frames)[..., 0, 0]
    assert bool(((found / expected - 1).abs() < 0.35).all())
    assert float(noise_level(solver, clean).max()) < 0.1 * float(expected.min())


@pytest.mark.parametrize(("domain", "boundary"), KINDS, ids=IDENTIFIERS)
def test_a_saved_predictor_forecasts_the_same_bits(domain: str, boundary: str, tmp_path: Path) -> None:
    case = make_case(domain, boundary, cells=16)  # type: ignore[arg-type]
    name = next(iter(case.solver.coefficient_ranges))
    predictor = Predictor(case.solver, infer=[name], card={"data": "none"})
    digest = predictor.save(tmp_path / "model.safetensors")
    again = Predictor.load(tmp_path / "model.safetensors")
    assert len(digest) == 64
    assert again.infer == (name,)
    assert again.card == {"data": "none"}
    assert torch.equal(again.forecast(case.state[None], 2).mean, predictor.forecast(case.state[None], 2).mean)


def test_a_saved_closure_keeps_its_weights_and_gate(tmp_path: Path) -> None:
    case = make_case("burgers", cells=16)
    closure = LearnedFlux(case.solver, width=8, levels=1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in closure.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    closure.gate = Gate(1e-6, 0.5)
    Predictor(case.solver, closure=closure).save(tmp_path / "model.safetensors")
    again = Predictor.load(tmp_path / "model.safetensors").closure
    assert again is not None
    assert again.gate == closure.gate
    assert torch.equal(again(case.state).state, closure(case.state).state)


def test_foreign_damaged_and_poisoned_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"not a model")
    with pytest.raises(PredictorError, match="cannot be read"):
        Predictor.load(path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(PredictorError, match="format None"):
        Predictor.load(path)
    save_file({"x": torch.zeros(1)}, path, metadata={"format": FORMAT, "header": json.dumps({"cells": 16})})
    with pytest.raises(PredictorError, match="damaged or incomplete"):
        Predictor.load(path)
    save_file({"x": torch.full((1,), torch.nan)}, path, metadata={"format": FORMAT, "header": "{}"})
    with pytest.raises(PredictorError, match="NaN"):
        Predictor.load(path)


def test_the_same_question_is_answered_from_the_cache() -> None:
    frames, _ = seen_and_coming("heat")
    predictor = Predictor(make_case("heat", cells=16).solver)
    first = predictor.forecast(frames, 2)
    assert predictor.forecast(frames.clone(), 2) is first
    assert predictor.forecast(frames + 1e-9, 2) is not first
    assert predictor.forecast(frames, 3) is not first


def test_progress_is_reported_frame_by_frame() -> None:
    case = make_case("heat", cells=16)
    calls: list[tuple[int, int]] = []
    Predictor(case.solver).forecast(case.state[None], 3, progress=lambda done, of: calls.append((done, of)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_bad_questions_are_refused() -> None:
    case = make_case("heat", cells=16)
    predictor = Predictor(case.solver)
    with pytest.raises(PredictorError, match="horizon is 0"):
        predictor.forecast(case.state[None], 0)
    with pytest.raises(PredictorError, match="time, batch"):
        predictor.forecast(case.state, 1)
    with pytest.raises(FieldShapeError, match="heat got a state"):
        predictor.forecast(case.state[None, :, :, :8, :8], 1)
    with pytest.raises(FieldValueError, match="energy_density"):
        predictor.forecast(-case.state[None], 1)
    with pytest.raises(PredictorError, match="no coefficients"):
        Predictor(case.solver, infer=["viscosity"])
