"""Commands hold once by id and come off in any order."""

from hypothesis import given
from hypothesis import strategies as st

from industriverse.simulation.command_board import CommandBoard
from industriverse.simulation.plant import Command, CommandSpec

SPECS = [
    CommandSpec("set", "a", "", reversible=True, cost=1, entity="a", minimum=0.0, maximum=9.0),
    CommandSpec("set", "b", "", reversible=True, cost=1, entity="b", minimum=0.0, maximum=9.0),
]
ORDERS = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=40)


def command(number: int) -> Command:
    return Command(f"c{number}", "set", "ab"[number % 2], float(number))


@given(ORDERS)
def test_any_history_leaves_what_was_applied_and_not_reverted(orders: list[tuple[bool, int]]) -> None:
    board = CommandBoard(SPECS)
    applied: list[int] = []
    reverted: set[int] = set()
    for apply, number in orders:
        if apply:
            assert board.apply(command(number)) == (number not in applied)
            applied += [] if number in applied else [number]
        elif number in applied:
            assert board.revert(f"c{number}") == (number not in reverted)
            reverted.add(number)
    expected = [number for number in applied if number not in reverted]
    assert board.active() == tuple(command(number) for number in expected)
    for target in "ab":
        matching = [number for number in expected if "ab"[number % 2] == target]
        holding = board.holding("set", target)
        assert holding == (command(matching[-1]) if matching else None)
