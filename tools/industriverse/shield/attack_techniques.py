"""Tag a ticket with techniques of MITRE ATT&CK for ICS, by what was observed and never by energy alone.

Ids and names are those of ATT&CK for ICS v16.1 (https://attack.mitre.org/versions/v16/techniques/ics/). Later
releases fold T0855 and T0856 into T1692; ``successor`` names the id there. A confidence is an ordinal
judgement between 0 and 1 and no probability: a real fault of the process leaves the same traces as its
imitation.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from industriverse.signals import Channel, ChannelEvidence, Ticket

__all__ = ["ATTACK_VERSION", "TECHNIQUES", "Technique", "TechniqueTag", "tag_techniques"]

ATTACK_RELEASE = "16.1"
ATTACK_VERSION = f"ATT&CK for ICS v{ATTACK_RELEASE}"


@dataclass(frozen=True, slots=True)
class Technique:
    """One technique: its id, its name, its tactic, its id in later releases if it moved, and its matrix."""

    id: str
    name: str
    tactic: str
    successor: str = ""
    domain: str = "ics"

    @property
    def version(self) -> str:
        """Release of ATT&CK that the id is of."""
        return ATTACK_RELEASE


@dataclass(frozen=True, slots=True)
class TechniqueTag:
    """A technique that the evidence speaks for.

    Attributes:
        technique: Which one.
        confidence: Ordinal, 0 to 1.
        reason: The observation, with its numbers.
        channels: Channels that it was observed on.
    """

    technique: Technique
    confidence: float
    reason: str
    channels: tuple[str, ...]


TECHNIQUES: Mapping[str, Technique] = {
    technique.id: technique
    for technique in (
        Technique("T0826", "Loss of Availability", "Impact"),
        Technique("T0828", "Loss of Productivity and Revenue", "Impact"),
        Technique("T0829", "Loss of View", "Impact"),
        Technique("T0832", "Manipulation of View", "Impact"),
        Technique("T0836", "Modify Parameter", "Impair Process Control"),
        Technique("T0855", "Unauthorized Command Message", "Impair Process Control", "T1692.001"),
        Technique("T0856", "Spoof Reporting Message", "Impair Process Control", "T1692.002"),
    )
}

# A channel has to carry this much of the score before anything is read into it.
_LEADING_SHARE = 0.1
# A channel's excess is work where at least this part of it is; a mean moved, not the noise around it.
_WORK_DOMINANCE = 0.6
_COLD_TEMPERATURE = 0.2
_SETPOINT_QUANTITIES = frozenset({"setpoint", "set-point", "set_point"})
_MISSING_SHARE_OF_VIEW = 0.5


def tag_techniques(
    ticket: Ticket,
    *,
    channels: Iterable[Channel] = (),
    novel_commands: Iterable[str] = (),
    expected_loss: float = 0.0,
    loss_unit: str = "",
    missing_share: float = 0.0,
) -> tuple[TechniqueTag, ...]:
    """Techniques that a ticket's observables speak for, highest confidence first.

    Args:
        ticket: The alarm onset with its evidence.
        channels: Meaning of the channels; tells set-points (``quantity="setpoint"``) from sensors.
        novel_commands: Commands never seen in clean operation, seen near the onset.
        expected_loss: Service loss forecast without a response; positive speaks for availability impact.
        loss_unit: Its unit.
        missing_share: Share of recent samples that did not arrive, 0 to 1.
    """
    quantities = {channel.name: channel.quantity.lower() for channel in channels}
    tags: list[TechniqueTag] = []
    for evidence in ticket.evidence:
        fraction = evidence.share / ticket.score if ticket.score > 0 else 0.0
        if fraction < _LEADING_SHARE:
            continue
        if quantities.get(evidence.channel) in _SETPOINT_QUANTITIES:
            tags += _setpoint(evidence, fraction)
        else:
            tags += _sensor(evidence, fraction)
    tags += _commands(tuple(novel_commands)) + _losses(expected_loss, loss_unit, missing_share)
    return _merge(tags)


def _sensor(evidence: ChannelEvidence, fraction: float) -> list[TechniqueTag]:
    channel = (evidence.channel,)
    if evidence.temperature < _COLD_TEMPERATURE:
        reason = (
            f"{evidence.channel} is cold: its innovations have {evidence.temperature:.2g} of their clean "
            "variance, as when frozen, smoothed or replayed"
        )
        return [_tag("T0856", 0.4 + 0.3 * fraction, reason, channel)]
    excess = evidence.work + abs(evidence.heat) + abs(evidence.structure)
    if excess <= 0 or evidence.work / excess < _WORK_DOMINANCE:
        return []
    reason = (
        f"{evidence.channel} reads {evidence.actual:.6g} {evidence.unit} where {evidence.expected:.6g} "
        f"{evidence.unit} was expected, and {evidence.work / excess:.0%} of its free-energy excess is work: "
        "its mean moved while its noise stayed"
    )
    return [
        _tag("T0856", 0.2 + 0.3 * fraction, reason, channel),
        _tag("T0832", 0.2 + 0.2 * fraction, reason, channel),
    ]


def _setpoint(evidence: ChannelEvidence, fraction: float) -> list[TechniqueTag]:
    if evidence.actual == evidence.expected:
        return []
    reason = (
        f"set-point {evidence.channel} is {evidence.actual:.6g} {evidence.unit} instead of "
        f"{evidence.expected:.6g} {evidence.unit}"
    )
    return [_tag("T0836", 0.4 + 0.3 * fraction, reason, (evidence.channel,))]


def _commands(commands: tuple[str, ...]) -> list[TechniqueTag]:
    if not commands:
        return []
    return [_tag("T0855", 0.6, f"never seen in clean operation: {', '.join(sorted(commands))}", ())]


def _losses(expected_loss: float, unit: str, missing_share: float) -> list[TechniqueTag]:
    tags = []
    if expected_loss > 0:
        reason = f"a loss of {expected_loss:.6g} {unit}".rstrip() + " is expected without a response"
        tags += [_tag("T0826", 0.4, reason, ()), _tag("T0828", 0.3, reason, ())]
    if missing_share >= _MISSING_SHARE_OF_VIEW:
        tags.append(_tag("T0829", 0.5, f"{missing_share:.0%} of recent samples did not arrive", ()))
    return tags


def _tag(identifier: str, confidence: float, reason: str, channels: tuple[str, ...]) -> TechniqueTag:
    return TechniqueTag(TECHNIQUES[identifier], round(min(confidence, 1.0), 2), reason, channels)


def _merge(tags: list[TechniqueTag]) -> tuple[TechniqueTag, ...]:
    """One tag a technique: the most confident reason, and every channel that speaks for it."""
    best: dict[str, TechniqueTag] = {}
    for tag in sorted(tags, key=lambda t: (-t.confidence, t.technique.id, t.channels)):
        known = best.get(tag.technique.id)
        if known is None:
            best[tag.technique.id] = tag
        else:
            best[tag.technique.id] = TechniqueTag(
                known.technique, known.confidence, known.reason, (*known.channels, *tag.channels)
            )
    return tuple(sorted(best.values(), key=lambda t: (-t.confidence, t.technique.id)))
