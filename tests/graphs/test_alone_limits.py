"""What keeps a run that may act alone from acting."""

import pytest

from industriverse.graphs.response_limits import LIMITS, saves_enough, why_ask
from industriverse.graphs.state import ResponseState
from industriverse.operations.responding import WORTH_ACTING_SHARE


@pytest.mark.parametrize(
    ("saved", "requested", "enough"),
    [
        (0.0, 0.0, False),
        (-1.0, 1_000.0, False),
        (WORTH_ACTING_SHARE * 1_000.0, 1_000.0, True),
        (0.9 * WORTH_ACTING_SHARE * 1_000.0, 1_000.0, False),
        (1.0, 0.0, True),
    ],
)
def test_acting_alone_has_to_save_service(saved: float, requested: float, enough: bool) -> None:
    assert saves_enough(saved, requested) is enough


def test_no_mode_does_alone_what_cannot_be_undone_however_often_it_may_act() -> None:
    for mode in LIMITS:
        state: ResponseState = {
            "mode": mode,  # type: ignore[typeddict-item]
            "irreversible": True,
            "plan_actions": 1,
            "plan_cost": 1.0,
            "may_act_alone": True,
        }
        assert why_ask(state) == "the plan cannot be undone"
