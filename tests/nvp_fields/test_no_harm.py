"""A forecast that may infer, but need not, is never worse than the solver with the coefficients given."""

import pytest
import torch
from torch import Tensor

from industriverse.nvp.predictor import Predictor
from nvp_fields.cases import Case, make_case

LIMIT = 1.02
# Inference is dear in the others; `benchmarks/nvp.py --harm` has every domain.
DOMAINS = ("advection_diffusion", "allen_cahn", "burgers", "cahn_hilliard", "gray_scott", "heat", "wave")


def noisy(case: Case, noise: float, count: int = 12) -> tuple[Tensor, Tensor]:
    """Frames as sensors read them, and the truth."""
    states = [case.state]
    for _ in range(count - 1):
        states.append(case.solver.advance(states[-1]))
    truth = torch.stack(states)
    error = torch.randn(truth.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    error = error - error.mean(dim=(-2, -1), keepdim=True)
    return truth + noise * truth.std(dim=(-2, -1), keepdim=True) * error, truth


def rms(field: Tensor) -> Tensor:
    return field.square().mean(dim=(-2, -1)).sqrt()


@pytest.mark.parametrize("domain", DOMAINS)
def test_true_coefficients_are_not_left_for_what_noise_suggests(domain: str) -> None:
    case = make_case(domain, cells=16)
    read, truth = noisy(case, 0.01)
    for index, channel in enumerate(case.solver.channels):
        read[:, :, index] = read[:, :, index].clamp_min(channel.minimum)
    names = [name for name, limit in case.solver.coefficient_ranges.items() if limit.positive][:1]
    found = Predictor(case.solver, infer=names).forecast(read[:6], 6)
    solver, state = case.solver.sharper(), read[5]
    for step, true in zip(found.mean, truth[6:], strict=True):
        state = solver.advance(state)
        assert bool((rms(step - true) <= LIMIT * rms(state - true) + 1e-12).all()), found.track


@pytest.mark.parametrize(("domain", "name"), [("burgers", "viscosity"), ("heat", "scale")])
def test_a_coefficient_that_is_wrong_by_a_third_is_still_found_under_noise(domain: str, name: str) -> None:
    case = make_case(domain, cells=16)
    read, _ = noisy(case, 0.01)
    wrong = case.solver.with_coefficients(**{name: 1.33 * float(case.solver.coefficients[name])})
    found = Predictor(wrong, infer=[name]).forecast(read[:6], 2)
    assert found.track == "inferred"
    true = float(case.solver.coefficients[name])
    assert found.certificate.coefficients[name] == pytest.approx(true, rel=0.1)
