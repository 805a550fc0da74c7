"""Handling is on record, suppression has a reason and an end, and the mode is remembered."""

from pathlib import Path

import pytest

from industriverse.shield.errors import TriageError
from industriverse.shield.hybrid import Mode
from industriverse.shield.store import ShieldStore
from industriverse.shield.triage import TriageStatus, TriageStore
from industriverse.signals import Incident

DAY = 86_400 * 10**9
INCIDENT = Incident("i", "net3", "tank-1", ("t",), 5 * DAY)


@pytest.fixture
def desk(tmp_path: Path) -> TriageStore:
    ShieldStore(tmp_path / "shield.sqlite")
    return TriageStore(tmp_path / "shield.sqlite")


def test_every_change_is_kept_and_survives_another_process(desk: TriageStore, tmp_path: Path) -> None:
    desk.set_status("i", TriageStatus.ACKNOWLEDGED, who="ada", at_ns=1)
    desk.assign("i", "grace", who="ada", at_ns=2)
    desk.note("i", "valve looks shut", who="grace", at_ns=3)
    desk.judge("i", "true", who="grace", at_ns=4)
    desk.set_status("i", TriageStatus.CLOSED, who="grace", at_ns=5)
    handling = TriageStore(tmp_path / "shield.sqlite").handling("i")
    assert (handling.status, handling.assignee, handling.verdict) == ("closed", "grace", "true")
    assert [(note.who, note.text) for note in handling.notes] == [("grace", "valve looks shut")]
    assert desk.handling("other").status is TriageStatus.OPEN
    assert ShieldStore(tmp_path / "shield.sqlite").incidents() == ()


def test_a_closed_incident_is_opened_before_it_is_acknowledged(desk: TriageStore) -> None:
    desk.set_status("i", TriageStatus.CLOSED, who="ada", at_ns=1)
    with pytest.raises(TriageError, match="cannot become acknowledged"):
        desk.set_status("i", TriageStatus.ACKNOWLEDGED, who="ada", at_ns=2)
    assert desk.set_status("i", TriageStatus.OPEN, who="ada", at_ns=3).status is TriageStatus.OPEN
    with pytest.raises(TriageError, match="nobody"):
        desk.set_status("i", TriageStatus.CLOSED, who="", at_ns=4)


def test_a_suppression_ends_by_itself_and_when_it_is_lifted(desk: TriageStore) -> None:
    held = desk.suppress(
        "net3", entity="tank-1", reason="cleaning", until_ns=8 * DAY, who="ada", at_ns=6 * DAY
    )
    assert desk.suppressed_by(INCIDENT, 7 * DAY) == held
    assert desk.suppressed_by(INCIDENT, 8 * DAY) is None
    assert desk.suppressed_by(Incident("j", "net3", "pump-1", ("t",), 5 * DAY), 7 * DAY) is None
    desk.lift(held.id, who="ada", at_ns=7 * DAY)
    assert desk.suppressed_by(INCIDENT, 7 * DAY) is None
    with pytest.raises(TriageError, match="no suppression"):
        desk.lift("suppression-99", who="ada", at_ns=7 * DAY)


@pytest.mark.parametrize(("reason", "days"), [("", 1), ("why", 0), ("why", 31)])
def test_a_suppression_without_reason_or_sensible_end_is_refused(
    desk: TriageStore, reason: str, days: int
) -> None:
    with pytest.raises(TriageError):
        desk.suppress("net3", reason=reason, until_ns=days * DAY, who="ada", at_ns=0)


def test_the_mode_is_remembered(desk: TriageStore, tmp_path: Path) -> None:
    assert desk.mode is Mode.AUTONOMOUS
    desk.set_mode(Mode.PASSIVE, who="ada", at_ns=1)
    assert TriageStore(tmp_path / "shield.sqlite").mode is Mode.PASSIVE
