"""The simulated power grid obeys Kirchhoff, its protection and its dispatcher, and nothing else."""

import pytest

from industriverse.simulation import Command, CommandError, SimulationError
from industriverse.simulation.catalogue import make_operator, make_plant, plain_spec, spec_from_dict
from industriverse.simulation.grid_case import BASE_MVA, BRANCHES, BUSES, GENERATORS, case_digest
from industriverse.simulation.grid_dynamics import NOMINAL_MVAR, NOMINAL_MW, RATING_MVA
from industriverse.simulation.grid_flow import GridFlow
from industriverse.simulation.power_grid import PowerGridPlant
from industriverse.simulation.strikes import Strike

pytest.importorskip("lightsim2grid", reason="the grid simulator's solver is in the extra 'twins'")

START_NS = 1_767_571_200 * 10**9
DAY = 96


def plant(*strikes: Strike, seed: int = 3) -> PowerGridPlant:
    made = make_plant(plain_spec("grid", seed, START_NS, 900, strikes))
    assert isinstance(made, PowerGridPlant)
    return made


@pytest.mark.parametrize("open_branches", [frozenset(), frozenset({9}), frozenset({12}), frozenset({32, 34})])
def test_power_balances_at_every_bus_whatever_is_open(open_branches: frozenset[int]) -> None:
    generation = {position: 20.0 + position for position in range(1, len(GENERATORS))}
    volts = dict.fromkeys(range(len(GENERATORS)), 1.0)
    flow = GridFlow().solve(NOMINAL_MW, NOMINAL_MVAR, generation, volts, open_branches)
    assert flow.converged
    numbers = [row[0] for row in BUSES]
    generator_at = {row[0]: position for position, row in enumerate(GENERATORS)}
    for position, number in enumerate(numbers):
        if position in flow.dark:
            assert flow.voltage[position] == 0
            continue
        leaving = sum(
            flow.from_mva[k] * (a == number) + flow.to_mva[k] * (b == number)
            for k, (a, b, *_) in enumerate(BRANCHES)
        )
        produced = 0.0
        if number in generator_at:
            which = generator_at[number]
            produced = flow.slack_mw if which == 0 else generation[which]
        shunt = BASE_MVA * abs(flow.voltage[position]) ** 2 * BUSES[position][3]
        assert produced - NOMINAL_MW[position] == pytest.approx(leaving.real, abs=1e-6)
        if number not in generator_at:
            assert shunt / BASE_MVA - NOMINAL_MVAR[position] == pytest.approx(leaving.imag, abs=1e-6)
    losses = (flow.from_mva + flow.to_mva).real
    assert (losses >= -1e-9).all(), "no branch gives power away"
    if not flow.dark:
        total = flow.slack_mw + sum(generation.values()) - float(NOMINAL_MW.sum())
        assert total == pytest.approx(float(losses.sum()), abs=1e-6)


def test_a_branch_that_was_cut_leaves_its_island_dark() -> None:
    generation = dict.fromkeys(range(1, len(GENERATORS)), 20.0)
    volts = dict.fromkeys(range(len(GENERATORS)), 1.0)
    only_way = next(k for k, (a, b, *_) in enumerate(BRANCHES) if (a, b) == (25, 26))
    flow = GridFlow().solve(NOMINAL_MW, NOMINAL_MVAR, generation, volts, frozenset({only_way}))
    assert [BUSES[position][0] for position in flow.dark] == [26]


def test_a_grid_cut_off_from_its_balancing_generator_is_dark_and_the_run_goes_on() -> None:
    made = plant(Strike("open_breaker", "line-1-2", 4), Strike("open_breaker", "line-1-3", 4))
    made.advance(8)
    assert made.last is not None
    assert len(made.last.flow.dark) == len(BUSES) - 1
    assert made.last.delivered_mw == 0.0
    assert made.service(4).lost == pytest.approx(made.service(4).requested)


def test_a_clean_day_loses_nothing_and_overloads_nothing() -> None:
    grid = plant()
    worst = 0.0
    for _ in range(DAY):
        grid.advance(1)
        assert grid.last is not None
        worst = max(worst, float((grid.last.flow.loading_mva / RATING_MVA).max()))
    assert grid.service().lost == pytest.approx(0.0, abs=1e-9)
    assert 0.6 < worst < 1.0


def test_equal_specifications_and_commands_give_equal_bits_and_seeds_differ() -> None:
    strike = Strike("set_point", "gen-2", 5, None, 0.0)
    one, two = plant(strike), plant(strike)
    one.advance(20)
    for _ in range(20):
        two.advance(1)
    assert one.digest == two.digest
    other = plant(strike, seed=4)
    other.advance(20)
    assert other.digest != one.digest
    assert spec_from_dict(one.spec.to_dict()) == one.spec


@pytest.mark.parametrize(
    ("strike", "order"),
    [
        (Strike("open_breaker", "line-6-8", 4), ("hold_breaker", "line-6-8")),
        (Strike("voltage", "gen-22", 4, None, 0.9), ("local_voltage", "gen-22")),
        (Strike("bias_load", "dispatch", 4, None, -0.5), ("estimate_load", "dispatch")),
    ],
)
def test_an_attack_costs_service_and_its_remedy_brings_it_back(
    strike: Strike, order: tuple[str, str]
) -> None:
    attacked, helped = plant(strike), plant(strike)
    helped.apply(Command("c", *order))
    attacked.advance(DAY)
    helped.advance(DAY)
    assert attacked.service().lost > 10.0
    assert helped.service().lost < 0.1 * attacked.service().lost


def test_the_operator_sees_what_is_wrong_and_ranks_the_remedy_first() -> None:
    grid = plant(Strike("open_breaker", "line-6-8", 60))
    clean, frame = grid.advance(60), grid.advance(4)
    operator = make_operator(grid.spec)
    operator.observe(frame, clean, ())
    assert operator.doubts[0] == "line-6-8 is open"
    nothing = operator.predict([]).service.lost
    held = operator.predict([Command("c", "hold_breaker", "line-6-8")]).service.lost
    assert held < 0.1 * nothing
    calm = plant()
    clean, frame = calm.advance(60), calm.advance(4)
    operator.observe(frame, clean, ())
    assert operator.doubts == ()


def test_what_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(SimulationError, match="cannot 'open_breaker' 'line-9-9'"):
        plant(Strike("open_breaker", "line-9-9", 0))
    with pytest.raises(SimulationError, match="empty or begins before"):
        Strike("open_breaker", "line-6-8", 5, 5)
    with pytest.raises(SimulationError, match="interval of 7 s"):
        plain_spec("grid", 1, 0, 7)
    with pytest.raises(SimulationError, match="cannot advance by 0"):
        plant().advance(0)
    with pytest.raises(CommandError, match="cannot fly gen-2"):
        plant().apply(Command("c", "fly", "gen-2"))
    assert len(case_digest()) == 64
