"""What every solver of record must do, whatever its equation."""

import pytest
import torch

from industriverse.nvp.field_errors import (
    CoefficientError,
    FieldShapeError,
    FieldValueError,
    StabilityError,
    UnknownDomainError,
)
from industriverse.nvp.grid import Boundary, Grid, minimal_flux
from industriverse.nvp.solvers import DOMAINS, solver_class
from industriverse.nvp.solvers.vorticity import Vorticity
from nvp_fields.cases import IDENTIFIERS, KINDS, make_case, smooth

every_solver = pytest.mark.parametrize(("domain", "boundary"), KINDS, ids=IDENTIFIERS)


def test_every_domain_has_a_case() -> None:
    assert {domain for domain, _ in KINDS} == set(DOMAINS)


# Each cell rounds by eps a frame; twenty frames stay below 1e-6 of A_E in float32, 1e-13 in float64.
@every_solver
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-6)], ids=["float64", "float32"]
)
def test_invariants_hold_and_entropy_never_falls(
    domain: str, boundary: Boundary, dtype: torch.dtype, tolerance: float
) -> None:
    case = make_case(domain, boundary, dtype=dtype)
    solver, state = case.solver, case.state
    start, entropy = solver.invariants(state), solver.entropy(state)
    scale = case.amplitude * solver.grid.cell_area
    for _ in range(20):
        slack = solver.entropy_slack(state)
        state = solver.advance(solver.check(state))
        if entropy is not None:
            reached = solver.entropy(state)
            assert reached is not None
            assert bool((reached >= entropy - slack).all())
            entropy = reached
    assert state.dtype == dtype
    for name, value in solver.invariants(state).items():
        assert float(((value - start[name]).abs() / scale).max()) < tolerance, name


@every_solver
def test_a_frame_is_one_divergence_of_its_flux_plus_the_metered_source(
    domain: str, boundary: Boundary
) -> None:
    case = make_case(domain, boundary)
    rebuilt = case.solver.apply(case.state, case.solver.exchange(case.state))
    torch.testing.assert_close(rebuilt, case.solver.advance(case.state), rtol=1e-11, atol=1e-12)


@every_solver
def test_no_flux_passes_a_wall(domain: str, boundary: Boundary) -> None:
    if boundary == "periodic":
        return
    flux = make_case(domain, boundary).solver.exchange(make_case(domain, boundary).state).flux
    assert float(flux[..., 0, -1, :].abs().max()) == 0.0
    assert float(flux[..., 1, :, -1].abs().max()) == 0.0


@every_solver
def test_the_embedded_estimate_bounds_the_error_of_the_finer_member(domain: str, boundary: Boundary) -> None:
    case = make_case(domain, boundary)
    estimate = case.solver.estimate(case.state)
    finest = case.solver.with_refinement(8).advance(case.state)
    actual = (estimate.state - finest).flatten(1).norm(dim=1)
    claimed = estimate.difference.flatten(1).norm(dim=1)
    assert estimate.difference.shape == case.state.shape
    assert estimate.relative.shape == (2,)
    assert bool((actual <= claimed + 1e-12).all())


@every_solver
def test_float32_agrees_with_float64(domain: str, boundary: Boundary) -> None:
    exact, rough = make_case(domain, boundary), make_case(domain, boundary, dtype=torch.float32)
    difference = rough.solver.advance(rough.state).double() - exact.solver.advance(exact.state)
    spread = exact.state - exact.state.mean(dim=(-2, -1), keepdim=True)
    # Two Fourier derivatives multiply rounding by the square of the largest wavenumber.
    assert float(difference.norm() / spread.norm()) < 1e-5


@every_solver
def test_a_batch_of_coefficients_equals_one_run_for_each(domain: str, boundary: Boundary) -> None:
    case = make_case(domain, boundary)
    name = next(key for key, limit in case.solver.coefficient_ranges.items() if limit.positive)
    base = float(case.solver.coefficients[name])
    both = case.solver.with_coefficients(**{name: torch.tensor([base, 1.1 * base])}).advance(case.state)
    # One batch shares its substeps, so the runs agree to the error of a substep and not to the bit.
    for index, value in enumerate((base, 1.1 * base)):
        alone = case.solver.with_coefficients(**{name: value}).advance(case.state[index : index + 1])
        torch.testing.assert_close(both[index : index + 1], alone, rtol=1e-3, atol=1e-3)


@every_solver
def test_bad_states_are_refused_with_the_channel_named(domain: str, boundary: Boundary) -> None:
    case = make_case(domain, boundary)
    channel = case.solver.channels[0].name
    broken = case.state.clone()
    broken[0, 0, 0, 0] = float("nan")
    with pytest.raises(FieldValueError, match=channel):
        case.solver.check(broken)
    with pytest.raises(FieldShapeError, match="give"):
        case.solver.check(case.state[0])
    with pytest.raises(FieldShapeError, match="float32 or float64"):
        case.solver.check(case.state.half())


@pytest.mark.parametrize("domain", ["heat", "shallow_water", "fokker_planck", "navier_stokes"])
def test_negative_densities_are_refused_with_the_admissible_range(domain: str) -> None:
    case = make_case(domain)
    with pytest.raises(FieldValueError, match="admissible: at least"):
        case.solver.check(-case.state.abs() - 1.0)


def test_bad_coefficients_are_refused_with_the_admissible_range() -> None:
    with pytest.raises(CoefficientError, match="viscosity of burgers is -1"):
        solver_class("burgers")(Grid(16), 0.1, viscosity=-1.0)
    with pytest.raises(CoefficientError, match="its coefficients are: viscosity"):
        solver_class("burgers")(Grid(16), 0.1, drag=1.0)
    with pytest.raises(CoefficientError, match="no 'wall' boundary"):
        solver_class("navier_stokes")(Grid(16, 1.0, "wall"), 0.1)
    with pytest.raises(CoefficientError, match="frame_s"):
        solver_class("wave")(Grid(16), 0.0)
    with pytest.raises(CoefficientError, match="even number"):
        Grid(15)


def test_an_unknown_domain_lists_the_known_ones() -> None:
    with pytest.raises(UnknownDomainError, match="navier_stokes"):
        solver_class("magnetohydrodynamics")


def test_a_frame_that_would_need_endless_substeps_is_refused() -> None:
    with pytest.raises(StabilityError, match="shorten frame_s"):
        solver_class("burgers")(Grid(16), 1e5).advance(smooth(Grid(16))[None, None])


@pytest.mark.parametrize("boundary", ["periodic", "wall"])
def test_the_flux_of_least_norm_reproduces_any_change_of_zero_mean(boundary: Boundary) -> None:
    grid = Grid(16, 2.0, boundary)
    change = torch.randn(3, 1, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    change -= change.mean(dim=(-2, -1), keepdim=True)
    torch.testing.assert_close(-grid.divergence(minimal_flux(change, grid)), change, rtol=0, atol=1e-13)


@pytest.mark.parametrize("boundary", ["periodic", "wall"])
def test_the_compiled_fluxes_of_shallow_water_are_those_that_carry_gradients(boundary: Boundary) -> None:
    case = make_case("shallow_water", boundary)
    state = case.solver.advance(case.state)
    compiled = case.solver.advance(state)
    gravity = case.solver.coefficients["gravity"].clone().requires_grad_()
    traced = case.solver.with_coefficients(gravity=gravity).advance(state)
    assert traced.requires_grad
    torch.testing.assert_close(traced.detach(), compiled, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("forced", [False, True], ids=["free", "forced"])
def test_the_compiled_substeps_of_the_vorticity_are_those_that_carry_gradients(forced: bool) -> None:
    case = make_case("vorticity")
    push = smooth(Grid(24)) if forced else None
    solver = Vorticity(Grid(24), 0.05, forcing=push, viscosity=torch.tensor([2e-3, 1e-3]))
    state = case.state
    for _ in range(2):
        state = solver.advance(state)
    compiled = solver.advance(state)
    viscosity = solver.coefficients["viscosity"].clone().requires_grad_()
    traced = solver.with_coefficients(viscosity=viscosity).advance(state)
    assert traced.requires_grad
    torch.testing.assert_close(traced.detach(), compiled, rtol=1e-12, atol=1e-12)


def test_copies_of_a_solver_share_propagators_only_while_the_coefficients_are_the_same() -> None:
    case = make_case("burgers")
    case.solver.advance(case.state)
    assert case.solver.sharper()._propagators is case.solver._propagators
    other = case.solver.with_coefficients(viscosity=5e-2)
    afresh = solver_class("burgers")(Grid(24), 0.02, viscosity=5e-2)
    assert torch.equal(other.advance(case.state), afresh.advance(case.state))
