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

CELLS, STEPS = 64, 10


def exponax() -> Any:
    """The library in double precision, or the reason why not."""
    jax = pytest.importorskip(
        "jax", reason="exponax is not installed: pip install 'industriverse[solver-checks]'"
    )
    jax.config.update("jax_enable_x64", True)
    return pytest.importorskip("exponax")


def relative(ours: torch.Tensor, theirs: Any) -> float:
    other = torch.from_numpy(np.array(theirs, dtype=np.float64))
    return float((ours - other).norm() / (other - other.mean()).norm())


def run(solver: Any, state: torch.Tensor) -> torch.Tensor:
    for _ in range(STEPS):
        state = solver.advance(state)
    return state


def test_turbulence_agrees_with_exponax_whose_velocity_has_the_other_sign() -> None:
    library = exponax()
    theirs = library.stepper.NavierStokesVorticity(2, 1.0, CELLS, 0.01, diffusivity=2e-3)
    start = 5 * smooth(Grid(CELLS))
    other = -start.numpy()[None]
    for _ in range(STEPS):
        other = theirs(other)
    for name, channels in (("vorticity", 1), ("navier_stokes", 2)):
        state = torch.stack([start, torch.ones_like(start)][:channels])[None]
        ours = run(solver_class(name)(Grid(CELLS), 0.01, viscosity=2e-3), state)
        assert relative(ours[0, 0], -np.array(other[0])) < 1e-6, name


def test_phase_fields_agree_with_exponax() -> None:
    library = exponax()
    theirs = library.stepper.reaction.AllenCahn(
        2, 1.0, CELLS, 0.01, diffusivity=2e-3, first_order_coefficient=1.0, third_order_coefficient=-1.0
    )
    start = 0.6 * smooth(Grid(CELLS))
    other = start.numpy()[None]
    for _ in range(STEPS):
        other = theirs(other)
    ours = run(solver_class("allen_cahn")(Grid(CELLS), 0.01, gamma=2e-3), start[None, None])
    assert relative(ours[0, 0], other[0]) < 1e-6


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
    ours = solver.with_refinement(8).advance(start[None, None])
    assert relative(ours[0, 0], other) < 1e-5
    assert math.isclose(float(ours.mean()), float(other.mean()), rel_tol=1e-12)
