"""What every standard form is made from: an incident with its tickets, its techniques and its handling."""

from dataclasses import dataclass

from industriverse.shield.attack_techniques import TechniqueTag
from industriverse.shield.errors import ExchangeError
from industriverse.shield.explain import Explanation, explain
from industriverse.signals import Incident, Ticket

__all__ = ["PRODUCT_NAME", "VENDOR_NAME", "IncidentReport"]

PRODUCT_NAME = "Industriverse AI Shield"
VENDOR_NAME = "Industriverse"
_MILLISECOND_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class IncidentReport:
    """An incident, complete enough to be understood elsewhere.

    Attributes:
        incident: The incident.
        tickets: Its tickets, oldest first, at least one.
        tags: Techniques that its evidence speaks for.
        criticality: Criticality index, 0 to 100.
        status: ``open``, ``acknowledged`` or ``closed``.
        product_version: Version of this platform.
        simulated: Whether the stream comes from a simulator.
    """

    incident: Incident
    tickets: tuple[Ticket, ...]
    tags: tuple[TechniqueTag, ...]
    criticality: float
    status: str
    product_version: str
    simulated: bool = False

    def __post_init__(self) -> None:
        if not self.tickets:
            raise ExchangeError(
                f"incident {self.incident.id} has no ticket", hint="export it with its tickets"
            )
        if not 0.0 <= self.criticality <= 100.0:
            raise ExchangeError(f"criticality is {self.criticality}", hint="give an index from 0 to 100")

    @property
    def explanation(self) -> Explanation:
        """Why the first ticket was raised."""
        return explain(self.tickets[0])

    @property
    def title(self) -> str:
        """One line for a list of alerts."""
        origin = "simulated stream" if self.simulated else "stream"
        return f"{self.incident.entity} out of equilibrium on {origin} {self.incident.stream}"

    @property
    def opened_ms(self) -> int:
        """When it began, milliseconds since 1970-01-01 UTC."""
        return self.incident.opened_ns // _MILLISECOND_NS

    @property
    def last_ms(self) -> int:
        """Onset of the latest ticket, milliseconds."""
        return self.tickets[-1].onset_ns // _MILLISECOND_NS

    @property
    def severity(self) -> int:
        """1 informational, 2 low, 3 medium, 4 high, 5 critical: the bands of the criticality index."""
        return 1 + min(int(self.criticality // 20), 4)

    @property
    def confidence(self) -> float:
        """Highest confidence of a technique, 0 to 1; 0 without any."""
        return max((tag.confidence for tag in self.tags), default=0.0)
