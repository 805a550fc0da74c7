"""Solvers of record against other people's: exponax and py-pde (the `solver-checks` extra)."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from industriverse.nvp.grid import Grid
from industriverse.nvp.solvers import solver_class
from nvp_fields.cases import smooth

# Their own code warns; what they compute is what counts here.
pytestmark = pytest.mark.filterwarnings("ignore")

FRAMES = 10


def exponax() -> Any:
    """The steppers of the library in double precision, or the reason why not."""
    jax = pytest.importorskip(
        "jax", reason="exponax is not installed: pip install 'industriverse[solver-checks]'"
    )
    jax.config.update("jax_enable_x64", True)
    return pytest.importorskip("exponax").stepper


def relative(ours: torch.Tensor, theirs: Any) -> float:
    other = torch.from_numpy(np.array(theirs, dtype=np.float64))
    spread = (other - other.mean(dim=(-2, -1), keepdim=True)).norm()
    return float((ours - other).norm() / spread)


def ours(
    domain: str, start: torch.Tensor, frame_s: float, refinement: int = 1, **coefficients: float
) -> torch.Tensor:
    """Ten frames of our solver from (channels, cells, cells)."""
    solver = solver_class(domain)(Grid(start.shape[-1]), frame_s, refinement=refinement, **coefficients)
    state = start[None]
    for _ in range(FRAMES):
        state = solver.advance(state)
    return state[0]


def theirs(stepper: Any, start: torch.Tensor, substeps: int = 1) -> Any:
    """As many of theirs, from the same start."""
    state = start.numpy()
    for _ in range(FRAMES * substeps):
        state = stepper(state)
    return np.array(state)


def test_turbulence_agrees_with_exponax_whose_velocity_has_the_other_sign() -> None:
    stepper = exponax().NavierStokesVorticity(2, 1.0, 64, 0.01, diffusivity=2e-3, order=4)
    start = 5 * smooth(Grid(64))[None]
    other = -theirs(stepper, -start)
    assert relative(ours("vorticity", start, 0.01, viscosity=2e-3), other) < 1e-8
    heated = torch.cat([start, torch.ones_like(start)])
    assert relative(ours("navier_stokes", heated, 0.01, 4, viscosity=2e-3)[:1], other) < 1e-8


def test_burgers_agrees_with_exponax_where_the_shocks_are_resolved() -> None:
    # Their products lose a third of the modes, ours none: the sides meet where those modes are empty.
    settings = {"single_channel": True, "conservative": True, "order": 4}
    stepper = exponax().Burgers(2, 1.0, 128, 0.005, diffusivity=1e-2, **settings)
    start = smooth(Grid(128))[None]
    assert relative(ours("burgers", start, 0.01, viscosity=1e-2), theirs(stepper, start, 2)) < 1e-6


def test_phase_fields_agree_with_exponax() -> None:
    reaction = exponax().reaction
    start = 0.6 * smooth(Grid(64))[None]
    settings = {"first_order_coefficient": 1.0, "third_order_coefficient": -1.0, "order": 4}
    stepper = reaction.AllenCahn(2, 1.0, 64, 0.01, diffusivity=2e-3, **settings)
    assert relative(ours("allen_cahn", start, 0.01, gamma=2e-3), theirs(stepper, start)) < 1e-7
    settings = {"first_order_coefficient": -1.0, "third_order_coefficient": 1.0, "order": 4}
    stepper = reaction.CahnHilliard(2, 1.0, 64, 1e-3, diffusivity=1.0, gamma=2e-3, **settings)
    assert relative(ours("cahn_hilliard", start, 1e-3, gamma=2e-3), theirs(stepper, start)) < 1e-5


def test_two_reacting_substances_agree_with_exponax() -> None:
    catalyst = 0.25 + 0.2 * smooth(Grid(64))
    start = torch.stack([1 - catalyst, catalyst])
    rates = {"feed_rate": 0.04, "kill_rate": 0.06}
    stepper = exponax().reaction.GrayScott(
        2, 1.0, 64, 0.125, diffusivity_1=1e-3, diffusivity_2=5e-4, **rates, order=4
    )
    found = ours("gray_scott", start, 1.0, 4, diffusivity_u=1e-3, diffusivity_v=5e-4, feed=0.04, kill=0.06)
    assert relative(found, theirs(stepper, start, 8)) < 1e-5


def test_a_plume_in_a_steady_wind_agrees_with_exponax_to_rounding() -> None:
    wind = np.array([1.0, 0.6])
    stepper = exponax().AdvectionDiffusion(2, 1.0, 64, 0.01, velocity=wind, diffusivity=5e-3)
    start = 1 + 0.5 * smooth(Grid(64))[None]
    found = ours("advection_diffusion", start, 0.01, wind_x=1.0, wind_y=0.6, diffusivity=5e-3)
    assert relative(found, theirs(stepper, start)) < 1e-12


def test_heat_agrees_with_py_pde_between_walls() -> None:
    pde = pytest.importorskip(
        "pde", reason="py-pde is not installed: pip install 'industriverse[solver-checks]'"
    )
    grid = Grid(32, 1.0, "wall")
    start = 1 + 0.5 * smooth(grid)
    field = pde.ScalarField(pde.UnitGrid([32, 32], periodic=False), start.numpy())
    # On unit cells the diffusivity is in cells squared per second.
    equation = pde.DiffusionPDE(diffusivity=0.05 * 32**2, bc={"derivative": 0})
    other = equation.solve(field, t_range=0.02, dt=2e-6, tracker=None, backend="numpy").data
    solver = solver_class("heat")(grid, 0.02, conductivity=0.05)
    found = solver.with_refinement(8).advance(start[None, None])
    assert relative(found[0, 0], other) < 1e-5
    assert math.isclose(float(found.mean()), float(other.mean()), rel_tol=1e-12)
