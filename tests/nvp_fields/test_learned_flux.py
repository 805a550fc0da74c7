"""Learned fluxes cannot break conservation or the second law, whatever their weights."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from industriverse.nvp.field_errors import CoefficientError, FieldShapeError, FieldValueError
from industriverse.nvp.flux_network import DissipativeFlow, FluxNetwork, straight_through_positive
from industriverse.nvp.grid import Boundary, Grid
from industriverse.nvp.learned_flux import Gate, LearnedFlux, calibrate_gate
from nvp_fields.cases import make_case


def randomise(module: nn.Module, seed: int, size: float = 0.3) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(size * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))


def rough_field(cells: int, dtype: torch.dtype, seed: int) -> Tensor:
    noise = torch.rand(1, 1, cells, cells, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return (1 + 0.9 * (2 * noise - 1)).to(dtype)


def relax(
    cells: int, boundary: Boundary, dtype: torch.dtype, seed: int, steps: int
) -> tuple[int, float, Tensor]:
    """Entropy decreases, worst drift over A_E and the last state of an untrained flow."""
    flow = DissipativeFlow(Grid(cells, 1.0, boundary), width=8, levels=1)
    randomise(flow, seed)
    flow = flow.to(dtype)
    state = rough_field(cells, dtype, seed)
    total, amplitude = state.double().sum(), (state.double() - state.double().mean()).abs().sum()
    entropy, decreases, drift = state.double().log().sum(), 0, 0.0
    with torch.no_grad():
        for _ in range(steps):
            state = flow(state)
            reached = state.double().log().sum()
            decreases += int(reached < entropy)
            entropy = reached
            drift = max(drift, float((state.double().sum() - total).abs() / amplitude))
    return decreases, drift, state


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-13)], ids=["float32", "float64"]
)
def test_untrained_weights_keep_energy_and_never_lower_entropy_in_2000_steps(
    dtype: torch.dtype, tolerance: float
) -> None:
    decreases, drift, _ = relax(64, "periodic", dtype, 0, 2000)
    assert decreases == 0
    assert drift <= tolerance


@given(seed=st.integers(0, 2**31), boundary=st.sampled_from(["periodic", "wall"]))
@settings(max_examples=12, deadline=None)
def test_any_weights_obey_the_laws_and_the_maximum_principle(seed: int, boundary: Boundary) -> None:
    start = rough_field(16, torch.float64, seed)
    decreases, drift, state = relax(16, boundary, torch.float64, seed, 60)
    assert decreases == 0
    assert drift < 1e-13
    assert float(state.min()) >= float(start.min())
    assert float(state.max()) <= float(start.max())


@pytest.mark.parametrize("domain", ["heat", "navier_stokes", "burgers", "cahn_hilliard", "wave"])
def test_zero_initialised_flux_returns_the_solver_to_the_bit(domain: str) -> None:
    case = make_case(domain, cells=16)
    closure = LearnedFlux(case.solver, width=8, levels=1)
    closure.gate = Gate(0.0, 1.0)
    expected = case.solver.sharper().advance(case.state)
    # A reconciled frame may differ from the solver's by the rounding of its own guard.
    torch.testing.assert_close(closure(case.state).state, expected, rtol=0, atol=1e-13)
    closure.gate = Gate()
    randomise(closure, 1)
    assert torch.equal(closure(case.state).state, expected)


@pytest.mark.parametrize(
    "domain", ["heat", "navier_stokes", "burgers", "cahn_hilliard", "wave", "fokker_planck"]
)
def test_an_open_gate_with_random_weights_still_conserves_and_obeys(domain: str) -> None:
    case = make_case(domain, cells=16)
    closure = LearnedFlux(case.solver, width=8, levels=1)
    randomise(closure, 2, 0.5)
    closure.gate = Gate(0.0, 1.0)
    state = case.state
    start, entropy = case.solver.invariants(state), case.solver.entropy(state)
    spoke = 0
    hindsight = torch.full((2,), 0.02)
    with torch.no_grad():
        for _ in range(25):
            slack = case.solver.entropy_slack(state)
            frame = closure(state, hindsight=hindsight)
            state = case.solver.check(frame.state)
            spoke += int((frame.opening > 0).sum())
            if entropy is not None:
                reached = case.solver.entropy(state)
                assert reached is not None
                assert bool((reached >= entropy - slack).all())
                entropy = reached
    assert spoke > 0
    for name, value in case.solver.invariants(state).items():
        drift = (value - start[name]).abs() / (case.amplitude * case.solver.grid.cell_area)
        assert float(drift.max()) < 1e-12, name


def test_the_correction_never_moves_more_than_the_estimated_error() -> None:
    case = make_case("burgers", cells=16)
    closure = LearnedFlux(case.solver, width=8, levels=1)
    randomise(closure, 3, 2.0)
    for parameter in closure.network.body.leave.parameters():
        parameter.data[8:] = -10.0
    pair = case.solver.estimate(case.state)
    flux = closure.flux(case.state, pair.state, pair.difference, pair.relative)
    moved = case.solver.grid.divergence(flux)[:, 0].abs().amax(dim=(1, 2))
    spread = pair.state.std(dim=(1, 2, 3), unbiased=False)
    easing = pair.relative * 4 * 0.24 * pair.state.abs().amax(dim=(1, 2, 3)) * 2
    assert bool((moved <= pair.relative * spread + easing).all())


def test_the_gate_stays_closed_for_a_harmful_flux() -> None:
    case = make_case("burgers", cells=16)
    closure = LearnedFlux(case.solver, width=8, levels=1)
    randomise(closure, 4, 1.0)
    states = [case.state]
    exact = case.solver.with_refinement(8)
    for _ in range(6):
        states.append(exact.advance(states[-1]))
    assert calibrate_gate(closure, torch.stack(states)) == Gate()
    assert torch.equal(closure(case.state).state, case.solver.sharper().advance(case.state))


def test_the_gate_is_a_threshold_on_the_estimate() -> None:
    opening = Gate(1e-3, 0.5).opening(torch.tensor([1e-4, 1e-3, 1.0]))
    assert opening.tolist() == [0.0, 0.5, 0.5]
    assert math.isinf(Gate().threshold)


def test_a_head_at_zero_can_still_open() -> None:
    value = torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    gradient = torch.autograd.grad(straight_through_positive(value).sum(), value)[0]
    assert gradient.tolist() == [1.0, 1.0, 1.0]


def test_bad_networks_and_states_are_refused() -> None:
    with pytest.raises(CoefficientError, match="multiple of 4"):
        FluxNetwork(1, 1, width=6)
    with pytest.raises(FieldShapeError, match="multiple of 8"):
        FluxNetwork(1, 1, width=8)(torch.zeros(1, 1, 12, 12))
    with pytest.raises(FieldValueError, match="positive"):
        DissipativeFlow(Grid(16), width=8, levels=1)(torch.zeros(1, 1, 16, 16))
