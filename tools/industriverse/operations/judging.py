"""What a verdict does to the detector that raised a ticket, whichever kind of stream it watches."""

from dataclasses import dataclass

from industriverse.eil.errors import EilError
from industriverse.eil.feedback import Verdict
from industriverse.operations.errors import InvalidArgumentsError, NotFoundError
from industriverse.operations.incidents import is_of_events
from industriverse.operations.journal import VerdictEntry
from industriverse.operations.services import Services
from industriverse.operations.times import time_text
from industriverse.signals import Incident

__all__ = ["HOLD_HOURS", "Judged", "judge_incident", "judge_ticket"]

HOLD_HOURS = 24.0


@dataclass(frozen=True, slots=True)
class Judged:
    """What followed from a verdict.

    Attributes:
        component: The one component that it touched.
        component_nats: What that component said at the ticket.
        expires: When the verdict no longer holds.
        effect: In a sentence.
    """

    component: str
    component_nats: float
    expires: str
    effect: str


def judge_ticket(
    services: Services, stream: str, ticket: str, verdict: str, *, by: str, component: str | None = None,
    hold_hours: float = HOLD_HOURS,
) -> Judged:  # fmt: skip
    """Recalibrate one component by a verdict on a ticket, and keep the verdict.

    Raises:
        NotFoundError: If there is no such stream or nothing was learned from it.
        RegimeError: If the stream raised no such ticket.
        InvalidArgumentsError: If the component took no part in the ticket.
    """
    of_events = is_of_events(services, stream)
    surprises = (
        services.events.watched(stream).surprises_of(ticket)
        if of_events
        else services.streams.watched(stream).surprises_of(ticket)
    )
    chosen = component or next(iter(surprises))
    if chosen not in surprises:
        raise InvalidArgumentsError(
            f"component: {chosen!r} took no part in ticket {ticket}",
            hint=f"name one of {', '.join(surprises)}",
        )
    entry = VerdictEntry(
        ticket=ticket, verdict=Verdict(verdict), component=chosen, hold_s=hold_hours * 3600.0, by=by
    )
    if of_events:
        services.events.tell(stream, entry)
        last_ns = services.events.watched(stream).last_ns
        whose = f"{chosen} of {services.events.watched(stream).entity_of(ticket)!r}"
        quiet = f"{whose} does not count in the alarm"
        effects = {"false": quiet, "planned_work": quiet, "true": f"every relief of {whose} is withdrawn"}
    else:
        services.streams.tell(stream, entry)
        last_ns = services.streams.watched(stream).last_ns
        effects = {
            "false": f"{chosen} counts {max(surprises[chosen], 1.0):.3g} times less in the alarm",
            "planned_work": f"{chosen} does not count in the alarm",
            "true": f"every relief of {chosen} is withdrawn; it is fully heard again",
        }
    until = time_text(last_ns + round(hold_hours * 3.6e12))
    lasts = "" if verdict == "true" else f" until {until}"
    effect = f"{effects[verdict]}{lasts}. All other components and the score are as before."
    return Judged(chosen, surprises[chosen], until, effect)


def judge_incident(services: Services, incident: Incident, verdict: str, by: str) -> str:
    """Let a verdict on an incident recalibrate what led its latest ticket; returns the effect in a sentence."""
    try:
        return judge_ticket(services, incident.stream, incident.tickets[-1], verdict, by=by).effect
    except (EilError, NotFoundError) as error:
        # The verdict itself is worth keeping when the detector that raised the ticket is gone.
        return f"The detector was not recalibrated: {error}."
