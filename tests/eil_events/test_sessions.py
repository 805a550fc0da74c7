"""Whole sessions judged against clean ones."""

from pathlib import Path

import numpy as np
import pytest

from industriverse.eil.events import (
    EventDetectorError,
    EventFitError,
    EventReferenceError,
    SessionDetector,
    sessions_of,
)
from industriverse.signals.events import Event


def session(generator: np.random.Generator) -> list[str]:
    body = ["open", *(["read", "write"] * int(generator.integers(3, 20))), "close"]
    return [symbol for symbol in body if generator.random() > 0.02]


@pytest.fixture(scope="module")
def fitted() -> SessionDetector:
    generator = np.random.default_rng(0)
    return SessionDetector(alarm_share=0.02).fit([session(generator) for _ in range(300)])


def test_clean_sessions_alarm_about_as_often_as_allowed(fitted: SessionDetector) -> None:
    generator = np.random.default_rng(1)
    alarms = [fitted.score(session(generator)).alarm for _ in range(500)]
    assert fitted.certified
    assert np.mean(alarms) <= 0.05


@pytest.mark.parametrize(
    "odd", [["open", "exec", "exec", "close"], ["close", *(["write", "read"] * 8), "open"]]
)
def test_odd_sessions_alarm_and_point_at_their_oddest_event(fitted: SessionDetector, odd: list[str]) -> None:
    reading = fitted.score(odd)
    assert reading.alarm
    assert 0 <= reading.worst < len(odd)


def test_an_empty_session_says_nothing(fitted: SessionDetector) -> None:
    reading = fitted.score([])
    assert (reading.score, reading.p_value, reading.alarm) == (0.0, 1.0, False)


def test_too_few_sessions_certify_nothing() -> None:
    generator = np.random.default_rng(2)
    detector = SessionDetector(alarm_share=0.01).fit([session(generator) for _ in range(20)])
    assert not detector.certified
    assert not detector.score(["exec"] * 50).alarm
    with pytest.raises(EventFitError, match="9 clean sessions"):
        SessionDetector().fit([["a"]] * 9 + [[]])


def test_misuse_is_refused() -> None:
    with pytest.raises(EventDetectorError, match="alarm_share"):
        SessionDetector(alarm_share=0.0)
    with pytest.raises(EventDetectorError, match="not fitted"):
        SessionDetector().score(["a"])


def test_what_was_learned_is_saved_and_an_altered_or_foreign_file_is_refused(
    fitted: SessionDetector, tmp_path: Path
) -> None:
    path = fitted.save(tmp_path / "sessions.json")
    odd = ["open", "exec", "exec", "close"]
    assert SessionDetector.load(path).score(odd) == fitted.score(odd)
    text = path.read_text()
    path.write_text(text.replace('"alarm_share":0.02', '"alarm_share":0.9', 1))
    with pytest.raises(EventReferenceError, match="altered"):
        SessionDetector.load(path)
    path.write_text(text.replace("industriverse-session-reference", "industriverse-event-reference", 1))
    with pytest.raises(EventReferenceError, match="industriverse-event-reference"):
        SessionDetector.load(path)
    with pytest.raises(EventDetectorError, match="not fitted"):
        SessionDetector().save(tmp_path / "none.json")


def test_sessions_are_the_events_of_one_entity_in_order() -> None:
    events = [Event(i, "ab"[i % 2], str(i)) for i in range(5)]
    assert sessions_of(events) == {"a": ["0", "2", "4"], "b": ["1", "3"]}
