"""Coefficients of a known equation are found from a few noisy frames, with honest error bars."""

import math

import pytest
import torch
from torch import Tensor

from industriverse.nvp.field_errors import InferenceError
from industriverse.nvp.grid import Grid
from industriverse.nvp.inference import infer_coefficients
from industriverse.nvp.metrics import vrmse
from industriverse.nvp.solvers.base import Solver
from industriverse.nvp.solvers.burgers import Burgers
from industriverse.nvp.solvers.heat import HeterogeneousHeat
from industriverse.nvp.solvers.navier_stokes import NavierStokes
from nvp_fields.cases import make_case

BATCH = 6


def random_waves(cells: int, generator: torch.Generator) -> Tensor:
    """Truncated Fourier fields |k| <= 4 of unit maximum, (batch, 1, cells, cells)."""
    spectrum = torch.zeros(BATCH, cells, cells // 2 + 1, dtype=torch.complex128)
    spectrum[:, :5, 1:5] = torch.randn(BATCH, 5, 4, dtype=torch.complex128, generator=generator)
    spectrum[:, -4:, 1:5] = torch.randn(BATCH, 4, 4, dtype=torch.complex128, generator=generator)
    field: Tensor = torch.fft.irfft2(spectrum, s=(cells, cells))
    return torch.div(field, field.abs().amax(dim=(1, 2), keepdim=True))[:, None]


def trajectories(domain: str, frames: int) -> tuple[Solver, Tensor, Tensor]:
    """A solver with wrong viscosity at 32², truth from 64², true viscosities."""
    generator = torch.Generator().manual_seed(7)
    spread = 10 ** (0.7 * torch.rand(BATCH, dtype=torch.float64, generator=generator) - 0.35)
    state = random_waves(64, generator)
    if domain == "burgers":
        solver: Solver = Burgers(Grid(32), 0.02, viscosity=4e-3)
        truth: Solver = Burgers(Grid(64), 0.02, viscosity=4e-3 * spread)
    else:
        state = torch.cat([5 * state, torch.ones_like(state)], dim=1)
        solver = NavierStokes(Grid(32), 0.05, viscosity=2e-3)
        truth = NavierStokes(Grid(64), 0.05, viscosity=2e-3 * spread)
    states = [state]
    for _ in range(frames):
        states.append(truth.advance(states[-1]))
    return solver, torch.stack(states)[..., ::2, ::2], truth.coefficients["viscosity"]


def noisy(frames: Tensor, level: float) -> Tensor:
    generator = torch.Generator().manual_seed(8)
    spread = frames.std(dim=(-2, -1), keepdim=True).mean(dim=0, keepdim=True)
    noise = torch.randn(frames.shape, dtype=torch.float64, generator=generator)
    return frames + level * spread * (noise - noise.mean(dim=(-2, -1), keepdim=True))


@pytest.mark.parametrize(
    ("domain", "level", "admissible_ratio"),
    [("burgers", 0.01, 1.3), ("burgers", 0.03, 1.3), ("navier_stokes", 0.01, 2.0)],
)
def test_unknown_viscosity_forecasts_nearly_as_well_as_the_true_one(
    domain: str, level: float, admissible_ratio: float
) -> None:
    solver, frames, true = trajectories(domain, 16)
    seen = noisy(frames, level)
    found = infer_coefficients(
        solver, seen[:5], ["viscosity"], watched=["velocity" if domain == "burgers" else "vorticity"]
    )
    wrong_by = (found.values["viscosity"].log10() - true.log10()).abs()
    # nvp.md reports a median of 0.006 at a prior spread of 0.18.
    assert float(wrong_by.median()) < 0.006
    # Five standard errors for six samples, as the embedded estimate bounds but does not sign the bias.
    sigma = (found.values["viscosity"].log() - true.log()).abs() / found.standard_error["viscosity"]
    assert float(sigma.max()) < 5
    assert bool(found.identified["viscosity"].all())

    def error_of(viscosity: Tensor) -> float:
        stepper, state = solver.with_coefficients(viscosity=viscosity), seen[4]
        for _ in range(12):
            state = stepper.advance(state)
        return float(vrmse(state[:, :1], frames[16, :, :1]).mean())

    known = error_of(true)
    assert error_of(found.values["viscosity"]) <= admissible_ratio * known
    assert error_of(torch.full_like(true, float(solver.coefficients["viscosity"]))) > 4 * known


@pytest.mark.parametrize(
    ("domain", "wrong"),
    [
        ("heat", {"scale": 3.0}),
        ("advection_diffusion", {"wind_x": 0.2, "wind_y": 0.9, "diffusivity": 1e-2}),
        ("wave", {"scale": 0.8}),
        ("cahn_hilliard", {"mobility": 0.3, "gamma": 5e-3}),
        ("allen_cahn", {"mobility": 2.5, "gamma": 6e-3}),
        ("gray_scott", {"feed": 0.02, "kill": 0.1}),
        ("shallow_water", {"gravity": 4.0}),
        ("fokker_planck", {"diffusivity": 0.3, "beta": 0.8}),
    ],
)
def test_clean_frames_give_the_coefficients_back(domain: str, wrong: dict[str, float]) -> None:
    case = make_case(domain, cells=16)
    states = [case.state]
    for _ in range(3):
        states.append(case.solver.advance(states[-1]))
    found = infer_coefficients(
        case.solver.with_coefficients(**wrong), torch.stack(states), list(wrong), iterations=20
    )
    for name in wrong:
        true = float(case.solver.coefficients[name])
        torch.testing.assert_close(
            found.values[name], torch.full((2,), true, dtype=torch.float64), rtol=2e-3, atol=1e-4
        )
    assert float(found.misfit.max()) < 1e-3


def test_a_medium_of_its_own_for_every_sample_is_no_obstacle() -> None:
    generator = torch.Generator().manual_seed(3)
    medium = 0.05 + 0.1 * torch.rand(3, 1, 16, 16, dtype=torch.float64, generator=generator)
    solver = HeterogeneousHeat(Grid(16), 0.02, conductivity=medium)
    state = 1 + 0.5 * torch.rand(3, 1, 16, 16, dtype=torch.float64, generator=generator)
    frames = [state]
    for _ in range(3):
        frames.append(solver.advance(frames[-1]))
    found = infer_coefficients(solver.with_coefficients(scale=2.0), torch.stack(frames), ["scale"])
    torch.testing.assert_close(found.values["scale"], torch.ones(3, dtype=torch.float64), rtol=1e-4, atol=0)


def test_a_coefficient_that_the_frames_cannot_tell_is_said_to_be_unidentified() -> None:
    case = make_case("allen_cahn", cells=16)
    flat = torch.full((2, 1, 16, 16), 0.3, dtype=torch.float64)
    frames = torch.stack([flat, case.solver.advance(flat), case.solver.advance(case.solver.advance(flat))])
    generator = torch.Generator().manual_seed(0)
    frames = frames + 1e-3 * torch.randn(frames.shape, dtype=torch.float64, generator=generator)
    found = infer_coefficients(case.solver, frames, ["mobility", "gamma"], modes=2)
    assert bool(found.identified["mobility"].all())
    assert float(found.standard_error["gamma"].min()) > 10 * float(found.standard_error["mobility"].max())


def test_the_solver_is_differentiable_in_its_coefficients() -> None:
    case = make_case("burgers", cells=16)
    viscosity = torch.tensor(2e-2, dtype=torch.float64, requires_grad=True)
    loss = case.solver.with_coefficients(viscosity=viscosity).advance(case.state).square().sum()
    gradient = torch.autograd.grad(loss, viscosity)[0]
    step = 1e-6
    both = [
        case.solver.with_coefficients(viscosity=2e-2 + sign * step).advance(case.state).square().sum()
        for sign in (1, -1)
    ]
    assert float(gradient) == pytest.approx(float(both[0] - both[1]) / (2 * step), rel=1e-5)
    assert math.isfinite(float(gradient))


def test_frames_that_cannot_be_inferred_from_are_refused() -> None:
    case = make_case("burgers", cells=16)
    with pytest.raises(InferenceError, match="time >= 2"):
        infer_coefficients(case.solver, case.state[None], ["viscosity"])
    with pytest.raises(InferenceError, match="do not change"):
        infer_coefficients(case.solver, torch.stack([case.state, case.state]), ["viscosity"])
    moving = torch.stack([case.state, case.solver.advance(case.state)])
    with pytest.raises(InferenceError, match="coefficients of burgers: viscosity"):
        infer_coefficients(case.solver, moving, ["drag"])
    with pytest.raises(InferenceError, match="channels: velocity"):
        infer_coefficients(case.solver, moving, ["viscosity"], watched=["pressure"])
