"""What a demonstration saw."""

from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Outcome"]


@dataclass(slots=True)
class Outcome:
    """Everything that a run of the demonstration measured; hours count from the plant's start.

    Attributes:
        promise: What the detector promises, in its own words.
        curve: ``(hour, free-energy excess in kT, in alarm)`` since the clean days.
        attack_hour: When the intruder struck, None without an attack.
        ticket_hours: Hours of the tickets raised after the clean days.
        ticket_before_attack: Whether the first ticket came before the attack, so that it was false.
        responses: Final state of every response run, with the incident's opening and explanation, oldest first.
        last_hour: Hour at which the run ended; verification may take it beyond the last day.
        lost_m3: Water not delivered to customers until the end, m3.
        requested_m3: Water that they asked for, m3.
        unattended_lost_m3: The same for the plant that nobody helped, None if it was not run.
        certificate_file: Certificate after recovery, empty if there is none.
        evidence_file: Raw window behind it.
        public_key_file: Key to verify it with.
        verified: What the standalone verification printed.
        tampered_refusal: What it printed for a certificate with one byte changed.
        balance_pft: Proof tokens held at the end.
        second_mint_refusal: What the ledger said to a second mint for the same evidence.
        atlas_states: Energy states of the stream in the Atlas.
        resumed: Whether the run continues one that was cut off.
    """

    promise: str = ""
    curve: list[tuple[float, float, bool]] = field(default_factory=list)
    attack_hour: float | None = None
    ticket_hours: list[float] = field(default_factory=list)
    ticket_before_attack: bool = False
    responses: list[dict[str, Any]] = field(default_factory=list)
    last_hour: float = 0.0
    lost_m3: float = 0.0
    requested_m3: float = 0.0
    unattended_lost_m3: float | None = None
    certificate_file: str = ""
    evidence_file: str = ""
    public_key_file: str = ""
    verified: str = ""
    tampered_refusal: str = ""
    balance_pft: str = ""
    second_mint_refusal: str = ""
    atlas_states: list[str] = field(default_factory=list)
    resumed: bool = False

    @property
    def hours_to_detect(self) -> float | None:
        """Hours from the attack to the first ticket after it; None if there is no such pair."""
        if self.attack_hour is None:
            return None
        later = [hour for hour in self.ticket_hours if hour >= self.attack_hour]
        return later[0] - self.attack_hour if later else None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "hours_to_detect": self.hours_to_detect}
