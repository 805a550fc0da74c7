"""One smooth, well-resolved problem for every domain and boundary."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from industriverse.nvp.grid import Boundary, Grid
from industriverse.nvp.solvers import solver_class
from industriverse.nvp.solvers.base import Solver

torch.set_num_threads(1)


@dataclass(frozen=True)
class Case:
    """A solver and its start."""

    solver: Solver
    state: Tensor

    @property
    def amplitude(self) -> Tensor:
        """A_E of the start, (batch,)."""
        density = self.solver.density(self.state)
        return (density - density.mean(dim=(1, 2), keepdim=True)).abs().sum(dim=(1, 2))


def coordinates(grid: Grid) -> tuple[Tensor, Tensor]:
    """x and y in units of the side, both (cells, cells)."""
    x, y = grid.coordinates()
    ones = torch.ones(grid.cells, grid.cells, dtype=torch.float64)
    return x / grid.length * ones, y / grid.length * ones


def smooth(grid: Grid) -> Tensor:
    """A smooth field with zero slope on the rim, (cells, cells), about 1 in size, zero mean."""
    x, y = coordinates(grid)
    waves = torch.cos(2 * math.pi * x) * torch.cos(4 * math.pi * y) + 0.6 * torch.cos(2 * math.pi * y)
    return (waves - waves.mean()) / 1.6


def _heat(grid: Grid) -> tuple[Solver, Tensor]:
    x, y = coordinates(grid)
    medium = 0.1 * torch.exp(0.8 * torch.cos(2 * math.pi * x) * torch.cos(2 * math.pi * y))
    return solver_class("heat")(grid, 0.02, conductivity=medium), 1 + 0.6 * smooth(grid)


def _plume(grid: Grid) -> tuple[Solver, Tensor]:
    if grid.boundary == "periodic":
        solver = solver_class("advection_diffusion")(grid, 0.02, wind_x=1.0, wind_y=0.5, diffusivity=2e-3)
        return solver, 1 + 0.8 * smooth(grid)
    x, y = coordinates(grid)
    corner = 0.5 / grid.cells
    swirl = 0.1 * torch.sin(math.pi * (x + corner)) * torch.sin(math.pi * (y + corner))
    solver = solver_class("advection_diffusion")(grid, 0.1, streamfunction=swirl)
    return solver, 1 + 0.8 * smooth(grid)


def _wave(grid: Grid) -> tuple[Solver, Tensor]:
    x, _ = coordinates(grid)
    speed = 1 + 0.3 * torch.cos(2 * math.pi * x)
    start = torch.stack([smooth(grid), 0.5 + smooth(grid).flip(-1)])
    return solver_class("wave")(grid, 0.05, speed=speed), start


def _navier_stokes(grid: Grid) -> tuple[Solver, Tensor]:
    x, y = coordinates(grid)
    waves = torch.cos(2 * math.pi * x) * torch.sin(4 * math.pi * y) + torch.sin(2 * math.pi * (x + y))
    vorticity = 5 * waves
    state = torch.stack([vorticity - vorticity.mean(), 1 + 0.4 * smooth(grid)])
    return solver_class("navier_stokes")(grid, 0.05, viscosity=2e-3), state


def _vorticity(grid: Grid) -> tuple[Solver, Tensor]:
    return solver_class("vorticity")(grid, 0.05, viscosity=2e-3), _navier_stokes(grid)[1][:1]


def _gray_scott(grid: Grid) -> tuple[Solver, Tensor]:
    catalyst = 0.25 + 0.2 * smooth(grid)
    solver = solver_class("gray_scott")(grid, 1.0, diffusivity_u=2e-4, diffusivity_v=1e-4)
    return solver, torch.stack([1 - catalyst, catalyst])


def _shallow_water(grid: Grid) -> tuple[Solver, Tensor]:
    x, _ = coordinates(grid)
    bed = 0.2 * torch.cos(2 * math.pi * x)
    depth = 1 + 0.2 * smooth(grid) - bed
    solver = solver_class("shallow_water")(grid, 0.02, bed=bed)
    return solver, torch.stack([depth, torch.zeros_like(depth), torch.zeros_like(depth)])


def _fokker_planck(grid: Grid) -> tuple[Solver, Tensor]:
    x, y = coordinates(grid)
    wells = 1.5 * torch.cos(4 * math.pi * x) + 0.4 * torch.cos(2 * math.pi * x) + torch.cos(2 * math.pi * y)
    solver = solver_class("fokker_planck")(grid, 0.01, potential=wells, beta=1.5)
    return solver, 1 + 0.5 * smooth(grid)


_MAKERS: dict[str, Callable[[Grid], tuple[Solver, Tensor]]] = {
    "heat": _heat,
    "advection_diffusion": _plume,
    "wave": _wave,
    "navier_stokes": _navier_stokes,
    "vorticity": _vorticity,
    "burgers": lambda grid: (solver_class("burgers")(grid, 0.02, viscosity=2e-2), smooth(grid)),
    "cahn_hilliard": lambda grid: (solver_class("cahn_hilliard")(grid, 2e-3, gamma=2e-3), 0.6 * smooth(grid)),
    "allen_cahn": lambda grid: (solver_class("allen_cahn")(grid, 0.1, gamma=2e-3), 0.6 * smooth(grid)),
    "gray_scott": _gray_scott,
    "shallow_water": _shallow_water,
    "fokker_planck": _fokker_planck,
}

KINDS: list[tuple[str, Boundary]] = [
    (domain, boundary)
    for domain in _MAKERS
    for boundary in ("periodic", "wall")
    if boundary in solver_class(domain).boundaries
]
IDENTIFIERS = [f"{domain}-{boundary}" for domain, boundary in KINDS]


def make_case(
    domain: str, boundary: Boundary = "periodic", *, cells: int = 24, dtype: torch.dtype = torch.float64
) -> Case:
    """The problem of a domain, a batch of two samples of different strength."""
    solver, state = _MAKERS[domain](Grid(cells, 1.0, boundary))
    state = state[None] if state.ndim == 2 else state
    weaker = state.mean(dim=(-2, -1), keepdim=True) + 0.7 * (state - state.mean(dim=(-2, -1), keepdim=True))
    return Case(solver, torch.stack([state, weaker]).to(dtype))
