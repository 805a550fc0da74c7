"""What the Atlas is told: one energy state per regime of a stream, and what happened between them."""

from dataclasses import dataclass

import numpy as np

from industriverse.atlas.model import Action, EnergyState, Proof, RegimeShift, Service, Transition
from industriverse.operations.certificates import Issued
from industriverse.operations.errors import OperationError
from industriverse.operations.services import Services
from industriverse.operations.streams import LiveStream
from industriverse.shield.store import ActionStatus
from industriverse.signals import Incident, ThermoReadings

__all__ = [
    "Recorded",
    "record_disturbance",
    "record_growth",
    "record_incident",
    "record_proof",
    "record_reference",
]

REFERENCE, DISTURBED, RECOVERED = "reference", "disturbed", "recovered"
UNKNOWN_DOMAIN = "telemetry"
SIMULATED_WATER = "water (simulation)"


@dataclass(frozen=True, slots=True)
class Recorded:
    """Ids of what the Atlas holds about an incident."""

    states: tuple[str, ...]
    actions: tuple[str, ...]
    proofs: tuple[str, ...]


def _domain(services: Services, stream: str) -> str:
    return SIMULATED_WATER if services.plants.exists(stream) else UNKNOWN_DOMAIN


def _reference_state_id(stream: str, live: LiveStream) -> str:
    return f"state-{stream}-reference-{live.reference.digest[:12]}"


def record_reference(services: Services, stream: str) -> None:
    """Write the state in which a stream was learned: equilibrium, by definition."""
    live = services.streams.watched(stream)
    dimensions = len(live.reference.channels)
    services.atlas.upsert_services([Service(stream, stream, _domain(services, stream))])
    services.atlas.upsert_states(
        [
            EnergyState(
                id=_reference_state_id(stream, live),
                timestamp_ns=live.reference.clean_start_ns,
                # Equipartition: each of d quadratic degrees of freedom holds kT/2 in equilibrium.
                energy=dimensions / 2.0,
                entropy=0.0,
                domain=_domain(services, stream),
                regime=REFERENCE,
                service=stream,
                reference_digest=live.reference.digest,
            )
        ]
    )


def _state(
    services: Services, incident: Incident, regime: str, readings: ThermoReadings, evidence: str
) -> EnergyState:
    return EnergyState(
        id=f"state-{incident.id}-{regime}",
        timestamp_ns=int(readings.timestamps_ns[0]),
        energy=float(np.mean(readings.energy)),
        entropy=float(np.mean(readings.entropy)),
        domain=_domain(services, incident.stream),
        regime=regime,
        service=incident.stream,
        entities=(incident.entity,) if incident.entity else (),
        reference_digest=services.streams.watched(incident.stream).reference.digest,
        evidence=evidence,
    )


def _between(readings: ThermoReadings, start_ns: int, stop_ns: int | None) -> ThermoReadings:
    first = int(np.searchsorted(readings.timestamps_ns, start_ns))
    last = len(readings) if stop_ns is None else int(np.searchsorted(readings.timestamps_ns, stop_ns))
    return readings.rows(first, max(last, first + 1))


def _readings_since(live: LiveStream, incident: Incident) -> ThermoReadings:
    readings = live.readings
    if readings is None or int(readings.timestamps_ns[0]) > incident.opened_ns:
        raise OperationError(
            f"incident {incident.id} was raised by an earlier reference than the present one",
            hint="it cannot be recorded any more; its tickets are kept",
        )
    return readings


def record_disturbance(services: Services, incident: Incident) -> None:
    """Write the state into which a stream was disturbed, the shift and the incident, from its first ticket."""
    live = services.streams.watched(incident.stream)
    readings = _readings_since(live, incident)
    record_reference(services, incident.stream)
    window = services.streams.store.frame(incident.stream, after_ns=incident.opened_ns - 1)
    onset = _between(readings, incident.opened_ns, None).rows(0, 1)
    evidence = services.objects.put_frame(window.rows(0, 1))
    disturbed = _state(services, incident, DISTURBED, onset, evidence)
    services.atlas.upsert_states([disturbed])
    reference_id = _reference_state_id(incident.stream, live)
    services.atlas.link_transitions([Transition(reference_id, disturbed.id, "disturbance")])
    services.atlas.record_regime_shift(
        RegimeShift(
            id=f"shift-{incident.id}",
            timestamp_ns=incident.opened_ns,
            service=incident.stream,
            state=disturbed.id,
            from_regime=REFERENCE,
            to_regime=DISTURBED,
            score=float(onset.score[0]),
            p_value=float(onset.p_value[0]),
        )
    )
    services.atlas.record_incident(incident, states=[disturbed.id])


def record_growth(services: Services, incident: Incident) -> None:
    """Write the tickets that a known incident has gained."""
    services.atlas.record_incident(incident, states=[f"state-{incident.id}-{DISTURBED}"])


def record_proof(services: Services, issued: Issued, states: tuple[str, ...] = ()) -> str:
    """Write a certificate, linked to the states that it proves; returns its id in the graph."""
    predicate = issued.verified.predicate
    services.atlas.record_proof(
        Proof(
            id=issued.certificate_id,
            timestamp_ns=services.clock(),
            service=predicate.stream,
            evidence_sha256=predicate.evidence_sha256,
            certificate="",
            checks_passed=predicate.checks_run,
            checks_run=predicate.checks_run,
            states=states,
        )
    )
    return issued.certificate_id


def _record_actions(services: Services, incident: Incident) -> tuple[str, ...]:
    recorded = []
    for plan in services.shield.plans(incident=incident.id):
        for action, state in zip(plan.plan.actions, plan.actions, strict=True):
            if state.status is ActionStatus.PENDING or state.changed_ns is None:
                continue
            target = action.target if action.value is None else f"{action.target} = {action.value}"
            services.atlas.record_action(
                Action(
                    id=state.idempotency_key,
                    timestamp_ns=state.changed_ns,
                    incident=incident.id,
                    verb=action.verb,
                    target=target,
                    outcome=state.status.value,
                )
            )
            recorded.append(state.idempotency_key)
    return tuple(recorded)


def record_incident(services: Services, stream: str, incident_id: str) -> Recorded:
    """Write the whole story of an incident: disturbed and, if it is calm now, recovered state, actions, proofs.

    Raises:
        NotFoundError: If there is no such incident.
    """
    from industriverse.operations.incidents import incident_of
    from industriverse.shield.incidents import close_incident

    incident = incident_of(services, incident_id)
    live = services.streams.watched(stream)
    readings = _readings_since(live, incident)
    record_disturbance(services, incident)
    states = [_reference_state_id(stream, live), f"state-{incident.id}-{DISTURBED}"]
    actions = _record_actions(services, incident)
    proofs: tuple[str, ...] = ()
    if not readings.alarm[-1]:
        last_alarm = int(np.flatnonzero(readings.alarm)[-1])
        calm = readings.rows(last_alarm + 1)
        calm_since_ns = int(calm.timestamps_ns[0])
        evidence = services.objects.put_frame(
            services.streams.store.frame(stream, after_ns=calm_since_ns - 1)
        )
        recovered = _state(services, incident, RECOVERED, calm, evidence)
        services.atlas.upsert_states([recovered])
        cause = f"action:{actions[0]}" if actions else ""
        services.atlas.link_transitions([Transition(states[-1], recovered.id, cause)])
        states.append(recovered.id)
        closed = incident if incident.closed_ns else close_incident(incident, calm_since_ns)
        services.shield.put_incident(closed)
        services.atlas.record_incident(closed, states=states[1:])
        _close_others(services, stream, calm_since_ns)
        proofs = _prove_state(services, stream, recovered.id, calm_since_ns)
    return Recorded(tuple(states), actions, proofs)


def _close_others(services: Services, stream: str, calm_since_ns: int) -> None:
    """A stream that is calm again has no open incident: those of other assets were one disturbance with it."""
    from industriverse.shield.incidents import close_incident

    for other in services.shield.incidents(open_only=True):
        if other.stream == stream and other.opened_ns <= calm_since_ns:
            closed = close_incident(other, calm_since_ns)
            services.shield.put_incident(closed)
            services.atlas.record_incident(closed)


def _prove_state(services: Services, stream: str, state_id: str, since_ns: int) -> tuple[str, ...]:
    """Link certificates of windows that lie in a state to it."""
    from industriverse.operations.times import parse_time

    linked = []
    for certificate_id in services.certificates.of_stream(stream):
        issued = services.certificates.find(certificate_id)
        if parse_time(issued.verified.predicate.start, "start") >= since_ns:
            linked.append(record_proof(services, issued, (state_id,)))
    return tuple(linked)
