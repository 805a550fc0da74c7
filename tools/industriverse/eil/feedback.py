"""Feedback on a ticket: false, true or planned work; it touches one component, and it expires.

A person's "false" says that one way of looking at the stream was too nervous, not that the stream may do as it
likes. So the verdict divides the surprise of the component that it names, in the alarm only: every other
component still raises tickets, the score keeps its value, and at the expiry all is as before.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from industriverse.eil.errors import FeedbackError
from industriverse.signals import NANOSECONDS_PER_SECOND

__all__ = ["Feedback", "FeedbackBook", "Verdict"]

MUTED: Final = 1e6  # divides any capped surprise to nothing
LONGEST_S: Final = 30 * 86_400.0  # a verdict older than a month describes another plant
CLEAN_SURPRISE: Final = 1.0  # mean -log p of a clean component, nats


class Verdict(StrEnum):
    """What a person says about a ticket."""

    FALSE = "false"
    TRUE = "true"
    PLANNED_WORK = "planned_work"


@dataclass(frozen=True, slots=True)
class Feedback:
    """One verdict, and for how long it holds.

    Attributes:
        ticket: Id of the ticket.
        verdict: What the person says.
        component: Name of the one component that it touches, as in ``component_names``.
        surprise: -log p of that component at the ticket, nats.
        given_ns: When it was given, nanoseconds since 1970-01-01 UTC.
        expires_ns: From when it no longer holds.
    """

    ticket: str
    verdict: Verdict
    component: str
    surprise: float
    given_ns: int
    expires_ns: int

    def __post_init__(self) -> None:
        if not self.given_ns < self.expires_ns <= self.given_ns + round(LONGEST_S * NANOSECONDS_PER_SECOND):
            raise FeedbackError(
                f"feedback on {self.ticket} expires {(self.expires_ns - self.given_ns) / 1e9:g} s after it is given",
                hint=f"give an expiry later than now and at most {LONGEST_S / 86_400:g} days ahead",
            )
        if not np.isfinite(self.surprise) or self.surprise < 0.0:
            raise FeedbackError(
                f"surprise of {self.component} is {self.surprise}", hint="give the -log p that the ticket saw"
            )

    @property
    def relief(self) -> float:
        """Divisor of the component in the alarm: back to the clean mean for false, to nothing for planned work."""
        if self.verdict is Verdict.PLANNED_WORK:
            return MUTED
        if self.verdict is Verdict.FALSE:
            return max(self.surprise / CLEAN_SURPRISE, 1.0)
        return 1.0


class FeedbackBook:
    """The verdicts on one stream that still hold.

    Args:
        components: Names of the components in kernel order.
    """

    def __init__(self, components: tuple[str, ...]) -> None:
        self.components = components
        self._entries: list[Feedback] = []

    @property
    def entries(self) -> tuple[Feedback, ...]:
        """All verdicts kept, oldest first."""
        return tuple(self._entries)

    def add(self, feedback: Feedback) -> None:
        """Take a verdict; a true one withdraws every earlier relief of its component.

        Raises:
            FeedbackError: If the component is unknown.
        """
        if feedback.component not in self.components:
            raise FeedbackError(
                f"no component {feedback.component!r}", hint=f"name one of {', '.join(self.components)}"
            )
        if feedback.verdict is Verdict.TRUE:
            self._entries = [entry for entry in self._entries if entry.component != feedback.component]
        self._entries.append(feedback)

    def relief_at(self, now_ns: int) -> NDArray[np.float64]:
        """Divisor of each component at a time, shape (c,): the strongest verdict that holds, 1 without any."""
        relief = np.ones(len(self.components))
        for entry in self._entries:
            if entry.given_ns <= now_ns < entry.expires_ns:
                index = self.components.index(entry.component)
                relief[index] = max(relief[index], entry.relief)
        return relief

    def next_change_ns(self, now_ns: int) -> int | None:
        """The first time after ``now_ns`` at which a verdict begins or ends to hold; None if there is none."""
        times = [t for entry in self._entries for t in (entry.given_ns, entry.expires_ns) if t > now_ns]
        return min(times, default=None)

    def forget_expired(self, now_ns: int) -> None:
        """Drop verdicts that no longer hold."""
        self._entries = [entry for entry in self._entries if entry.expires_ns > now_ns]
