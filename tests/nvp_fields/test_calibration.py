"""Bands hold what they promise on trajectories nobody tuned them on, and cheaper bands do not."""

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from industriverse.nvp.calibration import LEVEL, calibrate, normal_quantile
from industriverse.nvp.certificate import FieldForecast
from industriverse.nvp.ensemble import rollout_spread
from industriverse.nvp.grid import Grid
from industriverse.nvp.metrics import coverage, crps_of_normal
from industriverse.nvp.predictor import Predictor
from industriverse.nvp.solvers import solver_class
from industriverse.nvp.solvers.base import Solver
from nvp_fields.cases import make_case

SEEN, AHEAD, COUNT, CELLS = 12, 5, 12, 16


def waves(cells: int, modes: int, generator: torch.Generator) -> Tensor:
    """Random fields of zero mean and unit maximum, (COUNT, 1, cells, cells)."""
    spectrum = torch.zeros(COUNT, cells, cells // 2 + 1, dtype=torch.complex128)
    for row in range(-modes, modes + 1):
        spectrum[:, row, : modes + 1] = torch.randn(
            COUNT, modes + 1, dtype=torch.complex128, generator=generator
        )
    spectrum[:, 0, 0] = 0
    field = torch.fft.irfft2(spectrum, s=(cells, cells))[:, None]
    found: Tensor = field / field.abs().amax(dim=(-2, -1), keepdim=True)
    return found


def averaged(field: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(field, 2)


@dataclass(frozen=True)
class Trial:
    """Held-out heat trajectories whose medium varies below the sensor grid, and the forecast of them."""

    solver: Solver
    seen: Tensor
    ahead: Tensor
    found: FieldForecast

    @property
    def centre(self) -> Tensor:
        return self.found.mean

    @property
    def half(self) -> Tensor:
        assert self.found.upper is not None
        return self.found.upper - self.found.mean


@pytest.fixture(scope="module", params=[0.0, 0.01])
def trial(request: pytest.FixtureRequest) -> Trial:
    generator = torch.Generator().manual_seed(77)
    medium = 0.1 * torch.exp(1.2 * waves(2 * CELLS, 5, generator))
    state = 1 + 0.6 * waves(2 * CELLS, 4, generator)
    fine = solver_class("heat")(Grid(2 * CELLS), 0.01, conductivity=medium)
    coarse = solver_class("heat")(Grid(CELLS), 0.01, conductivity=averaged(medium))
    states = [averaged(state)]
    for _ in range(SEEN + AHEAD - 1):
        state = fine.advance(state)
        states.append(averaged(state))
    frames = torch.stack(states)
    noise = torch.randn(frames.shape, dtype=torch.float64, generator=generator)
    noise = noise - noise.mean(dim=(-2, -1), keepdim=True)
    read = frames + request.param * frames.std(dim=(-2, -1), keepdim=True) * noise
    found = Predictor(coarse).forecast(read[:SEEN], AHEAD, members=12, seed=3)
    return Trial(coarse, read[:SEEN], read[SEEN:], found)


def faults(half: Tensor, trial: Trial) -> list[str]:
    """What is wrong with a band: coverage overall, by horizon and where little or much moves; its spread."""
    found, centre, ahead = [], trial.centre, trial.ahead
    inside = ((ahead - centre).abs() <= half).double()
    if not 0.87 <= float(inside.mean()) <= 0.93:
        found.append("coverage")
    if any(not 0.85 <= float(share) <= 0.95 for share in inside.flatten(1).mean(dim=1)):
        found.append("horizon")
    by_trajectory = inside.transpose(0, 1).flatten(1).mean(dim=1)
    if float(by_trajectory.min()) < 0.75:
        found.append("trajectory")
    deviation = half / normal_quantile(LEVEL)
    skill = float(deviation.square().mean().sqrt() / (ahead - centre).square().mean().sqrt())
    if not 0.8 <= skill <= 1.2:
        found.append("spread")
    if crps_of_normal(centre, deviation, ahead) >= float((ahead - centre).abs().mean()):
        found.append("crps")
    return found


def test_calibrated_bands_hold_87_to_93_percent_at_every_horizon(trial: Trial) -> None:
    assert trial.found.lower is not None
    assert trial.found.upper is not None
    assert coverage(trial.found.lower, trial.found.upper, trial.ahead) == pytest.approx(0.9, abs=0.03)
    assert faults(trial.half, trial) == []


def test_the_spread_of_the_ensemble_alone_is_convicted(trial: Trial) -> None:
    spread = rollout_spread(trial.solver, trial.seen, AHEAD, members=12, seed=3)
    assert "coverage" in faults(normal_quantile(LEVEL) * spread.total().sqrt(), trial)


# Where sensor noise of one level is all there is to miss, a constant width is right: only the clean field convicts.
@pytest.mark.parametrize("trial", [0.0], indirect=True)
def test_a_constant_width_is_convicted_even_when_it_is_told_the_truth(trial: Trial) -> None:
    missed = (trial.ahead - trial.centre).abs()
    told = missed.flatten().quantile(LEVEL)
    constant = told * torch.ones_like(missed)
    assert faults(constant, trial)
    assert "coverage" not in faults(constant, trial)


def test_the_certificate_says_how_and_on_how_many_errors(trial: Trial) -> None:
    band = trial.found.certificate.band
    assert band is not None
    assert band.calibrated
    # Fitted on the first six of twelve frames: six starts, from the sixth frame to the last but one.
    assert band.windows == (6, 5, 4, 3, 2)
    assert band.errors == sum(band.windows) * CELLS**2
    assert len(band.factors) == AHEAD
    assert str(band.errors) in band.text


def test_a_short_history_is_said_to_be_not_calibrated() -> None:
    case = make_case("heat", cells=16)
    frames = [case.state]
    for _ in range(5):
        frames.append(case.solver.advance(frames[-1]))
    short = Predictor(case.solver).forecast(torch.stack(frames[:5]), 2, members=4).certificate.band
    assert short is not None
    assert not short.calibrated
    assert short.text == "not calibrated: 5 frames seen, 6 needed"
    enough = Predictor(case.solver).forecast(torch.stack(frames), 2, members=4).certificate.band
    assert enough is not None
    assert enough.windows == (2,)
    assert "frames 2 to 2 ahead use the factor of frame 1" in enough.text
    assert Predictor(case.solver).forecast(torch.stack(frames), 2).certificate.band is None


def test_each_sample_of_a_batch_is_calibrated_by_its_own_errors() -> None:
    generator = torch.Generator().manual_seed(1)
    solver = solver_class("heat")(Grid(CELLS), 0.01, conductivity=0.1)
    truth = solver.with_coefficients(scale=1.3)
    frames = [1 + 0.3 * waves(CELLS, 3, generator)[:2]]
    for _ in range(7):
        frames.append(torch.cat([solver.advance(frames[-1][:1]), truth.advance(frames[-1][1:])]))
    seen = torch.stack(frames)
    scaling, _ = calibrate(
        lambda past, ahead: rollout_spread(solver, past, ahead, members=4, seed=0), seen, 2
    )
    alone, _ = calibrate(
        lambda past, ahead: rollout_spread(solver, past, ahead, members=4, seed=0), seen[:, :1], 2
    )
    assert scaling is not None
    assert alone is not None
    assert bool((scaling.share[:, 1] > 100 * scaling.share[:, 0]).all())


def test_the_score_of_a_normal_forecast_is_the_known_one() -> None:
    at_the_mean = crps_of_normal(torch.zeros(1), torch.ones(1), torch.zeros(1))
    assert at_the_mean == pytest.approx((math.sqrt(2) - 1) / math.sqrt(math.pi), rel=1e-6)
    assert crps_of_normal(torch.zeros(1), torch.full((1,), 1e-9), torch.ones(1)) == pytest.approx(
        1.0, rel=1e-6
    )
