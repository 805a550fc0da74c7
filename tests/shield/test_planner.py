import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from industriverse.shield import (
    CommandCandidate,
    Plan,
    PlannerError,
    PlannerWeights,
    RolloutOutcome,
    make_plan,
)
from industriverse.shield.plan import plan_from_json, plan_id_of
from shield.tank import INCIDENT, NOW, PRINCIPAL, candidate

Effects = dict[str, tuple[float, float]]


def rollout_of(effects: Effects, *, energy: float = 100.0, loss: float = 50.0) -> object:
    def rollout(commands: tuple[CommandCandidate, ...]) -> RolloutOutcome:
        factors = [effects.get(command.target, (1.0, 1.0)) for command in commands]
        return RolloutOutcome(
            energy * math.prod(f for f, _ in factors), loss * math.prod(f for _, f in factors), "m3"
        )

    return rollout


def plan(effects: Effects, *candidates: CommandCandidate, **kwargs: object) -> Plan:
    return make_plan(
        INCIDENT, candidates, rollout_of(effects), principal=PRINCIPAL, now_ns=NOW, **kwargs  # type: ignore[arg-type]
    )  # fmt: skip


def targets(made: Plan) -> list[str]:
    return [action.target for action in made.actions]


def test_the_action_that_helps_is_chosen_and_the_one_that_does_not_is_left_out() -> None:
    made = plan(
        {"good": (0.1, 0.1), "bad": (2.0, 1.5)}, candidate("bad"), candidate("good"), candidate("idle")
    )
    assert targets(made) == ["good"]
    action = made.actions[0]
    assert action.expected_free_energy_change_kt == pytest.approx(-90)
    assert action.expected_loss_change == pytest.approx(-45)
    assert made.do_nothing == RolloutOutcome(100.0, 50.0, "m3")
    assert made.expected.loss == pytest.approx(5)
    assert made.expires_ns == NOW + 900 * 10**9


def test_doing_nothing_wins_where_nothing_helps_and_says_why() -> None:
    made = plan({"bad": (2.0, 1.5)}, candidate("bad"), candidate("idle"))
    assert made.actions == ()
    assert made.expected == made.do_nothing
    assert "None of 2 candidates beats doing nothing" in made.rationale
    assert "nothing that could be done" in plan({}).rationale


def test_the_reversible_of_two_equals_is_preferred_whatever_the_order() -> None:
    effects = {"a-final": (0.2, 0.2), "b-undoable": (0.2, 0.2)}
    pair = [candidate("a-final", reversible=False), candidate("b-undoable")]
    no_price = PlannerWeights(irreversibility=0.0)
    for order in (pair, pair[::-1]):
        assert targets(plan(effects, *order, max_actions=1)) == ["b-undoable"]
        assert targets(plan(effects, *order, max_actions=1, weights=no_price)) == ["b-undoable"]


def test_an_irreversible_action_is_taken_where_it_is_worth_it() -> None:
    effects = {"final": (0.05, 0.05), "undoable": (0.9, 0.9)}
    made = plan(effects, candidate("final", reversible=False), candidate("undoable"), max_actions=1)
    assert targets(made) == ["final"]
    assert made.irreversible_actions == made.actions


def test_actions_combine_where_both_add_and_their_changes_add_up() -> None:
    made = plan({"a": (0.5, 0.5), "b": (0.6, 0.6)}, candidate("a"), candidate("b"))
    assert targets(made) == ["a", "b"]
    energy = sum(action.expected_free_energy_change_kt for action in made.actions)
    assert made.do_nothing.free_energy_excess_kt + energy == pytest.approx(
        made.expected.free_energy_excess_kt
    )


def test_an_action_made_superfluous_by_a_later_one_is_dropped() -> None:
    table = {(): 100.0, ("a",): 50.0, ("b",): 60.0, ("c",): 60.0, ("a", "b"): 40.0, ("a", "c"): 45.0,
             ("b", "c"): 0.0, ("a", "b", "c"): 0.0}  # fmt: skip

    def rollout(commands: tuple[CommandCandidate, ...]) -> RolloutOutcome:
        value = table[tuple(sorted(command.target for command in commands))]
        return RolloutOutcome(value, value)

    made = make_plan(INCIDENT, [candidate(t) for t in "abc"], rollout, principal=PRINCIPAL, now_ns=NOW)
    assert targets(made) == ["b", "c"]


def test_a_pair_is_found_of_which_each_half_alone_is_beaten() -> None:
    table = {(): 1000.0, ("a",): 400.0, ("b",): 900.0, ("c",): 900.0, ("a", "b"): 350.0, ("a", "c"): 350.0,
             ("b", "c"): 0.0, ("a", "b", "c"): 300.0}  # fmt: skip

    def rollout(commands: tuple[CommandCandidate, ...]) -> RolloutOutcome:
        value = table[tuple(sorted(command.target for command in commands))]
        return RolloutOutcome(value, value)

    made = make_plan(INCIDENT, [candidate(t) for t in "abc"], rollout, principal=PRINCIPAL, now_ns=NOW)
    assert targets(made) == ["b", "c"]


def test_an_excess_that_clean_operation_shows_too_is_no_reason_to_act() -> None:
    assert targets(plan({"a": (0.1, 1.0)}, candidate("a"))) == ["a"]
    assert targets(plan({"a": (0.1, 1.0)}, candidate("a"), ordinary_excess_kt=100.0)) == []


def test_a_calm_plant_is_left_alone() -> None:
    made = make_plan(
        INCIDENT, [candidate("a")], lambda _: RolloutOutcome(0.0, 0.0), principal=PRINCIPAL, now_ns=NOW
    )
    assert made.actions == ()


def test_a_plan_survives_json_under_the_same_id_and_not_with_other_content() -> None:
    made = plan({"good": (0.1, 0.1)}, candidate("good"))
    assert plan_from_json(made.to_json()) == made
    assert plan_id_of(made) == made.id
    assert plan({"good": (0.1, 0.2)}, candidate("good")).id != made.id
    with pytest.raises(PlannerError, match="not a plan"):
        plan_from_json({"id": "x"})


def test_forecasts_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(PlannerError, match="forecast for close_valve good is not finite"):
        plan({"good": (math.nan, 1.0)}, candidate("good"))
    with pytest.raises(PlannerError, match="a candidate occurs twice"):
        plan({}, candidate("a"), candidate("a"))
    with pytest.raises(PlannerError, match="not positive"):
        plan({}, valid_for_s=0)
    with pytest.raises(PlannerError, match="no principal"):
        make_plan(INCIDENT, [], rollout_of({}), principal="", now_ns=NOW)  # type: ignore[arg-type]

    def mixed(commands: tuple[CommandCandidate, ...]) -> RolloutOutcome:
        return RolloutOutcome(1.0, 1.0, "m3" if commands else "kWh")

    with pytest.raises(PlannerError, match="is in 'm3', not 'kWh'"):
        make_plan(INCIDENT, [candidate("a")], mixed, principal=PRINCIPAL, now_ns=NOW)


@given(
    effects=st.dictionaries(
        st.sampled_from("abcde"), st.tuples(st.floats(0, 2), st.floats(0, 2)), max_size=5
    ),
    final=st.sets(st.sampled_from("abcde")),
)
def test_a_plan_is_never_expected_to_be_worse_than_doing_nothing(effects: Effects, final: set[str]) -> None:
    made = plan(effects, *(candidate(t, reversible=t not in final) for t in sorted(effects)))
    weights = PlannerWeights()
    before, after = made.do_nothing.free_energy_excess_kt, made.expected.free_energy_excess_kt
    energy = math.log1p(before) - math.log1p(after)
    loss = (made.do_nothing.loss - made.expected.loss) / 50
    if made.actions:
        assert energy + loss >= weights.minimum_gain - 1e-9
    assert len(set(targets(made))) == len(made.actions) <= 3
