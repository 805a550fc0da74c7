"""Times as people write them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from industriverse.agents.answering.moments import read_times
from industriverse.agents.answering.spans import span_hours
from industriverse.operations.times import parse_time, time_text

ANCHOR = parse_time("2026-02-05T20:30:00Z", "anchor")


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("at 14:05", "UTC", "2026-02-05T14:05:00Z"),
        ("at 14:05 cet", "UTC", "2026-02-05T13:05:00Z"),
        ("at 14:05", "Europe/Berlin", "2026-02-05T13:05:00Z"),
        ("14:05 utc+2", "UTC", "2026-02-05T12:05:00Z"),
        ("2pm new york time", "UTC", "2026-02-05T19:00:00Z"),
        ("at 21:00", "UTC", "2026-02-04T21:00:00Z"),
        ("yesterday at noon", "UTC", "2026-02-04T12:00:00Z"),
        ("two hours ago", "UTC", "2026-02-05T18:30:00Z"),
        ("2026-02-04 10:00 europe/berlin", "UTC", "2026-02-04T09:00:00Z"),
        ("2026-02-04t10:00:00+05:30", "UTC", "2026-02-04T04:30:00Z"),
        ("3 feb 10:00", "UTC", "2026-02-03T10:00:00Z"),
        ("dec 24 10:00", "UTC", "2025-12-24T10:00:00Z"),
        ("at 7pm cet today", "UTC", "2026-02-05T18:00:00Z"),
        ("i was away on 4 feb, how was it at 08:00 that day", "UTC", "2026-02-04T08:00:00Z"),
    ],
)
def test_an_instant_is_read_in_its_zone_and_before_the_anchor(text: str, zone: str, expected: str) -> None:
    _, times = read_times(text, ANCHOR, zone)
    assert times.at_ns is not None
    assert time_text(times.at_ns) == expected


@pytest.mark.parametrize(
    ("text", "start", "stop"),
    [
        ("after 14:05", "2026-02-05T14:05:00Z", None),
        ("between 14:00 and 15:30 cet", "2026-02-05T13:00:00Z", "2026-02-05T14:30:00Z"),
        ("between 19:00 and 21:00", "2026-02-05T19:00:00Z", "2026-02-05T21:00:00Z"),
        ("before 10:00", None, "2026-02-05T10:00:00Z"),
        ("yesterday", "2026-02-04T00:00:00Z", "2026-02-05T00:00:00Z"),
        ("from 3 feb to 5 feb", "2026-02-03T00:00:00Z", "2026-02-06T00:00:00Z"),
    ],
)
def test_a_stretch_has_a_beginning_and_an_end(text: str, start: str | None, stop: str | None) -> None:
    _, times = read_times(text, ANCHOR, "UTC")
    assert (times.start_ns and time_text(times.start_ns)) == start
    assert (times.stop_ns and time_text(times.stop_ns)) == stop


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("in 90 min", 1.5),
        ("next 1 h 30 min", 1.5),
        ("by 22:00", 1.5),
        ("in half an hour", 0.5),
        ("will it run empty tonight? in the next 9 hours", 9.0),
        ("over the next day", 24.0),
    ],
)
def test_a_way_into_the_future_is_read_in_hours(text: str, hours: float) -> None:
    assert read_times(text, ANCHOR, "UTC")[1].ahead_hours == pytest.approx(hours)


def test_a_date_that_reads_two_ways_is_not_guessed() -> None:
    assert read_times("on 03/04/2026", ANCHOR, "UTC")[1].either == ("2026-04-03", "2026-03-04")


def test_a_zone_that_means_two_things_is_not_guessed() -> None:
    assert read_times("at 14:05 cst", ANCHOR, "UTC")[1].unknown_zone == "CST"


def test_a_question_without_times_names_none() -> None:
    masked, times = read_times("why is tank 1 an outlier and not tank 2", ANCHOR, "UTC")
    assert not times.named
    assert masked == "why is tank 1 an outlier and not tank 2"


@given(
    st.integers(min_value=1, max_value=10_000), st.sampled_from([("min", 1 / 60), ("h", 1.0), ("days", 24.0)])
)
def test_every_whole_duration_is_read_back(count: int, unit: tuple[str, float]) -> None:
    assert span_hours(f"{count} {unit[0]}") == pytest.approx(count * unit[1])


@given(st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2026, 2, 5)))
def test_every_iso_time_is_read_back(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)
    _, times = read_times(f"state at {moment.isoformat().casefold()}z", ANCHOR, "UTC")
    assert (
        times.at_ns
        == (moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) * 10**9
    )


@given(st.text(max_size=80))
def test_no_text_breaks_the_reader(text: str) -> None:
    from industriverse.agents.answering.text import fold

    read_times(fold(text), ANCHOR, "UTC")
