import math
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from industriverse.shield import ExplanationError, explain
from industriverse.signals import ChannelEvidence
from shield.tank import evidence, ticket

FINITE = st.floats(-1e6, 1e6, allow_subnormal=False)
EVIDENCE = st.lists(
    st.tuples(st.floats(1e-3, 50), st.floats(0, 9), st.floats(0, 9), st.floats(-9, 9), FINITE, FINITE,
              st.floats(0, 20)),
    min_size=1, max_size=8,
).map(
    lambda rows: [
        evidence(f"c{i}.x", share, work=work, heat=heat, structure=structure, actual=actual,
                 expected=expected, temperature=temperature)
        for i, (share, work, heat, structure, actual, expected, temperature) in enumerate(rows)
    ]
)  # fmt: skip


def test_an_explanation_names_sensors_levels_units_and_time() -> None:
    items = (
        evidence("tank-1.level", 6.0, work=5.5, heat=0.5),
        evidence(
            "pump-2.flow", 3.0, unit="m3/h", work=0.0, heat=3.0, actual=1.0, expected=4.5, temperature=9
        ),
        evidence("tank-3.level", 1.0, work=0.0, structure=0.0, actual=3.0),
    )
    explanation = explain(ticket("t", 0, *items))
    assert explanation.text().splitlines() == [
        "Stream plant: out of equilibrium since 2023-11-14 22:13:20 UTC (score 10 nats, p = 0.001).",
        "Together 100.0 % of the score comes from: tank-1.level (normal, mainly work), "
        "pump-2.flow (hot, mainly heat), tank-3.level (normal).",
        "Of the excess, 61 % is work, 39 % heat and 0 % structure.",
        "1. tank-1.level (tank-1) carries 60.0 % of the score; it reads 5 m, 2 m above the expected 3 m; its "
        "mean was pushed away from where it should be (work 5.5 kT).",
        "2. pump-2.flow (pump-2) carries 30.0 % of the score; it reads 1 m3/h, 3.5 m3/h below the expected "
        "4.5 m3/h; its fluctuations changed (heat 3 kT); it is hot (temperature 9, clean 1).",
        "3. tank-3.level (tank-3) carries 10.0 % of the score; it reads 3 m, as expected.",
    ]


@given(items=EVIDENCE, limit=st.integers(1, 9))
def test_no_sentence_contradicts_its_numbers(items: list[ChannelEvidence], limit: int) -> None:
    explanation = explain(ticket("t", 0, *items), limit=limit)
    listed = sum(sensor.share_percent for sensor in explanation.sensors)
    assert listed + explanation.other_share_percent == pytest.approx(100.0)
    parts = explanation.work_percent + explanation.heat_percent + explanation.structure_percent
    assert parts == pytest.approx(100.0) or parts == 0.0
    shares = [sensor.share_percent for sensor in explanation.sensors]
    assert shares == sorted(shares, reverse=True)
    for sensor in explanation.sensors:
        text = sensor.sentence()
        assert ("above" in text) <= (sensor.actual > sensor.expected)
        assert ("below" in text) <= (sensor.actual < sensor.expected)
        assert ("is hot" in text) == (sensor.temperature > 2)
        assert ("is cold" in text) == (sensor.temperature < 0.5)
        if sensor.kind:
            largest = max(abs(sensor.work), abs(sensor.heat), abs(sensor.structure))
            assert abs(getattr(sensor, sensor.kind)) == largest > 0
        for number in re.findall(r"expected (\S+) m", text):
            assert float(number) == pytest.approx(sensor.expected, rel=1e-5, abs=1e-300)
    named = re.findall(r"(c\d\.x) \(", explanation.cause)
    assert all(s.share_percent >= 10 for s in explanation.sensors if s.channel in named)


def test_a_negative_zero_is_as_expected() -> None:
    explanation = explain(ticket("t", 0, evidence("a.x", 1.0, actual=0.0, expected=-0.0)))
    assert "it reads 0 m, as expected" in explanation.text()


def test_a_disturbance_spread_over_many_channels_blames_none() -> None:
    items = [evidence(f"c{i}.x", 1.0) for i in range(20)]
    explanation = explain(ticket("t", 0, *items))
    assert explanation.cause.startswith("No single channel")
    assert explanation.other_channels == 15
    assert "15 other channels carry 75.0 % of the score." in explanation.text()


def test_a_missing_value_is_said_to_be_missing() -> None:
    explanation = explain(ticket("t", 0, evidence("a.x", 1.0, actual=math.nan)))
    assert "missing at the worst sample" in explanation.text()
    assert "nan" not in explanation.text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"score": 12.0}, "add up to 10 and its score is 12"),
        ({"score": 0.0}, "has score 0"),
        ({"score": math.inf}, "has score inf"),
        ({"evidence": ()}, "has no evidence"),
        ({"evidence": (evidence("a.x", -1.0), evidence("b.x", 11.0))}, "'a.x' in ticket t is negative"),
        ({"evidence": (evidence("a.x", math.nan),)}, "negative or missing"),
    ],
)
def test_a_ticket_that_contradicts_itself_is_not_explained(changes: dict[str, object], message: str) -> None:
    broken = replace(ticket("t", 0, evidence("a.x", 10.0)), **changes)  # type: ignore[arg-type]
    with pytest.raises(ExplanationError, match=message):
        explain(broken)
    with pytest.raises(ExplanationError, match="lists no channel"):
        explain(ticket("t", 0, evidence("a.x", 10.0)), limit=0)
