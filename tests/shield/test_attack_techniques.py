import re

from hypothesis import given
from hypothesis import strategies as st

from industriverse.shield import tag_techniques
from industriverse.shield.attack_techniques import TECHNIQUES
from industriverse.signals import Channel
from shield.tank import evidence, ticket


def ids(*args: object, **kwargs: object) -> list[str]:
    return [tag.technique.id for tag in tag_techniques(*args, **kwargs)]  # type: ignore[arg-type]


def test_a_sensor_pushed_by_work_speaks_for_spoofing_and_manipulated_view() -> None:
    tags = tag_techniques(ticket("t", 0, evidence("tank-1.level", 5.0)))
    assert [tag.technique.id for tag in tags] == ["T0856", "T0832"]
    assert "reads 5 m where 3 m was expected" in tags[0].reason
    assert tags[0].channels == ("tank-1.level",)
    assert 0 < tags[1].confidence < tags[0].confidence <= 0.5


def test_a_cold_sensor_speaks_for_spoofing_alone_and_more_strongly() -> None:
    cold = tag_techniques(ticket("t", 0, evidence("tank-1.level", 5.0, temperature=0.01)))
    assert [tag.technique.id for tag in cold] == ["T0856"]
    assert cold[0].confidence > 0.5
    assert "cold" in cold[0].reason


def test_energy_alone_names_no_technique() -> None:
    heat = evidence("tank-1.level", 5.0, work=0.1, heat=4.9, temperature=6.0)
    bare = evidence("tank-1.level", 5.0, work=0.0)
    assert ids(ticket("t", 0, heat)) == []
    assert ids(ticket("t", 0, bare)) == []
    assert ids(ticket("t", 0)) == []


def test_a_minor_channel_is_not_read_into() -> None:
    items = (evidence("a.x", 9.5, work=0.0), evidence("b.y", 0.5))
    assert ids(ticket("t", 0, *items)) == []


def test_set_points_commands_losses_and_silence_have_their_own_techniques() -> None:
    channels = [Channel("tank-1.target", quantity="setpoint")]
    moved = ticket("t", 0, evidence("tank-1.target", 5.0))
    assert ids(moved, channels=channels) == ["T0836"]
    kept = ticket("t", 0, evidence("tank-1.target", 5.0, actual=3.0))
    assert ids(kept, channels=channels) == []
    assert ids(kept, channels=channels, novel_commands=["stop pump-1"]) == ["T0855"]
    assert ids(kept, channels=channels, expected_loss=3.0, loss_unit="m3") == ["T0826", "T0828"]
    assert ids(kept, channels=channels, missing_share=0.8) == ["T0829"]


def test_ids_have_the_form_of_ics_techniques_and_moved_ones_name_their_successor() -> None:
    assert all(re.fullmatch(r"T0\d{3}", identifier) for identifier in TECHNIQUES)
    assert TECHNIQUES["T0855"].successor == "T1692.001"
    assert TECHNIQUES["T0856"].successor == "T1692.002"


@given(
    parts=st.lists(
        st.tuples(st.floats(0, 50), st.floats(0, 50), st.floats(-50, 50), st.floats(0, 10)), max_size=6
    )
)
def test_confidences_stay_below_certainty_and_techniques_do_not_repeat(
    parts: list[tuple[float, float, float, float]],
) -> None:
    items = [
        evidence(f"c{i}.x", share, work=work, heat=heat, temperature=temperature)
        for i, (share, work, heat, temperature) in enumerate(parts)
    ]
    tags = tag_techniques(ticket("t", 0, *items), novel_commands=["x"], expected_loss=1.0)
    assert all(0 < tag.confidence <= 0.7 for tag in tags)
    assert len({tag.technique.id for tag in tags}) == len(tags)
    assert [t.confidence for t in tags] == sorted((t.confidence for t in tags), reverse=True)
