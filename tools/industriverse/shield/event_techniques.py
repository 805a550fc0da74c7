"""Tag tickets of event streams with ATT&CK techniques, by what was done and never by how surprising it was alone.

Ids are those of ATT&CK v16.1, as in :mod:`~industriverse.shield.attack_techniques`; a confidence is an ordinal
judgement and no probability.
"""

import re

from industriverse.eil.events.watch import EventTicket
from industriverse.shield.attack_techniques import TECHNIQUES, Technique, TechniqueTag

__all__ = ["EVENT_TECHNIQUES", "tag_event_techniques"]

EVENT_TECHNIQUES = {
    technique.id: technique
    for technique in (
        TECHNIQUES["T0855"],
        TECHNIQUES["T0836"],
        Technique("T0814", "Denial of Service", "Inhibit Response Function"),
        Technique("T0848", "Rogue Master", "Initial Access"),
        Technique("T1110", "Brute Force", "Credential Access", domain="enterprise"),
    )
}
_WRITE = re.compile(r"\b(write|set|force|command|operate|mask)", re.IGNORECASE)
_LOGIN = re.compile(r"\b(fail(ed|ure)|invalid user|authentication|password)\b", re.IGNORECASE)
_CONTROL = re.compile(r"\b(read|write|coil|register|diagnos|operate|setpoint)", re.IGNORECASE)
_RARE = 0.01


def tag_event_techniques(ticket: EventTicket) -> tuple[TechniqueTag, ...]:
    """Techniques that a ticket of an event stream speaks for, highest confidence first; text is quoted."""
    explained, symbol = ticket.explanation, ticket.explanation.event.symbol
    words = f"{symbol} {explained.event.fields.get('message', '')}".replace("_", " ")
    by_entity = explained.entity_surprise > explained.event_surprise
    leading = (explained.entity_evidence if by_entity else explained.event_evidence)[0].component
    tags: list[TechniqueTag] = []
    if leading in ("sequence", "rarity") and _WRITE.search(words) and explained.symbol_probability < _RARE:
        tags.append(
            _tag("T0855", 0.6, f"command {symbol!r} has probability {explained.symbol_probability:.2g} there")
        )
    if leading in ("marks", "joint") and _WRITE.search(words) and explained.fields:
        field = explained.fields[0]
        reason = f"{symbol!r} carries {field.mark.field} {field.actual!r}, expected {field.expected}"
        tags.append(_tag("T0836", 0.5, reason))
    if leading == "pace":
        tags.append(_tag("T0814", 0.3, f"{ticket.entity!r} sends events at an unusual rate"))
    if not explained.known_entity and _CONTROL.search(words):
        tags.append(_tag("T0848", 0.4, f"{ticket.entity!r} was never met and sends {symbol!r}"))
    if _LOGIN.search(words):
        tags.append(_tag("T1110", 0.4, f"authentication fails: {symbol!r}"))
    return tuple(sorted(tags, key=lambda tag: (-tag.confidence, tag.technique.id)))


def _tag(identifier: str, confidence: float, reason: str) -> TechniqueTag:
    return TechniqueTag(EVENT_TECHNIQUES[identifier], confidence, reason, ())
