"""The contract of every detector of the house: samples in blocks and one by one, regimes, events, sessions.

Each subject scores the same story in several guises. What a guise means depends on what the detector reads: a
channel of samples, an entity or a field of events, a symbol of sessions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from eil.conftest import frame_of, vector_autoregression
from industriverse.eil.detector import Detector
from industriverse.eil.events import (
    EventDetector,
    EventReadings,
    EventReference,
    EventWatcher,
    SessionDetector,
)
from industriverse.eil.reference import Reference
from industriverse.eil.regimes import RegimeBank
from industriverse.eil.watch import ticket_rows
from industriverse.signals import Frame, ThermoReadings
from industriverse.signals.events import Event

CLEAN, ATTACK, ROWS = 600, 900, 1100
SECOND_NS = 10**9
GUISES = ("plain", "constant", "missing", "single", "permuted", "rescaled")


@dataclass(frozen=True)
class Outcome:
    """What a detector said: all bits of its readings, where it raised tickets, and whether all was finite."""

    bits: bytes
    tickets: tuple[int, ...]
    finite: bool

    @property
    def saw_the_attack(self) -> bool:
        return any(0 <= ticket - ATTACK < 60 for ticket in self.tickets)


def samples(guise: str) -> Frame:
    """Five channels with a bias of six innovations on the first, in a guise."""
    values = vector_autoregression(ROWS, 5, seed=3)
    values[ATTACK : ATTACK + 100, 0] += 6.0
    guises: dict[str, Callable[[], NDArray[np.float64]]] = {
        "plain": lambda: values,
        "constant": lambda: np.hstack([values, np.full((ROWS, 1), 7.0)]),
        "missing": lambda: _with_gaps(values),
        "single": lambda: values[:, :1],
        "permuted": lambda: values[:, [3, 0, 4, 2, 1]],
        "rescaled": lambda: (
            values * np.array([1000.0, 0.001, 1.8, 60.0, -1.0]) + np.array([0, 5, 32, -3, 273.15])
        ),
    }
    return frame_of(np.ascontiguousarray(guises[guise]()))


def _with_gaps(values: NDArray[np.float64]) -> NDArray[np.float64]:
    gappy = values.copy()
    gappy[50:60], gappy[300:330, 1], gappy[700:720], gappy[ATTACK + 20 :, 3] = (np.nan,) * 4
    return gappy


def _of_readings(readings: ThermoReadings, tickets: list[int]) -> Outcome:
    columns = [getattr(readings, name) for name in ThermoReadings.__dataclass_fields__]
    return Outcome(
        b"".join(column.tobytes() for column in columns),
        tuple(tickets),
        all(bool(np.isfinite(column).all()) for column in columns),
    )


def sample_detector(guise: str, how: str, folder: Path) -> Outcome:
    frame = samples(guise)
    detector = Detector().fit(frame.rows(0, CLEAN))
    if how == "stored":
        detector = Detector.from_reference(Reference.load(detector.reference.save(folder / "r.npz")))
    ahead = frame.rows(CLEAN)
    if how == "one by one":
        parts = [detector.score(ahead.rows(row, row + 1)) for row in range(len(ahead) // 2)]
        stepped = [
            detector.update(int(ahead.timestamps_ns[row]), ahead.values[row])
            for row in range(len(ahead) // 2, len(ahead))
        ]
        columns = {
            name: np.array(
                [getattr(reading, "timestamp_ns" if name == "timestamps_ns" else name) for reading in stepped]
            )
            for name in ThermoReadings.__dataclass_fields__
        }
        readings = ThermoReadings.concatenate([*parts, ThermoReadings(**columns)])
    else:
        readings = detector.score(ahead)
    return _of_readings(
        readings, [CLEAN + row for row in ticket_rows(readings.timestamps_ns, readings.alarm)]
    )


def regime_bank(guise: str, how: str, folder: Path) -> Outcome:
    frame = samples(guise)
    detector = Detector().fit(frame.rows(0, CLEAN))
    if how == "stored":
        detector = Detector.from_reference(Reference.load(detector.reference.save(folder / "r.npz")))
    bank, ahead = RegimeBank(detector, "s"), frame.rows(CLEAN)
    step = 1 if how == "one by one" else len(ahead)
    fed = [bank.feed(ahead.rows(row, row + step)) for row in range(0, len(ahead), step)]
    tickets = [int(np.searchsorted(frame.timestamps_ns, t.onset_ns)) for part in fed for t in part.tickets]
    return _of_readings(ThermoReadings.concatenate([part.readings for part in fed]), tickets)


def events(guise: str) -> list[Event]:
    """A master polls a device; at ATTACK a command comes that never came, with a value far out of range."""
    generator, scale = np.random.default_rng(5), 1000.0 if guise == "rescaled" else 1.0
    told = []
    for row in range(ROWS):
        odd = row == ATTACK
        command = "write coil" if odd else ("read coils", "read inputs", "read registers")[row % 3]
        fields: dict[str, str | int | float] = {
            "src": "10.0.0.1",
            "value": scale * (500.0 if odd else row % 4),
        }
        if guise == "constant":
            command, fields = ("write coil" if odd else "read coils"), {"src": "10.0.0.1", "value": 1.0}
        if guise == "missing" and row % 5 == 0 and not odd:
            fields = {"src": "10.0.0.1", "value": float("nan")} if row % 2 else {}
        if guise == "single":
            fields = {}
        if guise == "permuted":
            fields = dict(reversed(fields.items()))
        device = "plc-1" if guise in ("single", "constant") else f"plc-{1 + int(generator.random() < 0.5)}"
        told.append(Event(row * SECOND_NS, device, command, fields))
    return told


def event_detector(guise: str, how: str, folder: Path) -> Outcome:
    told = events(guise)
    detector = EventDetector(budget_per_day=10.0, refractory_s=60.0).fit(told[:CLEAN])
    if how == "stored":
        detector = EventDetector.from_reference(
            EventReference.load(detector.reference.save(folder / "r.json"))
        )
    watcher = EventWatcher(detector, "s")
    step = 1 if how == "one by one" else ROWS
    fed = [watcher.feed(told[row : row + step]) for row in range(CLEAN, ROWS, step)]
    numbers = [
        np.concatenate([getattr(readings, name) for readings, _ in fed])
        for name in (
            "timestamps_ns",
            "score",
            "p_value",
            "entity_score",
            "entity_p_value",
            "alarm",
            "energies",
        )
    ]
    assert all(isinstance(readings, EventReadings) for readings, _ in fed)
    return Outcome(
        b"".join(np.ascontiguousarray(column).tobytes() for column in numbers),
        tuple(ticket.onset_ns // SECOND_NS for _, tickets in fed for ticket in tickets),
        all(bool(np.isfinite(column).all()) for column in numbers[:-1]),
    )


def sessions(guise: str) -> list[list[str]]:
    """Sessions of a small grammar; number ATTACK runs programs."""
    generator = np.random.default_rng(6)
    told = []
    for number in range(ROWS):
        body = ["read", "write"] * (3 if guise == "constant" else int(generator.integers(2, 9)))
        session = ["read"] * 5 if guise == "single" else ["open", *body, "close"]
        if guise == "missing" and number % 9 == 0:
            session = []
        if number == ATTACK:
            session = ["open", "exec", "exec", "exec", "close"]
        if guise == "permuted":
            session = [
                {"read": "lire", "write": "ecrire", "open": "ouvrir"}.get(word, word) for word in session
            ]
        told.append(session)
    return told


def session_detector(guise: str, how: str, folder: Path) -> Outcome:
    told = sessions(guise)
    detector = SessionDetector(alarm_share=0.01).fit(told[:CLEAN])
    if how == "stored":
        detector = SessionDetector.load(detector.save(folder / "sessions.json"))
    order = range(CLEAN, ROWS) if how != "one by one" else reversed(range(CLEAN, ROWS))
    readings = {number: detector.score(told[number]) for number in order}
    ahead = [readings[number] for number in range(CLEAN, ROWS)]
    numbers = np.array([[r.score, r.p_value, r.alarm, r.worst, *r.energies] for r in ahead])
    return Outcome(
        numbers.tobytes(),
        tuple(CLEAN + row for row, reading in enumerate(ahead) if reading.alarm),
        bool(np.isfinite(numbers).all()),
    )


SUBJECTS = {
    "samples": sample_detector,
    "regimes": regime_bank,
    "events": event_detector,
    "sessions": session_detector,
}


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("guise", GUISES)
def test_the_attack_is_seen_in_every_guise_and_every_reading_is_finite(
    subject: str, guise: str, tmp_path: Path
) -> None:
    outcome = SUBJECTS[subject](guise, "block", tmp_path)
    assert outcome.finite
    assert outcome.saw_the_attack
    false = [ticket for ticket in outcome.tickets if ticket < ATTACK]
    assert len(false) <= 5


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("guise", ["permuted", "rescaled"])
def test_permuted_channels_and_other_units_give_the_same_tickets(
    subject: str, guise: str, tmp_path: Path
) -> None:
    plain = SUBJECTS[subject]("plain", "block", tmp_path)
    assert SUBJECTS[subject](guise, "block", tmp_path).tickets == plain.tickets


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("how", ["one by one", "stored"])
@pytest.mark.parametrize("guise", ["plain", "missing"])
def test_block_one_by_one_and_stored_give_the_same_bits(
    subject: str, how: str, guise: str, tmp_path: Path
) -> None:
    block = SUBJECTS[subject](guise, "block", tmp_path)
    other = SUBJECTS[subject](guise, how, tmp_path)
    assert other.bits == block.bits
    assert other.tickets == block.tickets


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_contract_tells_another_story_from_this_one(subject: str, tmp_path: Path) -> None:
    assert (
        SUBJECTS[subject]("plain", "block", tmp_path).bits
        != SUBJECTS[subject]("single", "block", tmp_path).bits
    )
