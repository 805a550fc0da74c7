"""Say why a ticket was raised, in numbers and in sentences that follow from them."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from industriverse.shield.errors import ExplanationError
from industriverse.signals import NANOSECONDS_PER_SECOND, ChannelEvidence, Ticket

__all__ = ["Explanation", "SensorExplanation", "explain"]

# Outside these the innovations are visibly hotter or colder than clean ones.
_HOT, _COLD = 2.0, 0.5
_CAUSE_SHARE_PERCENT = 10.0
_SHARE_TOLERANCE = 1e-3
_KINDS = {
    "work": "its mean was pushed away from where it should be",
    "heat": "its fluctuations changed",
    "structure": "it no longer moves with the others as it did",
}


@dataclass(frozen=True, slots=True)
class SensorExplanation:
    """What one channel contributes to a ticket.

    Attributes:
        channel: Channel name.
        entity: Asset that it observes, empty if unknown.
        unit: UCUM code of ``actual``, ``expected`` and ``difference``.
        share_percent: Part of the ticket's score, percent; over all channels these add up to 100.
        work: Work part of the channel's free-energy excess, kT.
        heat: Heat part, kT.
        structure: Structure part, kT.
        kind: The largest of the three, empty if there is no excess.
        actual: Observed value at the ticket's worst sample.
        expected: Value that the reference predicted there.
        difference: ``actual - expected``.
        temperature: EWMA(e^2)/sigma^2 of the channel.
        thermal_state: ``hot`` above 2, ``cold`` below 0.5, else ``normal``.
    """

    channel: str
    entity: str
    unit: str
    share_percent: float
    work: float
    heat: float
    structure: float
    kind: str
    actual: float
    expected: float
    difference: float
    temperature: float
    thermal_state: str

    def sentence(self) -> str:
        """The channel in one sentence."""
        place = f"{self.channel} ({self.entity})" if self.entity else self.channel
        parts = [f"{place} carries {self.share_percent:.1f} % of the score", self._level()]
        if self.kind:
            parts.append(f"{_KINDS[self.kind]} ({self.kind} {getattr(self, self.kind):.3g} kT)")
        if self.thermal_state != "normal":
            parts.append(f"it is {self.thermal_state} (temperature {self.temperature:.3g}, clean 1)")
        return "; ".join(parts) + "."

    def _level(self) -> str:
        unit = "" if self.unit in {"", "1"} else f" {self.unit}"
        if math.isnan(self.actual) or math.isnan(self.expected):
            return "its value or its expectation is missing at the worst sample"
        # Adding zero makes the negative zero of floating point an ordinary one.
        actual, expected = f"{self.actual + 0.0:.6g}", f"{self.expected + 0.0:.6g}"
        if actual == expected:
            return f"it reads {actual}{unit}, as expected"
        side = "above" if self.difference > 0 else "below"
        return (
            f"it reads {actual}{unit}, {abs(self.difference):.3g}{unit} {side} the expected {expected}{unit}"
        )


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a ticket was raised.

    Attributes:
        ticket: Ticket id.
        stream: Name of the stream.
        since_ns: Onset, nanoseconds since 1970-01-01 UTC.
        score: Score at onset, nats.
        p_value: Conformal p-value at onset.
        sensors: The channels with the largest shares, ranked.
        other_channels: How many channels are not listed.
        other_share_percent: Their part of the score, percent.
        work_percent: Part of the listed channels' absolute free-energy excess that is work.
        heat_percent: Part that is heat.
        structure_percent: Part that is structure.
        cause: One sentence naming the channels that carry at least a tenth of the score.
    """

    ticket: str
    stream: str
    since_ns: int
    score: float
    p_value: float
    sensors: tuple[SensorExplanation, ...]
    other_channels: int
    other_share_percent: float
    work_percent: float
    heat_percent: float
    structure_percent: float
    cause: str

    def text(self) -> str:
        """The explanation as plain text."""
        lines = [
            f"Stream {self.stream}: out of equilibrium since {_utc(self.since_ns)} "
            f"(score {self.score:.3g} nats, p = {self.p_value:.3g}).",
            self.cause,
            f"Of the excess, {self.work_percent:.0f} % is work, {self.heat_percent:.0f} % heat and "
            f"{self.structure_percent:.0f} % structure."
            if self.work_percent + self.heat_percent + self.structure_percent > 0
            else "The listed channels have no free-energy excess at the chosen scale.",
        ]
        lines += [f"{rank}. {sensor.sentence()}" for rank, sensor in enumerate(self.sensors, start=1)]
        if self.other_channels:
            lines.append(
                f"{self.other_channels} other channels carry {self.other_share_percent:.1f} % of the score."
            )
        return "\n".join(lines)


def explain(ticket: Ticket, *, limit: int = 5) -> Explanation:
    """Turn a ticket into an explanation.

    Args:
        ticket: The alarm onset with its evidence.
        limit: Number of channels to list, at least 1.

    Raises:
        ExplanationError: If the ticket's numbers contradict each other: no positive finite score, no
            evidence, a negative share, or shares that do not add up to the score.
    """
    _check(ticket, limit)
    ranked = sorted(ticket.evidence, key=lambda e: (-e.share, e.channel))
    sensors = tuple(_sensor(evidence, ticket.score) for evidence in ranked[:limit])
    parts = [sum(abs(getattr(s, kind)) for s in sensors) for kind in ("work", "heat", "structure")]
    total = sum(parts)
    work, heat, structure = (100.0 * part / total if total > 0 else 0.0 for part in parts)
    rest = ranked[limit:]
    return Explanation(
        ticket=ticket.id,
        stream=ticket.stream,
        since_ns=ticket.onset_ns,
        score=ticket.score,
        p_value=ticket.p_value,
        sensors=sensors,
        other_channels=len(rest),
        other_share_percent=100.0 * sum(e.share for e in rest) / ticket.score,
        work_percent=work,
        heat_percent=heat,
        structure_percent=structure,
        cause=_cause(sensors),
    )


def _check(ticket: Ticket, limit: int) -> None:
    if limit < 1:
        raise ExplanationError(f"limit = {limit} lists no channel", hint="ask for at least one")
    if not (math.isfinite(ticket.score) and ticket.score > 0):
        raise ExplanationError(
            f"ticket {ticket.id} has score {ticket.score}", hint="a ticket needs a positive finite score"
        )
    if not ticket.evidence:
        raise ExplanationError(f"ticket {ticket.id} has no evidence", hint="ask the detector for it")
    negative = [e.channel for e in ticket.evidence if not e.share >= 0]
    if negative:
        raise ExplanationError(
            f"the share of channel {negative[0]!r} in ticket {ticket.id} is negative or missing",
            hint="shares are non-negative and add up to the score",
        )
    total = sum(e.share for e in ticket.evidence)
    if not math.isclose(total, ticket.score, rel_tol=_SHARE_TOLERANCE):
        raise ExplanationError(
            f"the shares of ticket {ticket.id} add up to {total:.6g} and its score is {ticket.score:.6g}",
            hint="give the evidence of all channels at the onset",
        )


def _sensor(evidence: ChannelEvidence, score: float) -> SensorExplanation:
    excess = {kind: getattr(evidence, kind) for kind in ("work", "heat", "structure")}
    largest = max(excess, key=lambda kind: abs(excess[kind]))
    temperature = evidence.temperature
    state = "hot" if temperature > _HOT else "cold" if temperature < _COLD else "normal"
    return SensorExplanation(
        channel=evidence.channel,
        entity=evidence.entity,
        unit=evidence.unit,
        share_percent=100.0 * evidence.share / score,
        **excess,
        kind=largest if excess[largest] != 0 else "",
        actual=evidence.actual,
        expected=evidence.expected,
        difference=evidence.actual - evidence.expected,
        temperature=temperature,
        thermal_state=state,
    )


def _cause(sensors: tuple[SensorExplanation, ...]) -> str:
    leading = [s for s in sensors if s.share_percent >= _CAUSE_SHARE_PERCENT]
    if not leading:
        return "No single channel carries a tenth of the score; the disturbance is spread over many."
    together = sum(s.share_percent for s in leading)
    named = ", ".join(
        f"{s.channel} ({s.thermal_state}, mainly {s.kind})" if s.kind else f"{s.channel} ({s.thermal_state})"
        for s in leading
    )
    return f"Together {together:.1f} % of the score comes from: {named}."


def _utc(time_ns: int) -> str:
    moment = datetime.fromtimestamp(time_ns // NANOSECONDS_PER_SECOND, tz=UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
