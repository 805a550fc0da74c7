"""Records for the tests of the Atlas."""

from industriverse.atlas import Action, EnergyState, Proof, RegimeShift
from industriverse.signals import Incident

SECOND = 1_000_000_000
START_NS = 1_767_225_600 * SECOND


def state(
    index: int,
    *,
    service: str = "network-3",
    domain: str = "water",
    regime: str = "calm",
    entities: tuple[str, ...] = ("pump-1",),
    energy: float | None = None,
) -> EnergyState:
    return EnergyState(
        id=f"s{index:05d}",
        timestamp_ns=START_NS + index * SECOND + 7,
        energy=float(index) if energy is None else energy,
        entropy=0.25,
        domain=domain,
        regime=regime,
        service=service,
        entities=entities,
        reference_digest="ab" * 32,
        evidence="cd" * 32,
    )


def shift(state_id: str, identifier: str = "shift-1") -> RegimeShift:
    return RegimeShift(identifier, START_NS + 5, "network-3", state_id, "calm", "attack", 12.5, 1e-4)


def incident(closed_ns: int | None = None) -> Incident:
    return Incident("incident-1", "network-3", "pump-1", ("ticket-1", "ticket-2"), START_NS + 9, closed_ns)


def action(outcome: str = "applied") -> Action:
    return Action("action-1", START_NS + 11, "incident-1", "open", "pump-1", outcome)


def proof(*states: str) -> Proof:
    return Proof("proof-1", START_NS + 13, "network-3", "ef" * 32, "01" * 32, 4, 5, states)
