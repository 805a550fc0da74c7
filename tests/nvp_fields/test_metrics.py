"""The scores convict predictors that do nothing, average or shuffle."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from industriverse.nvp.field_errors import FieldShapeError
from industriverse.nvp.metrics import (
    coverage,
    crps_of_ensemble,
    energy_fidelity,
    entropy_coherence,
    fluctuation,
    flux_fidelity,
    geometric_mean,
    null_predictors,
    score,
    second_law_violations,
    skill,
    vrmse,
)
from nvp_fields.cases import Case, make_case


def reference(domain: str, frames: int = 6) -> tuple[Case, Tensor]:
    case = make_case(domain)
    exact = case.solver.with_refinement(4)
    states = [case.state]
    for _ in range(frames):
        states.append(exact.advance(states[-1]))
    return case, torch.stack(states)


@pytest.mark.parametrize("domain", ["heat", "navier_stokes", "cahn_hilliard"])
def test_fakes_fail_where_the_solver_passes(domain: str) -> None:
    case, truth = reference(domain)
    fakes = {name: score(step, truth, case.solver) for name, step in null_predictors(3).items()}
    solver = score(case.solver.advance, truth, case.solver)
    assert solver.honest()
    assert solver.entropy_coherence > 0.99
    assert solver.violations == 0
    assert not any(card.honest() for card in fakes.values())


def test_persistence_scores_zero_on_everything_that_moves() -> None:
    case, truth = reference("heat")
    card = score(null_predictors(3)["persistence"], truth, case.solver)
    assert card.skill_persistence == 0.0
    assert card.flux_fidelity == 0.0
    assert card.entropy_coherence == 0.0
    # It conserves, which is why energy fidelity alone proves nothing.
    assert card.energy_fidelity == pytest.approx(1.0)


def test_shuffled_pixels_score_zero_or_less() -> None:
    case, truth = reference("heat")
    card = score(null_predictors(3)["shuffled"], truth, case.solver)
    assert card.energy_fidelity == pytest.approx(1.0)
    assert card.entropy_coherence == pytest.approx(0.0, abs=1e-9)
    assert card.skill_persistence < 0
    assert card.flux_fidelity < 0


def test_the_mean_field_overproduces_entropy_and_has_unit_vrmse() -> None:
    case, truth = reference("heat")
    card = score(null_predictors(3)["mean"], truth, case.solver)
    assert card.vrmse_one == pytest.approx(1.0, abs=1e-9)
    assert card.entropy_coherence < 0


def test_a_step_that_creates_energy_or_destroys_entropy_is_caught() -> None:
    case, truth = reference("heat")
    leaky = score(lambda state: case.solver.advance(state) * 1.001, truth, case.solver)
    assert leaky.energy_fidelity < 0.9999
    assert not leaky.honest()

    def sharpening(state: Tensor) -> Tensor:
        mean = state.mean(dim=(-2, -1), keepdim=True)
        return mean + 1.01 * (state - mean)

    lawless = score(sharpening, truth, case.solver)
    assert lawless.violations == 1.0
    assert not lawless.honest()


@given(offset=st.floats(-1e3, 1e3))
@settings(max_examples=25, deadline=None)
def test_adding_a_constant_to_the_energy_changes_no_score(offset: float) -> None:
    rollout = torch.rand(4, 2, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(energy_fidelity(rollout + offset), energy_fidelity(rollout), rtol=0, atol=1e-9)
    torch.testing.assert_close(fluctuation(rollout[0] + offset), fluctuation(rollout[0]), rtol=1e-9, atol=0)
    first, second = rollout[:2, :, None].unbind(0)
    moved = vrmse(first + offset, second + offset)
    torch.testing.assert_close(moved, vrmse(first, second), rtol=1e-9, atol=0)


def test_metered_exchange_is_not_counted_as_a_leak() -> None:
    rollout = (
        torch.rand(1, 2, 8, 8, dtype=torch.float64).expand(3, 2, 8, 8)
        + torch.tensor([0.0, 0.5, 1.0])[:, None, None, None]
    )
    metered = 64 * torch.tensor([0.0, 0.5, 1.0])[:, None].expand(3, 2)
    assert float(energy_fidelity(rollout, metered).min()) == pytest.approx(1.0)
    assert float(energy_fidelity(rollout).max()) < 0


def test_flux_fidelity_is_one_for_the_truth_and_zero_for_no_change() -> None:
    before, after = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(flux_fidelity(before, after, after), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(flux_fidelity(before, before, after), torch.zeros(3, dtype=torch.float64))


def test_entropy_scores_treat_a_missing_number_as_a_violation() -> None:
    truth = torch.ones(5, dtype=torch.float64)
    assert entropy_coherence(torch.full((5,), math.nan), truth) == -math.inf
    assert second_law_violations(torch.tensor([math.nan, 1.0]), torch.ones(2)) == 0.5


def test_crps_rewards_the_right_spread_and_equals_the_error_of_a_point_forecast() -> None:
    generator = torch.Generator().manual_seed(4)
    truth = torch.randn(1, 4000, dtype=torch.float64, generator=generator)
    ensemble = torch.randn(20, 1, 4000, dtype=torch.float64, generator=generator)
    point = torch.zeros(20, 1, 4000, dtype=torch.float64)
    # The CRPS of a standard normal forecast of itself is 1/sqrt(pi); of its mean sqrt(2/pi).
    assert float(crps_of_ensemble(ensemble, truth)) == pytest.approx(1 / math.sqrt(math.pi), abs=0.02)
    assert float(crps_of_ensemble(point, truth)) == pytest.approx(math.sqrt(2 / math.pi), abs=0.03)
    with pytest.raises(FieldShapeError, match="at least 2"):
        crps_of_ensemble(truth[None], truth)


def test_small_scores() -> None:
    assert skill(0.5, 1.0) == 0.5
    assert skill(0.5, 0.0) == -math.inf
    assert geometric_mean(torch.tensor([1.0, 4.0])) == pytest.approx(2.0)
    assert geometric_mean(torch.tensor([1.0, math.nan])) == math.inf
    values = torch.arange(10.0)
    assert coverage(values - 1, values + 1, values + torch.arange(10) % 2 * 2) == 0.5
    with pytest.raises(FieldShapeError, match="same shape"):
        vrmse(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 8, 8))
