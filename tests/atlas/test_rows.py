"""Rows become the records that the constructor makes of them, or are refused as it refuses them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas.atlas_records import state
from industriverse.atlas import EnergyState, RecordError
from industriverse.atlas.graph import row_of
from industriverse.atlas.model import state_of_row

ODD = st.sampled_from(
    ["", "é", "x" * 1_025, "\ud800", None, 3, True, -1, 2**63, 1.5, float("nan"), float("inf"), 1e308, ["a"]]
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("id", "domain", "regime", "service"), st.text(max_size=5) | ODD),
    "timestamp_ns": st.integers(-2, 2) | ODD,
    **dict.fromkeys(("energy", "entropy"), st.floats() | st.integers() | ODD),
    "entities": st.lists(st.sampled_from(["a", "b", "", "é", 4, None, "x" * 1_025]), max_size=3),
    **dict.fromkeys(
        ("reference_digest", "evidence"), st.sampled_from(["", "ab" * 32, "AB" * 32, "ab" * 31, 5])
    ),
    "vector": st.none()
    | st.lists(st.sampled_from([0.0, 1, 1.5, -1e308, 1e308, float("nan"), True, "1", None]), max_size=2)
    | st.lists(st.sampled_from([0.0, 1, 1.5, -1e308, 1e308]), min_size=8, max_size=8)
    | st.lists(st.sampled_from([0.0, float("inf"), float("nan"), True, "1", None]), min_size=8, max_size=8),
}


def outcome(make: Any) -> Any:
    try:
        made = make()
    except RecordError as error:
        return str(error)
    except TypeError:
        return TypeError
    # The type of every number too: a flag is no number, however equal to one.
    return made, [type(one) for one in (made.energy, made.entropy, made.timestamp_ns, *made.vector)]


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_a_row_is_taken_exactly_as_the_constructor_takes_it(data: st.DataObject) -> None:
    row = row_of(state(3)) | {"vector": [0.5] * 8}
    for name in data.draw(st.lists(st.sampled_from(list(FIELDS)), max_size=3, unique=True)):
        row[name] = data.draw(FIELDS[name])
    del row["timestamp"]
    given_values = {**row, "entities": tuple(row["entities"]), "vector": tuple(row["vector"] or ())}
    assert outcome(lambda: state_of_row(row)) == outcome(lambda: EnergyState(**given_values))


def test_an_orderly_row_keeps_every_value() -> None:
    assert state_of_row(row_of(state(7))) == state(7)
    with pytest.raises(RecordError, match=r"EnergyState\.energy is nan"):
        state_of_row(row_of(state(7)) | {"energy": float("nan")})
