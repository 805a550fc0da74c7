"""Solvers against closed-form solutions and against themselves on finer grids."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from industriverse.nvp.grid import Boundary, Grid
from industriverse.nvp.solvers.advection_diffusion import AdvectionDiffusion
from industriverse.nvp.solvers.allen_cahn import AllenCahn
from industriverse.nvp.solvers.base import Solver
from industriverse.nvp.solvers.burgers import Burgers
from industriverse.nvp.solvers.cahn_hilliard import CahnHilliard
from industriverse.nvp.solvers.fokker_planck import FokkerPlanck
from industriverse.nvp.solvers.gray_scott import GrayScott
from industriverse.nvp.solvers.heat import HeterogeneousHeat
from industriverse.nvp.solvers.navier_stokes import NavierStokes
from industriverse.nvp.solvers.shallow_water import ShallowWater
from industriverse.nvp.solvers.wave import Wave
from nvp_fields.cases import make_case

DOUBLE = torch.float64


def run(solver: Solver, state: Tensor, frames: int) -> Tensor:
    for _ in range(frames):
        state = solver.advance(state)
    return state


def mode(grid: Grid, x_waves: float, y_waves: float = 0.0) -> Tensor:
    """cos(2 pi kx x) cos(2 pi ky y), (1, 1, cells, cells)."""
    x, y = grid.coordinates()
    scale = 2 * math.pi / grid.length
    return (torch.cos(scale * x_waves * x) * torch.cos(scale * y_waves * y))[None, None]


@pytest.mark.parametrize(("boundary", "waves"), [("periodic", 1.0), ("wall", 0.5)])
def test_a_heat_mode_decays_at_its_rate(boundary: Boundary, waves: float) -> None:
    grid = Grid(32, 1.0, boundary)
    start = 1 + 0.5 * mode(grid, waves)
    found = run(HeterogeneousHeat(grid, 0.02, conductivity=0.1), start, 10)
    # Eigenvalue of the discrete operator: what is left is the error in time of RKL2.
    rate = 0.1 * (2 / grid.spacing * math.sin(math.pi * waves * grid.spacing)) ** 2
    torch.testing.assert_close(found, 1 + 0.5 * math.exp(-0.2 * rate) * mode(grid, waves), rtol=0, atol=2e-4)


def test_a_plume_in_uniform_wind_moves_and_spreads_as_a_gaussian() -> None:
    grid, time_s, spread, wind, diffusivity = Grid(64, 4.0), 0.5, 0.05, (0.8, -0.4), 0.02
    x, y = grid.coordinates()

    def gaussian(t: float) -> Tensor:
        width = spread + 2 * diffusivity * t
        square = (x - 1.5 - wind[0] * t) ** 2 + (y - 2.3 - wind[1] * t) ** 2
        return (spread / width * torch.exp(-square / (2 * width)))[None, None]

    solver = AdvectionDiffusion(grid, time_s / 5, wind_x=wind[0], wind_y=wind[1], diffusivity=diffusivity)
    torch.testing.assert_close(run(solver, gaussian(0), 5), gaussian(time_s), rtol=0, atol=1e-9)
    volumes = AdvectionDiffusion(
        grid, time_s / 5, wind_x=wind[0], wind_y=wind[1], diffusivity=diffusivity, scheme="finite_volume"
    )
    assert float((run(volumes, gaussian(0), 5) - gaussian(time_s)).abs().max()) < 0.03


def test_a_standing_wave_returns_after_its_period() -> None:
    grid = Grid(32, 1.0, "wall")
    solver = Wave(grid, 2 / 40)
    start = torch.cat([mode(grid, 0.5), torch.zeros(1, 1, 32, 32, dtype=DOUBLE)], dim=1)
    torch.testing.assert_close(run(solver, start, 40), start, rtol=0, atol=2e-5)


def test_a_burgers_shock_follows_the_cole_hopf_solution() -> None:
    grid, viscosity, time_s = Grid(64), 0.02, 0.3
    x, y = grid.coordinates()
    wave = 2 * math.pi

    # u = w(x + y, 2 t) with w_t + w w' = nu w'' and w = -2 nu (ln phi)', phi a heat solution.
    def exact(t: float) -> Tensor:
        decay = 0.9 * math.exp(-viscosity * wave**2 * 2 * t)
        phase = wave * (x + y)
        return (2 * viscosity * wave * decay * torch.sin(phase) / (1 + decay * torch.cos(phase)))[None, None]

    found = run(Burgers(grid, time_s / 10, viscosity=viscosity), exact(0.0), 10)
    assert float((found - exact(time_s)).norm() / exact(time_s).norm()) < 2e-5


def test_a_single_vortex_mode_decays_and_heats_the_fluid() -> None:
    grid, viscosity, time_s = Grid(32), 2e-3, 2.0
    vorticity = 4 * mode(grid, 1, 1)
    solver = NavierStokes(grid, 0.1, viscosity=viscosity, conductivity=1e-3)
    found = run(solver, torch.cat([vorticity, torch.ones_like(vorticity)], dim=1), 20)
    rate = viscosity * 2 * (2 * math.pi) ** 2
    torch.testing.assert_close(found[:, :1], vorticity * math.exp(-rate * time_s), rtol=0, atol=1e-9)
    kinetic = float(solver.kinetic_energy(vorticity))
    lost = kinetic * (1 - math.exp(-2 * rate * time_s))
    assert float(grid.integral(found[:, 1])) - 1.0 == pytest.approx(lost, rel=1e-9)


def test_forcing_does_the_work_that_is_booked() -> None:
    grid = Grid(32)
    x, y = grid.coordinates()
    forcing = 0.5 * (torch.sin(2 * math.pi * (x + y)) + torch.cos(2 * math.pi * (x + y)))
    solver = NavierStokes(grid, 0.02, forcing=forcing, viscosity=2e-3)
    state = torch.cat([2 * mode(grid, 1, 2), torch.ones(1, 1, 32, 32, dtype=DOUBLE)], dim=1)
    start = float(solver.kinetic_energy(state) + grid.integral(state[:, 1]))
    work = 0.0
    for _ in range(20):
        after = solver.advance(state)
        work += float(solver.work(state, after))
        state = after
    end = float(solver.kinetic_energy(state) + grid.integral(state[:, 1]))
    assert end - start == pytest.approx(work, rel=1e-9)
    assert work > 1e-4


def test_a_spinodal_mode_grows_at_its_linear_rate() -> None:
    grid, gamma, mobility = Grid(32, 1.0, "wall"), 2e-3, 1e-2
    k2 = (2 * math.pi) ** 2
    growth = mobility * (k2 - gamma * k2**2)
    start = 1e-5 * mode(grid, 1)
    found = run(CahnHilliard(grid, 0.05, mobility=mobility, gamma=gamma), start, 20)
    torch.testing.assert_close(found, start * math.exp(growth), rtol=1e-6, atol=1e-12)


def test_allen_cahn_follows_the_logistic_law_and_keeps_its_flat_front() -> None:
    grid, gamma = Grid(64, 2.0, "wall"), 4e-3
    flat = torch.full((1, 1, 64, 64), 0.2, dtype=DOUBLE)
    found = run(AllenCahn(grid, 0.05, gamma=gamma), flat, 20)
    assert float(found.mean()) == pytest.approx(1 / math.sqrt(1 + (1 / 0.04 - 1) * math.exp(-2.0)), abs=1e-6)
    x, _ = grid.coordinates()
    front = torch.tanh((x - 1.0) / math.sqrt(2 * gamma)).expand(64, 64)[None, None]
    torch.testing.assert_close(run(AllenCahn(grid, 0.1, gamma=gamma), front, 10), front, rtol=0, atol=1e-5)


def test_a_stirred_gray_scott_reactor_follows_its_rate_equations() -> None:
    grid = Grid(8)
    start = torch.tensor([0.7, 0.3], dtype=DOUBLE)[None, :, None, None].expand(1, 2, 8, 8)
    found = run(GrayScott(grid, 1.0), start, 20)[0, :, 0, 0].numpy()

    def rate(_: float, c: np.ndarray) -> list[float]:
        reaction = c[0] * c[1] ** 2
        return [-reaction + 0.04 * (1 - c[0]), reaction - 0.1 * c[1]]

    exact = solve_ivp(rate, (0, 20), [0.7, 0.3], rtol=1e-10, atol=1e-12).y[:, -1]
    np.testing.assert_allclose(found, exact, atol=1e-5)


def test_gray_scott_books_what_was_fed_and_washed_out() -> None:
    case = make_case("gray_scott", "wall")
    assert isinstance(case.solver, GrayScott)
    change = case.solver.grid.integral(case.solver.density(case.solver.advance(case.state)))
    change = change - case.solver.grid.integral(case.solver.density(case.state))
    torch.testing.assert_close(change, case.solver.supplied(case.state), rtol=5e-5, atol=1e-7)


def test_a_dam_break_matches_stokers_solution() -> None:
    grid, gravity, time_s = Grid(64, 10.0, "wall"), 9.81, 0.6
    x, _ = grid.coordinates()
    depth = torch.where(x < 5, 2.0, 1.0).expand(64, 64).to(DOUBLE)[None, None]
    still = torch.zeros_like(depth)
    found = run(ShallowWater(grid, time_s / 6), torch.cat([depth, still, still], dim=1), 6)
    # Stoker (Water Waves, 1957, §10.8): middle state from the shock and rarefaction relations.
    left, right = math.sqrt(gravity * 2.0), math.sqrt(gravity)
    low, high = 1.0, 2.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        shock = (middle - 1.0) * math.sqrt(0.5 * gravity * (1 / middle + 1.0))
        fan = 2 * (left - math.sqrt(gravity * middle))
        low, high = (middle, high) if shock < fan else (low, middle)
    speed = 2 * (left - math.sqrt(gravity * middle))
    front = 5 + time_s * middle * speed / (middle - 1.0)
    tail, head = 5 - left * time_s, 5 + (speed - math.sqrt(gravity * middle)) * time_s
    inside = ((2 * left - (x - 5) / time_s) / 3) ** 2 / gravity
    exact = torch.where(x < tail, 2.0, torch.where(x < head, inside, torch.where(x < front, middle, 1.0)))
    # A shock smeared over two cells of 0.16 m costs 0.016 m; the first-order scheme has 0.040 m.
    assert float((found[0, 0] - exact).abs().mean()) < 0.018
    assert right < left
    assert float(found[:, 2].abs().max()) < 1e-12


def test_a_lake_at_rest_stays_at_rest_over_any_bed() -> None:
    grid = Grid(24, 10.0, "wall")
    bed = torch.rand(24, 24, dtype=DOUBLE, generator=torch.Generator().manual_seed(2)) * 0.6
    depth = (1.0 - bed)[None, None]
    still = torch.zeros_like(depth)
    found = run(ShallowWater(grid, 0.1, bed=bed), torch.cat([depth, still, still], dim=1), 5)
    torch.testing.assert_close(found[:, :1], depth, rtol=0, atol=1e-13)
    assert float(found[:, 1:].abs().max()) < 1e-12


def test_probability_settles_in_the_exact_boltzmann_density() -> None:
    grid = Grid(24, 4.0, "wall")
    x, y = grid.coordinates()
    solver = FokkerPlanck(grid, 0.5, potential=((x - 2) ** 2 - 1) ** 2 + 0.3 * x + (y - 2) ** 2, beta=2.0)
    density = torch.full((1, 1, 24, 24), 1 / 16, dtype=DOUBLE)
    free_energy = [-float(solver.entropy(density))]
    for _ in range(150):
        density = solver.advance(density)
        free_energy.append(-float(solver.entropy(density)))
    assert max(np.diff(free_energy)) < 1e-13
    torch.testing.assert_close(density, solver.boltzmann(), rtol=0, atol=1e-12)


def test_a_density_in_a_parabola_spreads_as_ornstein_and_uhlenbeck() -> None:
    grid = Grid(64, 8.0, "wall")
    x, y = grid.coordinates()
    solver = FokkerPlanck(grid, 0.05, potential=0.5 * ((x - 4) ** 2 + (y - 4) ** 2))
    start = torch.exp(-((x - 5) ** 2 + (y - 4) ** 2) / (2 * 0.25))[None, None]
    start = start / grid.integral(start[:, 0])
    found = run(solver, start, 10)
    mean = float(grid.integral(found[:, 0] * x))
    variance = float(grid.integral(found[:, 0] * (x - mean) ** 2))
    assert mean == pytest.approx(4 + math.exp(-0.5), abs=2e-3)
    assert variance == pytest.approx(1 - 0.75 * math.exp(-1.0), abs=6e-3)


def coarsened(state: Tensor) -> Tensor:
    return 0.25 * sum(state[..., i::2, j::2] for i in (0, 1) for j in (0, 1))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("domain", "boundary"),
    [("heat", "wall"), ("fokker_planck", "wall"), ("shallow_water", "wall")],
)
def test_finite_volumes_converge_at_second_order(domain: str, boundary: Boundary) -> None:
    solutions = []
    for cells in (16, 32, 64):
        case = make_case(domain, boundary, cells=cells)
        solutions.append(run(case.solver, case.state[:1], 3))
    coarse = float((solutions[0] - coarsened(solutions[1])).norm() / 16)
    fine = float((solutions[1] - coarsened(solutions[2])).norm() / 32)
    # Minmod clips smooth extrema, which costs shallow water some of its second order.
    assert math.log2(coarse / fine) > (1.4 if domain == "shallow_water" else 1.8)


@pytest.mark.parametrize(
    "domain", ["burgers", "navier_stokes", "cahn_hilliard", "allen_cahn", "gray_scott", "wave"]
)
def test_spectra_are_converged_on_the_sensor_grid(domain: str) -> None:
    coarse = make_case(domain, "periodic", cells=32)
    fine = make_case(domain, "periodic", cells=64)
    # The same instant on the same band-limited start: sample the fine field where the coarse cells lie.
    rows, columns = fine.solver.grid.wavenumbers()
    shift = (rows + columns) / (2 * math.pi)
    ahead = torch.polar(torch.ones_like(shift), shift * math.pi / 64)
    solution = torch.fft.rfft2(run(fine.solver, fine.state[:1], 3)) * ahead
    sampled = torch.fft.irfft2(solution, s=(64, 64))[..., ::2, ::2]
    found = run(coarse.solver, coarse.state[:1], 3)
    error = (found - sampled).norm() / sampled.norm()
    assert float(error) < 1e-4
