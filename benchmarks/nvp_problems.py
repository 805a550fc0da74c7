"""Problems and reference trajectories of the NVP benchmark, from frozen seeds."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from industriverse.nvp.grid import Grid
from industriverse.nvp.solvers import solver_class
from industriverse.nvp.solvers.base import Solver

__all__ = ["Problem", "make_problem", "make_truth", "random_waves", "sampled"]

# Domains whose solver carries band-limited point values; the others carry cell means.
BANDED = ("allen_cahn", "burgers", "cahn_hilliard", "gray_scott", "navier_stokes", "vorticity", "wave")
# Domains whose number of substeps does not grow with the grid.
UNTIED = ("allen_cahn", "cahn_hilliard", "gray_scott", "heat", "fokker_planck")


def random_waves(count: int, cells: int, generator: torch.Generator, modes: int = 5) -> Tensor:
    """Truncated Fourier fields of zero mean and unit maximum, (count, cells, cells)."""
    spectrum = torch.zeros(count, cells, cells // 2 + 1, dtype=torch.complex128)
    for row in range(-modes, modes + 1):
        spectrum[:, row, : modes + 1] = torch.randn(
            count, modes + 1, dtype=torch.complex128, generator=generator
        )
    spectrum[:, 0, 0] = 0
    field: Tensor = torch.fft.irfft2(spectrum, s=(cells, cells))
    return torch.div(field, field.abs().amax(dim=(1, 2), keepdim=True))


@dataclass(frozen=True)
class Problem:
    """The sensor's solver, the truth's solver and its start on the fine grid."""

    coarse: Solver
    fine: Solver
    start: Tensor


def make_problem(domain: str, cells: int, ratio: int, count: int, seed: int) -> Problem:
    """Draws starts and media on the fine grid; the sensor grid sees cell means of both."""
    generator = torch.Generator().manual_seed(seed)
    grids = (Grid(cells), Grid(cells * ratio))
    waves = random_waves(count, grids[1].cells, generator)[:, None]
    other = random_waves(count, grids[1].cells, generator)[:, None]
    medium = random_waves(count, grids[1].cells, generator, 3)[:, None]
    chosen = solver_class(domain)

    def both(frame_s: float, field: str = "", values: Tensor | None = None, **rest: float) -> list[Solver]:
        made = []
        for grid in grids:
            fields = {}
            if values is not None:
                fields = {field: values if grid is grids[1] else sampled(values, cells, domain in BANDED)}
            arguments: dict[str, Any] = {**fields, **rest}
            made.append(chosen(grid, frame_s, **arguments))
        return made

    if domain == "heat":
        coarse, fine = both(0.02, "conductivity", 0.1 * torch.exp(1.2 * medium))
        start = 1 + 0.6 * waves
    elif domain == "advection_diffusion":
        coarse, fine = both(0.02, wind_x=1.0, wind_y=0.6, diffusivity=5e-3)
        start = 1 + 0.8 * waves
    elif domain == "wave":
        coarse, fine = both(0.05, "speed", 1 + 0.3 * medium)
        start = torch.cat([waves, 10 * other], dim=1)
    elif domain == "navier_stokes":
        coarse, fine = both(0.05, viscosity=1e-3)
        start = torch.cat([8 * (waves - waves.mean(dim=(-2, -1), keepdim=True)), 1 + 0.4 * other], dim=1)
    elif domain == "vorticity":
        coarse, fine = both(0.05, viscosity=1e-3)
        start = 8 * (waves - waves.mean(dim=(-2, -1), keepdim=True))
    elif domain == "burgers":
        coarse, fine = both(0.02, viscosity=4e-3)
        start = waves
    elif domain == "cahn_hilliard":
        coarse, fine = both(1e-3, gamma=1.5e-3)
        start = 0.6 * waves
    elif domain == "allen_cahn":
        coarse, fine = both(0.1, gamma=1.5e-3)
        start = 0.6 * waves
    elif domain == "gray_scott":
        coarse, fine = both(2.0, diffusivity_u=8e-5, diffusivity_v=4e-5)
        catalyst = 0.25 + 0.2 * waves
        start = torch.cat([1 - catalyst, catalyst], dim=1)
    elif domain == "shallow_water":
        coarse, fine = both(0.01)
        start = torch.cat([1 + 0.3 * medium, 0 * waves, 0 * waves], dim=1)
    else:
        coarse, fine = both(2e-3, "potential", 1.5 * medium, beta=2.0)
        start = 1 + 0.6 * waves
    return Problem(coarse, fine, start)


def sampled(field: Tensor, cells: int, banded: bool) -> Tensor:
    """What the sensor grid sees: band-limited values for spectra, cell means for finite volumes."""
    if not banded:
        return torch.nn.functional.avg_pool2d(field, field.shape[-1] // cells)
    ratio = field.shape[-1] / cells
    fine = Grid(field.shape[-1])
    kx, ky = fine.wavenumbers()
    # From the centre of a fine cell to the centre of the coarse cell that holds it.
    ahead = torch.polar(torch.ones_like(kx + ky), (kx + ky) * 0.5 * (ratio - 1) * fine.spacing)
    half = cells // 2
    spectrum = torch.fft.rfft2(field.double()) * ahead
    kept = torch.zeros(*field.shape[:-2], cells, half + 1, dtype=spectrum.dtype)
    kept[..., :half, :half] = spectrum[..., :half, :half]
    kept[..., -half + 1 :, :half] = spectrum[..., -half + 1 :, :half]
    out: Tensor = torch.fft.irfft2(kept, s=(cells, cells)) / ratio**2
    return out


def make_truth(problem: Problem, frames: int) -> Tensor:
    """Reference on the sensor grid, (frames + 1, batch, channels, cells, cells)."""
    state, states = problem.start, []
    # Where stability does not tie the substep to the grid, the truth would otherwise share the error in
    # time of the sharpened rows and flatter them.
    exact = problem.fine.with_refinement(8 if problem.fine.name in UNTIED else 2)
    for _ in range(frames + 1):
        states.append(sampled(state, problem.coarse.grid.cells, problem.coarse.name in BANDED))
        state = exact.advance(state)
    truth = torch.stack(states)
    if problem.coarse.name in ("navier_stokes", "vorticity"):
        truth[:, :, 0] -= truth[:, :, 0].mean(dim=(-2, -1), keepdim=True)
    return truth
