"""Back-off probabilities are probabilities, and the novelty mass needs no special case."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from industriverse.eil.events import BackoffCounts
from industriverse.eil.events.model import sequence_contexts

sequences = st.lists(st.sampled_from("abcd"), max_size=60)


def learnt(symbols: list[str]) -> BackoffCounts:
    table = BackoffCounts()
    for place, symbol in enumerate(symbols):
        table.learn(sequence_contexts(tuple(symbols[max(0, place - 3) : place])), symbol)
    return table


@given(sequences, st.lists(st.sampled_from("abcdz"), max_size=3))
def test_probabilities_of_known_symbols_and_of_any_other_add_up_to_one(
    symbols: list[str], recent: list[str]
) -> None:
    table = learnt(symbols)
    contexts = sequence_contexts(tuple(recent))
    total = sum(table.probability(contexts, symbol) for symbol in set(symbols))
    assert math.isclose(total + table.probability(contexts, "never seen"), 1.0)


@given(sequences, st.text(max_size=3))
def test_every_symbol_has_a_finite_energy(symbols: list[str], symbol: str) -> None:
    contexts = sequence_contexts(tuple(symbols[-3:]))
    assert 0.0 < learnt(symbols).probability(contexts, symbol) <= 1.0


def test_the_estimate_is_that_of_witten_and_bell() -> None:
    table = BackoffCounts()
    for symbol in "aaab":
        table.learn([(), ("x",)], symbol)
    order_zero = (1 + 2 * (1 / 3)) / (4 + 2)
    assert table.probability([()], "b") == pytest.approx(order_zero)
    assert table.probability([(), ("x",)], "b") == pytest.approx((1 + 2 * order_zero) / 6)
    assert table.probability([(), ("unmet",)], "b") == pytest.approx(order_zero)


def test_a_deeper_context_that_decides_lowers_the_energy() -> None:
    table = learnt(list("abcabd" * 50))
    deep = table.probability(sequence_contexts(("c", "a", "b")), "d")
    shallow = table.probability(sequence_contexts(("b",)), "d")
    assert shallow < 0.6 < 0.95 < deep


def test_contexts_and_symbols_are_bounded() -> None:
    table = BackoffCounts(maximum_contexts=10, maximum_symbols=5)
    for i in range(1000):
        table.learn([(), (i,)], i)
    assert len(table) == 10
    assert len(table.likeliest([()], 100)) == 5
    assert table.total(()) == 5


@given(sequences)
def test_a_rebuilt_table_gives_the_same_bits(symbols: list[str]) -> None:
    table = learnt(symbols)
    rebuilt = BackoffCounts.from_state(json.loads(json.dumps(table.state())))
    for place in range(len(symbols)):
        contexts = sequence_contexts(tuple(symbols[max(0, place - 3) : place]))
        for symbol in "abz":
            assert rebuilt.probability(contexts, symbol) == table.probability(contexts, symbol)
        assert rebuilt.likeliest(contexts) == table.likeliest(contexts)
