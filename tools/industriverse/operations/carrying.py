"""What people said of a stream when its reference is learned anew: what goes on, and what is dropped and why.

Limits, announced work and verdicts are about the plant and its components, so they go on. A decision on a regime is
about a candidate of the old reference; in the new one that regime is either part of the clean rows or unknown again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from industriverse.eil.feedback import Feedback, Verdict
from industriverse.eil.layout import component_names
from industriverse.eil.reference import Reference
from industriverse.operations.journal import (
    CarriedVerdictEntry,
    ConditionsEntry,
    JournalEntry,
    ShiftEntry,
    WorkEntry,
)
from industriverse.operations.times import time_text
from industriverse.signals import NANOSECONDS_PER_SECOND

__all__ = ["Carried", "carry_over"]


@dataclass(frozen=True, slots=True)
class Carried:
    """What becomes of the words said under an earlier reference.

    Attributes:
        entries: To be taken under the new one, each with the time of the sample after which it is to be taken.
        kept: The same, each in a sentence.
        dropped: What is not taken over, each in a sentence with the reason and what to do.
    """

    entries: tuple[tuple[int, JournalEntry], ...]
    kept: tuple[str, ...]
    dropped: tuple[str, ...]


def carry_over(
    said: Sequence[JournalEntry], verdicts: Sequence[Feedback], reference: Reference, *, now_ns: int
) -> Carried:
    """Sort what was said under an earlier reference by whether it holds under a new one.

    Args:
        said: Entries of the journal, oldest first.
        verdicts: Verdicts on tickets that were in force.
        reference: The new one.
        now_ns: Time of the latest sample of the stream, nanoseconds since 1970-01-01 UTC.
    """
    entries: list[tuple[int, JournalEntry]] = []
    kept: list[str] = []
    dropped: list[str] = []
    conditions = [entry for entry in said if isinstance(entry, ConditionsEntry)][-1:]
    for entry in (*conditions, *(entry for entry in said if isinstance(entry, WorkEntry | ShiftEntry))):
        sentence, reason = _sentence(entry), _why_not(entry, reference)
        if reason:
            dropped.append(f"{sentence}: {reason}")
        else:
            entries.append((reference.clean_stop_ns, entry))
            kept.append(sentence)
    for verdict in verdicts:
        if verdict.verdict is Verdict.TRUE:
            continue
        sentence = f"verdict {verdict.verdict} on {verdict.ticket} ({verdict.component})"
        from_ns = max(verdict.given_ns, reference.clean_stop_ns)
        rest_s = (verdict.expires_ns - from_ns) / NANOSECONDS_PER_SECOND
        if verdict.component not in component_names(reference.scales):
            dropped.append(f"{sentence}: the new reference has no such component; judge its next ticket")
        elif verdict.expires_ns <= now_ns or rest_s <= 0.0:
            dropped.append(f"{sentence}: it has expired")
        else:
            carried = CarriedVerdictEntry(
                ticket=verdict.ticket, verdict=verdict.verdict, component=verdict.component,
                surprise=verdict.surprise, hold_s=rest_s, by="carried over",
            )  # fmt: skip
            entries.append((from_ns, carried))
            kept.append(f"{sentence} until {time_text(verdict.expires_ns)}")
    entries.sort(key=lambda timed: timed[0])
    return Carried(tuple(entries), tuple(kept), tuple(dropped))


def _sentence(entry: JournalEntry) -> str:
    if isinstance(entry, ConditionsEntry):
        return f"limits of {len(entry.limits)} channels, by {entry.by}"
    if isinstance(entry, WorkEntry):
        return f"work order {entry.order} until {time_text(entry.stop_ns)}, by {entry.by}"
    if isinstance(entry, ShiftEntry):
        return f"regime of shift {entry.shift} {'admitted' if entry.admitted else 'refused'} by {entry.by}"
    return f"verdict on {entry.ticket}"


def _why_not(entry: JournalEntry, reference: Reference) -> str:
    if isinstance(entry, ShiftEntry):
        return "it belonged to the old reference; if the regime is not in the new clean rows it will be announced again"
    channels = tuple(entry.limits) if isinstance(entry, ConditionsEntry) else getattr(entry, "channels", ())
    unknown = sorted(set(channels) - set(reference.names))
    if unknown:
        return f"the new reference has no channel {unknown[0]!r}; say it again without"
    if isinstance(entry, WorkEntry) and entry.stop_ns <= reference.clean_stop_ns:
        return "it ended within the new clean rows"
    return ""
