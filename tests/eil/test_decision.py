"""Choosing among actions by expected free energy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from industriverse.eil.decision import DO_NOTHING, DecisionWeights, Option, decide, expected_log_excess
from industriverse.eil.errors import DecisionError

NOTHING = Option(DO_NOTHING, 100.0, 10.0, cost=0.0)
FREE = DecisionWeights()

amounts = st.floats(0.0, 1e6)
options = st.builds(
    Option,
    name=st.just("x"),
    free_energy_kt=amounts,
    free_energy_sd_kt=st.floats(0.0, 1e3),
    loss=amounts,
    cost=st.floats(0.0, 100.0),
    reversible=st.booleans(),
    information_nats=st.floats(0.0, 5.0),
)


def test_the_action_that_brings_equilibrium_back_beats_doing_nothing() -> None:
    verdict = decide([Option("repair", 0.0)], NOTHING)
    assert verdict.best.option.name == "repair"
    assert verdict.clear


def test_an_action_that_changes_nothing_is_not_worth_its_cost() -> None:
    verdict = decide([Option("wave a flag", 100.0, 10.0)], NOTHING)
    assert verdict.best.option.name == DO_NOTHING


def test_of_equal_outcomes_the_one_that_can_be_undone_is_chosen() -> None:
    verdict = decide([Option("cut", 0.0, reversible=False), Option("throttle", 0.0)], NOTHING)
    assert [judged.option.name for judged in verdict.ranking[:2]] == ["throttle", "cut"]


def test_a_closed_door_costs_twice_as_much_where_it_is_certainly_wrong() -> None:
    good = decide([Option("cut", 0.0, reversible=False)], Option(DO_NOTHING, 50.0))
    bad = decide([Option("cut", 99.0, reversible=False)], Option(DO_NOTHING, 50.0))
    price = {judged.option.name: judged.irreversibility for judged in (*good.ranking, *bad.ranking)}
    assert price[DO_NOTHING] == 0.0
    (cheap,) = (judged for judged in good.ranking if judged.option.name == "cut")
    (dear,) = (judged for judged in bad.ranking if judged.option.name == "cut")
    assert dear.irreversibility == pytest.approx(2 * cheap.irreversibility)


def test_what_clean_operation_shows_is_nothing_to_gain() -> None:
    calm = Option(DO_NOTHING, 3.0, cost=0.0)
    verdict = decide([Option("repair", 0.0)], calm, DecisionWeights(ordinary_kt=5.0))
    assert verdict.best.option.name == DO_NOTHING


def test_two_that_cannot_be_told_apart_are_called_unclear() -> None:
    verdict = decide([Option("a", 1.0), Option("b", 1.001)], NOTHING)
    assert not verdict.clear
    assert verdict.margin < FREE.margin_nats


def test_looking_first_is_chosen_where_it_tells_more_than_acting_gains() -> None:
    verdict = decide([Option("look", 90.0, information_nats=3.0), Option("guess", 60.0)], NOTHING)
    assert verdict.best.option.name == "look"


@given(options, options)
def test_the_terms_add_up_and_the_ranking_is_sorted(first: Option, second: Option) -> None:
    renamed = Option(**{field: getattr(second, field) for field in Option.__slots__} | {"name": "y"})
    verdict = decide([first, renamed], NOTHING)
    for judged in verdict.ranking:
        parts = judged.risk + judged.loss + judged.information + judged.cost + judged.irreversibility
        assert judged.expected_free_energy == pytest.approx(parts)
        assert 0.0 <= judged.worse_than_nothing <= 1.0
    totals = [judged.expected_free_energy for judged in verdict.ranking]
    assert totals == sorted(totals) or np.allclose(totals, sorted(totals), atol=1e-9)


@given(st.floats(0, 1e4), st.floats(0, 1e4), st.floats(0, 100))
def test_more_free_energy_is_never_less_risk(lower: float, more: float, sd: float) -> None:
    assert expected_log_excess(lower + more, sd, 5.0) >= expected_log_excess(lower, sd, 5.0) - 1e-9


def test_the_quadrature_agrees_with_sampling() -> None:
    draws = np.random.default_rng(1).normal(40.0, 15.0, 400_000)
    sampled = float(np.log1p(np.maximum(draws - 5.0, 0.0)).mean())
    assert expected_log_excess(40.0, 15.0, 5.0) == pytest.approx(sampled, abs=0.01)


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (Option("a", math.nan), "free_energy_kt of 'a'"),
        (Option("a", 1.0, -1.0), "free_energy_sd_kt of 'a'"),
        (Option("a", 1.0, cost=math.inf), "cost of 'a'"),
        (Option(DO_NOTHING, 1.0), "occurs twice"),
    ],
)
def test_numbers_that_cannot_be_weighed_are_named(bad: Option, named: str) -> None:
    with pytest.raises(DecisionError, match=named):
        decide([bad], NOTHING)


def test_a_loss_scale_of_zero_is_refused() -> None:
    with pytest.raises(DecisionError, match="loss_scale"):
        decide([], NOTHING, DecisionWeights(loss_scale=0.0))
