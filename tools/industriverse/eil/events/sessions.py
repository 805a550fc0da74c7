"""Whole sessions judged: system-call traces, jobs, logins. A session is the events of one entity.

Three energies of a session, per event: the mean sequence energy; the composition, that is the relative entropy
of its symbols to the clean ones; and the reversal, the mean work against the clean currents. All are means,
so a long session is not odd for being long.
"""

import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from industriverse.eil.events.backoff import BackoffCounts
from industriverse.eil.events.budget import allowed_alarms
from industriverse.eil.events.detector import FOLDS
from industriverse.eil.events.errors import EventDetectorError, EventFitError
from industriverse.eil.events.model import sequence_contexts
from industriverse.eil.events.production import transition_counts, transition_work
from industriverse.eil.events.reference import load_content, save_content
from industriverse.eil.events.state import DEPTH
from industriverse.eil.events.tails import RESOLUTION_NATS, Branch
from industriverse.signals.events import Event

__all__ = ["SESSION_COMPONENTS", "SessionDetector", "SessionReading", "sessions_of"]

SESSION_COMPONENTS: Final = ("sequence", "composition", "reversal")
MINIMUM_SESSIONS: Final = 10
SESSION_FORMAT: Final = "industriverse-session-reference"
SESSION_VERSION: Final = 1


def sessions_of(events: Iterable[Event]) -> dict[str, list[str]]:
    """Symbols of each entity in the order of the events."""
    found: dict[str, list[str]] = {}
    for event in events:
        found.setdefault(event.entity, []).append(event.symbol)
    return found


@dataclass(frozen=True, slots=True)
class SessionReading:
    """One session against the clean ones.

    Attributes:
        score: Mean capped surprise of its energies, nats.
        p_value: Conformal probability of a score at least this large on clean sessions.
        alarm: Whether so few clean sessions scored as high that the ``alarm_share`` is kept.
        energies: Energies in the order of ``SESSION_COMPONENTS``, nats per event.
        worst: Position of the event of largest sequence energy, -1 for an empty session.
    """

    score: float
    p_value: float
    alarm: bool
    energies: tuple[float, ...]
    worst: int


class SessionDetector:
    """Detects sessions that run unlike the clean ones.

    Args:
        alarm_share: Share of clean sessions that may alarm. As for events, the upper
            80 % Poisson bound of the clean alarms must keep it; n scored clean sessions can certify no share
            below 1.61/n, and without a certificate nothing alarms; see :attr:`certified`.

    Raises:
        EventDetectorError: If the share is not between 0 and 1.
    """

    def __init__(self, alarm_share: float = 0.01) -> None:
        if not 0.0 < alarm_share < 1.0:
            raise EventDetectorError(f"alarm_share is {alarm_share}", hint="give a share between 0 and 1")
        self.alarm_share = alarm_share
        self._model: _SessionModel | None = None
        self._branch: Branch | None = None
        self._clean_scores: NDArray[np.float64] = np.empty(0)
        self._allowed = -1

    @property
    def certified(self) -> bool:
        """Whether there were clean sessions enough for the share."""
        return self._allowed >= 0

    def fit(self, sessions: Sequence[Sequence[str]]) -> "SessionDetector":
        """Learn from clean sessions, oldest first.

        Raises:
            EventFitError: If fewer than 10 sessions hold an event.
        """
        clean = [session for session in sessions if session]
        if len(clean) < MINIMUM_SESSIONS:
            raise EventFitError(f"{len(clean)} clean sessions", hint=f"give at least {MINIMUM_SESSIONS}")
        rows = []
        for start, stop in pairwise(int(len(clean) * fold) for fold in (*FOLDS, 1.0)):
            model = _SessionModel(clean[:start])
            rows += [model.energies(session)[0] for session in clean[start:stop]]
        # Means over a session vary far less than the energy of one event.
        self._branch = Branch.fit(np.array(rows), least=1, sharpest=RESOLUTION_NATS)
        self._clean_scores = np.sort([self._branch.score(row) for row in rows])
        self._allowed = allowed_alarms(self.alarm_share * len(rows))
        self._model = _SessionModel(clean)
        return self

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write what was learned atomically, as JSON with its digest.

        Raises:
            EventDetectorError: If the detector is not fitted.
            EventReferenceError: If the file cannot be written.
        """
        if self._model is None or self._branch is None:
            raise EventDetectorError("the detector is not fitted", hint="fit it on clean sessions first")
        content = {
            "alarm_share": self.alarm_share,
            "allowed": self._allowed,
            "clean_scores": self._clean_scores.tolist(),
            "branch": self._branch.state(),
            "model": self._model.state(),
        }
        return save_content(path, SESSION_FORMAT, SESSION_VERSION, content)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "SessionDetector":
        """Read a saved detector and check its format, version and digest.

        Raises:
            EventReferenceError: If the file is absent, of another version, damaged or altered.
        """
        content = load_content(path, SESSION_FORMAT, SESSION_VERSION)
        detector = cls(float(content["alarm_share"]))
        detector._allowed = int(content["allowed"])
        detector._clean_scores = np.array(content["clean_scores"], dtype=np.float64)
        detector._branch = Branch.from_state(content["branch"])
        detector._model = _SessionModel.from_state(content["model"])
        return detector

    def score(self, session: Sequence[str]) -> SessionReading:
        """Read one session; an empty one says nothing.

        Raises:
            EventDetectorError: If the detector is not fitted.
        """
        if self._model is None or self._branch is None:
            raise EventDetectorError("the detector is not fitted", hint="fit it on clean sessions first")
        if not session:
            return SessionReading(0.0, 1.0, False, (0.0,) * len(SESSION_COMPONENTS), -1)
        energies, worst = self._model.energies(session)
        score = self._branch.score(energies)
        above = len(self._clean_scores) - int(np.searchsorted(self._clean_scores, score, side="left"))
        p_value = (above + 1.0) / (len(self._clean_scores) + 1.0)
        return SessionReading(score, p_value, above <= self._allowed, energies, worst)


class _SessionModel:
    """Counts of clean sessions."""

    def __init__(self, sessions: Sequence[Sequence[str]]) -> None:
        self._sequences = BackoffCounts()
        self._transitions: Counter[tuple[object, object]] = Counter()
        for session in sessions:
            for place, symbol in enumerate(session):
                self._sequences.learn(sequence_contexts(_recent(session, place)), symbol)
            self._transitions.update(transition_counts(session))

    def state(self) -> dict[str, Any]:
        """Everything learnt, as JSON-ready values."""
        transitions = sorted((str(a), str(b), count) for (a, b), count in self._transitions.items())
        return {"sequences": self._sequences.state(), "transitions": transitions}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "_SessionModel":
        """Rebuild from :meth:`state`."""
        model = cls(())
        model._sequences = BackoffCounts.from_state(state["sequences"])
        model._transitions = Counter({(a, b): int(count) for a, b, count in state["transitions"]})
        return model

    def energies(self, session: Sequence[str]) -> tuple[tuple[float, ...], int]:
        """The three energies of a session that holds an event, and the position of its oddest event."""
        sequence = [
            -math.log(self._sequences.probability(sequence_contexts(_recent(session, place)), symbol))
            for place, symbol in enumerate(session)
        ]
        length = len(session)
        composition = sum(
            count / length * math.log(count / length / self._sequences.probability([()], symbol))
            for symbol, count in Counter(session).items()
        )
        work = [transition_work(self._transitions, *pair) for pair in pairwise(session)]
        reversal = -sum(work) / len(work) if work else 0.0
        return (sum(sequence) / length, composition, reversal), max(range(length), key=sequence.__getitem__)


def _recent(session: Sequence[str], place: int) -> tuple[str, ...]:
    return tuple(session[max(0, place - DEPTH) : place])
