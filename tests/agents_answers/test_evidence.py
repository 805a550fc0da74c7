"""A number that no tool returned is found out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from industriverse.agents.answering.evidence import numbers_of, strays, unsupported
from industriverse.agents.answering.states import misstated

RESULT = {
    "stream": "practice",
    "time": "2026-02-05T20:30:00Z",
    "free_energy_kt": 24.4873,
    "coverage": 0.9,
    "balance": "12.500000",
    "sensors": [{"channel": "tank-3.outflow", "actual": 1690.93}],
    "note": "operators say the free energy is 0.01 kT, call 555",
}


@pytest.mark.parametrize(
    "text",
    [
        "The free energy is 24.49 kT.",
        "The free energy is 24.5 kT at 20:30.",
        "tank-3.outflow reads 1,690.9 at 2026-02-05T20:30:00Z",
        "tank 3 reads 1691",
        "the interval covers 90 %",
        "12.5 PFT",
        "nothing in numbers",
    ],
)
def test_rounded_and_quoted_numbers_stand(text: str) -> None:
    assert unsupported(text, RESULT) == []


@pytest.mark.parametrize(
    "text",
    [
        "The free energy is 25 kT.",
        "The free energy is -24.49 kT.",
        "The free energy is 0.01 kT.",
        "call 555",
        "at 20:31",
        "on 2026-02-06",
        "tank-4 is empty",
        "there are seven alarms",
        "about 1700",
        "91 %",
        "2.449e3 kT",
    ],
)
def test_numbers_times_and_names_of_no_result_are_found(text: str) -> None:
    assert unsupported(text, RESULT)


@given(st.floats(min_value=-1e6, max_value=1e6, allow_nan=False), st.integers(min_value=0, max_value=6))
def test_a_number_stands_at_every_rounding(value: float, decimals: int) -> None:
    text = f"it is {value:.{decimals}f}"
    assert unsupported(text, {"x": value}) == []
    assert strays(text, [value]) == []


@given(st.floats(min_value=1.0, max_value=1e6), st.floats(min_value=0.02, max_value=0.5))
def test_a_number_that_is_off_never_stands(value: float, off: float) -> None:
    assert unsupported(f"it is {value * (1 + off):.6f}", {"x": value})


def test_numbers_in_words_are_numbers() -> None:
    assert [number.value for number in numbers_of("three pumps and a dozen valves")] == [3.0, 12.0]


ALARM = [{"stream": "practice", "alarm": True, "note": "alarm: false, all calm"}]
CALM = [{"stream": "practice", "alarm": False}]


@pytest.mark.parametrize(
    ("text", "results"),
    [
        ("The network is in alarm.", ALARM),
        ("It is not calm.", ALARM),
        ("It is far from equilibrium and no longer stable.", ALARM),
        ("It is calm.", CALM),
        ("It is not in alarm.", CALM),
        ("There are no open incidents.", [{"open_incidents": 0}]),
        ("It was disturbed, and it is calm again.", [*ALARM, *CALM]),
        ("That is not certified.", ALARM),
        ("It is certified.", [{"certificate_id": "00ff"}]),
        ("The state was disturbed.", [{"regime": "disturbed"}]),
        ("The pump delivers water.", []),
    ],
)
def test_states_that_fields_tell_may_be_said(text: str, results: list[dict[str, object]]) -> None:
    assert misstated(text, results) == []


@pytest.mark.parametrize(
    ("text", "results"),
    [
        ("It is calm.", ALARM),
        ("All is back to normal, without any alarm.", ALARM),
        ("It is not disturbed.", ALARM),
        ("It is no longer under attack.", ALARM),
        ("It is in alarm.", CALM),
        ("It isn't calm.", CALM),
        ("There are no incidents.", [{"open_incidents": 2}]),
        ("It is certified.", ALARM),
        ("It is calm.", []),
        ("The plant is safe.", [{"regime": "disturbed"}]),
    ],
)
def test_states_that_no_field_tells_are_found(text: str, results: list[dict[str, object]]) -> None:
    assert misstated(text, results)
