"""Tag what collectors saw with techniques of MITRE ATT&CK Enterprise, by the channel that carries the evidence.

Ids and names are those of ATT&CK Enterprise v16.1 (https://attack.mitre.org/versions/v16/matrices/enterprise/). As
for the ICS tags a confidence is an ordinal judgement, and nothing is read into an energy alone: each rule names the
channels of a collector and the direction in which they moved.
"""

import re
from dataclasses import dataclass

from industriverse.shield.attack_techniques import Technique, TechniqueTag
from industriverse.signals import ChannelEvidence, Ticket

__all__ = ["ENTERPRISE_TECHNIQUES", "tag_enterprise_techniques"]

_LEADING_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class _Rule:
    """Channels whose move in one direction speaks for a technique."""

    technique: Technique
    channels: re.Pattern[str]
    upward: bool
    confidence: float
    says: str


def _technique(identifier: str, name: str, tactic: str) -> Technique:
    return Technique(identifier, name, tactic, domain="enterprise")


_RULES = (
    _Rule(
        _technique("T1046", "Network Service Discovery", "Discovery"),
        re.compile(r"^(peers|peer_entropy)$"), True, 0.5, "more peers are addressed than in clean operation",
    ),
    _Rule(
        _technique("T1110", "Brute Force", "Credential Access"),
        re.compile(r"^count:(sshd|login|su|sudo|dovecot|sshd-session) [0-5]$"), True, 0.4,
        "authentication messages multiply",
    ),
    _Rule(
        _technique("T1048", "Exfiltration Over Alternative Protocol", "Exfiltration"),
        re.compile(r"^network\.out_bytes_per_s$"), True, 0.3, "more leaves the host than in clean operation",
    ),
    _Rule(
        _technique("T1496", "Resource Hijacking", "Impact"),
        re.compile(r"^(phantom_heat|power_w\..*\.measured:.*|cpu\.load)$"), True, 0.35,
        "energy or processor time is spent beyond clean operation",
    ),
    _Rule(
        _technique("T1498", "Network Denial of Service", "Impact"),
        re.compile(r"^(events|log_packets)$"), True, 0.3, "many more events or packets than in clean operation",
    ),
    _Rule(
        _technique("T1562", "Impair Defenses", "Defense Evasion"),
        re.compile(r"^(events|count:.*)$"), False, 0.3, "a log that never falls silent is falling silent",
    ),
)  # fmt: skip
ENTERPRISE_TECHNIQUES: dict[str, Technique] = {rule.technique.id: rule.technique for rule in _RULES}


def tag_enterprise_techniques(ticket: Ticket) -> tuple[TechniqueTag, ...]:
    """Enterprise techniques that a ticket of a collected stream speaks for, highest confidence first."""
    best: dict[str, TechniqueTag] = {}
    for evidence in ticket.evidence:
        fraction = evidence.share / ticket.score if ticket.score > 0 else 0.0
        if fraction < _LEADING_SHARE or evidence.actual != evidence.actual:
            continue
        for tag in _tags(evidence, fraction):
            known = best.get(tag.technique.id)
            if known is None or tag.confidence > known.confidence:
                best[tag.technique.id] = tag
    return tuple(sorted(best.values(), key=lambda tag: (-tag.confidence, tag.technique.id)))


def _tags(evidence: ChannelEvidence, fraction: float) -> list[TechniqueTag]:
    return [
        TechniqueTag(
            rule.technique,
            round(min(rule.confidence * (0.7 + 0.6 * fraction), 1.0), 2),
            f"{rule.says}: {evidence.channel} is {evidence.actual:.6g}, {evidence.expected:.6g} was expected",
            (evidence.channel,),
        )
        for rule in _RULES
        if rule.channels.match(evidence.channel)
        and evidence.actual != evidence.expected
        and (evidence.actual > evidence.expected) is rule.upward
    ]
