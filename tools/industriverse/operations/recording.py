"""What the Atlas is told: one energy state per regime of a stream, and what happened between them.

Everything is promised to the outbox of :class:`~industriverse.operations.memory.AtlasMemory`; nothing here
waits for the graph or the object store.
"""

import hashlib
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from industriverse.atlas.errors import OutboxFullError
from industriverse.atlas.model import (
    Action,
    EnergyState,
    Model,
    Proof,
    Record,
    RegimeShift,
    Service,
    Transition,
)
from industriverse.eil.quarantine import RegimeShift as QuarantinedShift
from industriverse.eil.reference import Reference
from industriverse.operations.certificates import Issued
from industriverse.operations.errors import OperationError
from industriverse.operations.services import Services
from industriverse.operations.streams import LiveStream
from industriverse.operations.timeline import DISTURBED, RECOVERED, REFERENCE, Stretch, Timeline, name_of
from industriverse.operations.times import parse_time
from industriverse.shield.store import ActionStatus
from industriverse.signals import Incident, ThermoReadings

__all__ = [
    "Recorded",
    "follow",
    "proof_of",
    "record_disturbance",
    "record_event_incident",
    "record_growth",
    "record_incident",
    "record_proof",
    "record_reference",
]

logger = logging.getLogger(__name__)

UNKNOWN_DOMAIN = "telemetry"
SIMULATED_WATER = "water (simulation)"
EVENTS = "events"
_DIGEST_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Recorded:
    """Ids of what the Atlas holds about an incident."""

    states: tuple[str, ...]
    actions: tuple[str, ...]
    proofs: tuple[str, ...]


def _domain(services: Services, stream: str) -> str:
    return SIMULATED_WATER if services.plants.exists(stream) else UNKNOWN_DOMAIN


def _state_id(stream: str, timeline: Timeline, start_ns: int, regime: str = "") -> str:
    shown = timeline.digest[:_DIGEST_SHOWN]
    # Only the first stretch is the one that was learned, though the stream may come back to that regime.
    if start_ns == timeline.learned_ns:
        return f"state-{stream}-{REFERENCE}-{shown}"
    return f"state-{stream}-{regime or timeline.regime_of(start_ns)}-{shown}-{start_ns}"


def _timeline(services: Services, stream: str) -> Timeline:
    """The timeline of a stream, from memory or from its mark; a new one after new learning."""
    reference = services.streams.watched(stream).reference
    known = services.timelines.get(stream)
    if known is None and (text := services.memory.outbox.mark(stream)) is not None:
        known = Timeline.from_json(text)
    if known is None or known.digest != reference.digest:
        known = _begin(services, stream, known)
    services.timelines[stream] = known
    return known


def _begin(services: Services, stream: str, before: Timeline | None) -> Timeline:
    from industriverse.operations.vocabulary import vocabulary, vocabulary_digest

    reference = services.streams.watched(stream).reference
    weights = _weights(reference)
    begun = Timeline.begin(reference.digest, reference.clean_start_ns, reference.clean_stop_ns)
    records: list[Record | Transition] = [
        Service(stream, stream, _domain(services, stream)),
        Model(
            id=reference.digest,
            timestamp_ns=services.clock(),
            name=f"reference of {stream}",
            family="reference",
            service=stream,
            checkpoint=hashlib.sha256(weights).hexdigest(),
        ),
        _state(services, stream, begun, begun.present),
    ]
    if before is not None:
        earlier = _state_id(stream, before, before.present.start_ns)
        records.append(Transition(earlier, _state_id(stream, begun, begun.present.start_ns), "learned again"))
    # The words that the records use; once for an installation.
    services.memory.promise("", vocabulary(), key=f"vocabulary-{vocabulary_digest()}")
    services.memory.promise(stream, records, objects=[weights], mark=begun.to_json())
    return begun


def _weights(reference: Reference) -> bytes:
    """A reference as the file that it is saved as."""
    with tempfile.TemporaryDirectory() as folder:
        return reference.save(Path(folder) / "reference.npz").read_bytes()


def follow(services: Services, stream: str) -> None:
    """Have the Atlas told of what a stream has read since the last time: a state for each regime.

    Where the outbox is full, nothing is told yet and nothing is lost: the readings are summed up again at the
    next call, after a restart from the stored samples.
    """
    live = services.streams.live(stream)
    readings = None if live is None else live.readings
    if live is None or readings is None:
        return
    try:
        timeline = _timeline(services, stream)
        after = int(readings.timestamps_ns.searchsorted(timeline.until_ns, side="right"))
        _tell(services, stream, timeline, *timeline.feed(readings.rows(after)))
        _tell_shifts(services, stream, live.shifts)
    except OutboxFullError as error:
        logger.warning("stream %s is not recorded for the moment: %s", stream, error)


def _tell(
    services: Services, stream: str, before: Timeline, now: Timeline, stretches: tuple[Stretch, ...]
) -> None:
    if stretches:
        records: list[Record | Transition] = []
        objects = []
        previous = before.present
        for stretch in stretches:
            content = _evidence(services, stream, stretch) if stretch.start_ns != previous.start_ns else None
            objects += [] if content is None else [content]
            records.append(_state(services, stream, now, stretch))
            if stretch.start_ns != previous.start_ns:
                records += _shift(stream, now, previous, stretch)
            previous = stretch
        services.memory.promise(stream, records, objects=objects, mark=now.to_json())
    services.timelines[stream] = now


def _tell_shifts(services: Services, stream: str, shifts: Sequence[QuarantinedShift]) -> None:
    """Have the Atlas told of changes that no admitted regime explains, and of what was decided on them."""
    timeline = services.timelines[stream]
    known = set(timeline.told)
    new = [shift for shift in shifts if (shift.id, shift.state.value) not in known]
    if not new:
        return
    records = [
        RegimeShift(
            id=shift.id,
            timestamp_ns=shift.detected_ns,
            service=stream,
            state=_state_id(stream, timeline, *place),
            from_regime=name_of(shift.from_regime),
            # Nobody has named where it went; what became of it is what can be searched for.
            to_regime=shift.state.value,
            score=shift.log_likelihood_ratio,
            # Quarantine weighs likelihoods; none of them is a p-value.
            p_value=1.0,
        )
        for shift in new
        if (place := timeline.stretch_at(shift.detected_ns)) is not None
    ]
    now = timeline.having_told((shift.id, shift.state.value) for shift in new)
    services.memory.promise(stream, records, mark=now.to_json())
    services.timelines[stream] = now


def _shift(
    stream: str, timeline: Timeline, previous: Stretch, stretch: Stretch
) -> tuple[Transition, RegimeShift]:
    source, target = (_state_id(stream, timeline, one.start_ns, one.regime) for one in (previous, stretch))
    cause = {DISTURBED: "disturbance", RECOVERED: "recovery"}.get(stretch.regime, "regime")
    shift = RegimeShift(
        id=f"shift-{target}",
        timestamp_ns=stretch.start_ns,
        service=stream,
        state=target,
        from_regime=previous.regime,
        to_regime=stretch.regime,
        score=stretch.score,
        p_value=stretch.p_value,
    )
    return Transition(source, target, cause), shift


def _state(
    services: Services, stream: str, timeline: Timeline, stretch: Stretch, entity: str = ""
) -> EnergyState:
    channels = services.streams.watched(stream).reference.channels
    learned = stretch.start_ns == timeline.learned_ns
    return EnergyState(
        id=_state_id(stream, timeline, stretch.start_ns, stretch.regime),
        timestamp_ns=stretch.start_ns,
        # Equipartition: each of d quadratic degrees of freedom holds kT/2 in equilibrium.
        energy=len(channels) / 2.0 if learned else stretch.sums.mean("energy"),
        entropy=0.0 if learned else stretch.sums.mean("entropy"),
        domain=_domain(services, stream),
        regime=stretch.regime,
        service=stream,
        entities=_entities(services, stream, timeline, stretch, entity),
        reference_digest=timeline.digest,
        evidence=_evidence_key(services, stream, stretch),
        vector=stretch.sums.vector,
    )


def _entities(
    services: Services, stream: str, timeline: Timeline, stretch: Stretch, entity: str
) -> tuple[str, ...]:
    """Assets of the incidents that were opened in a disturbance."""
    if stretch.regime != DISTURBED:
        return ()
    found = {
        incident.entity
        for incident in services.shield.incidents()
        if incident.stream == stream and timeline.disturbed_at(incident.opened_ns) == stretch.start_ns
    }
    return tuple(sorted(one for one in found | {entity} if one))


def _evidence(services: Services, stream: str, stretch: Stretch) -> bytes | None:
    """The sample with which a stretch began, as Parquet: the same whenever it is asked for."""
    from industriverse.atlas.frames import parquet_of

    if stretch.regime == REFERENCE:
        return None
    began = services.streams.store.frame(stream, after_ns=stretch.start_ns - 1)
    return parquet_of(began.rows(0, 1)) if len(began) else None


def _evidence_key(services: Services, stream: str, stretch: Stretch) -> str:
    place = (stream, stretch.start_ns)
    if place not in services.evidence_keys:
        content = _evidence(services, stream, stretch)
        services.evidence_keys[place] = "" if content is None else hashlib.sha256(content).hexdigest()
    return services.evidence_keys[place]


def record_reference(services: Services, stream: str) -> None:
    """Write the state in which a stream was learned: equilibrium, by definition."""
    _timeline(services, stream)


def record_disturbance(services: Services, incident: Incident) -> None:
    """Write an incident, linked to the disturbed state of its stream, which now concerns its asset too."""
    follow(services, incident.stream)
    timeline = _timeline(services, incident.stream)
    records: list[Record | Transition] = []
    if timeline.present.regime == DISTURBED and timeline.present.start_ns <= incident.opened_ns:
        records.append(_state(services, incident.stream, timeline, timeline.present, incident.entity))
    services.memory.promise(incident.stream, [*records, incident], states=_states_of(services, incident))


def record_growth(services: Services, incident: Incident) -> None:
    """Write the tickets that a known incident has gained."""
    services.memory.promise(incident.stream, [incident], states=_states_of(services, incident))


def record_event_incident(services: Services, incident: Incident) -> None:
    """Write an incident of a stream of events as it stands now.

    No state is linked: energies are of samples, and habits of events have none.
    """
    stream = incident.stream
    services.memory.promise(stream, [Service(stream, stream, EVENTS), incident])


def _states_of(services: Services, incident: Incident) -> tuple[str, ...]:
    timeline = _timeline(services, incident.stream)
    start_ns = timeline.disturbed_at(incident.opened_ns)
    return () if start_ns is None else (_state_id(incident.stream, timeline, start_ns),)


def proof_of(issued: Issued, states: tuple[str, ...] = ()) -> Proof:
    """A certificate as the graph knows it."""
    predicate = issued.verified.predicate
    return Proof(
        id=issued.certificate_id,
        timestamp_ns=parse_time(predicate.issued, "issued"),
        service=predicate.stream,
        evidence_sha256=predicate.evidence_sha256,
        certificate="",
        checks_passed=predicate.checks_run,
        checks_run=predicate.checks_run,
        states=states,
    )


def record_proof(services: Services, issued: Issued) -> str:
    """Write a certificate, linked to the state that it proves; returns its id in the graph."""
    predicate = issued.verified.predicate
    follow(services, predicate.stream)
    timeline = _timeline(services, predicate.stream)
    window = parse_time(predicate.start, "start"), parse_time(predicate.end, "end")
    proved_ns = timeline.calm_around(*window)
    states = () if proved_ns is None else (_state_id(predicate.stream, timeline, proved_ns),)
    services.memory.promise(predicate.stream, [proof_of(issued, states)])
    return issued.certificate_id


def _record_actions(services: Services, incident: Incident) -> tuple[str, ...]:
    recorded = []
    for plan in services.shield.plans(incident=incident.id):
        for action, state in zip(plan.plan.actions, plan.actions, strict=True):
            if state.status is ActionStatus.PENDING or state.changed_ns is None:
                continue
            target = action.target if action.value is None else f"{action.target} = {action.value}"
            recorded.append(
                Action(
                    id=state.idempotency_key,
                    timestamp_ns=state.changed_ns,
                    incident=incident.id,
                    verb=action.verb,
                    target=target,
                    outcome=state.status.value,
                )
            )
    services.memory.promise(incident.stream, recorded)
    return tuple(action.id for action in recorded)


def record_incident(services: Services, stream: str, incident_id: str) -> Recorded:
    """Write the whole story of an incident: disturbed and, if it is calm now, recovered state, actions, proofs.

    That of a stream of events has no states and no proofs: its actions are written.

    Raises:
        NotFoundError: If there is no such incident.
        OperationError: If it was raised by an earlier reference.
        OutboxFullError: If too many writes wait already.
    """
    from industriverse.operations.incidents import incident_of
    from industriverse.shield.incidents import close_incident

    incident = incident_of(services, incident_id)
    if services.events.store.holds(stream):
        record_event_incident(services, incident)
        return Recorded((), _record_actions(services, incident), ())
    readings = _readings_since(services.streams.watched(stream), incident)
    record_disturbance(services, incident)
    timeline = _timeline(services, stream)
    states = [_state_id(stream, timeline, timeline.learned_ns), *_states_of(services, incident)]
    actions = _record_actions(services, incident)
    proofs: tuple[str, ...] = ()
    if not readings.alarm[-1]:
        calm_since_ns = _conclude(services, stream, actions)
        recovered = _state_id(stream, _timeline(services, stream), calm_since_ns)
        states.append(recovered)
        closed = incident if incident.closed_ns else close_incident(incident, calm_since_ns)
        services.announcements.announce(closed)
        services.shield.put_incident(closed)
        services.memory.promise(stream, [closed], states=states[1:])
        _close_others(services, stream, calm_since_ns)
        proofs = _proofs_since(services, stream, calm_since_ns)
    return Recorded(tuple(states), actions, proofs)


def _conclude(services: Services, stream: str, actions: tuple[str, ...]) -> int:
    """End the disturbance of a stream that is calm now; returns when it became calm."""
    before = _timeline(services, stream)
    _tell(services, stream, before, *before.conclude())
    now = services.timelines[stream]
    starts = [start for start, _ in now.starts]
    present = starts.index(now.present.start_ns)
    if actions and present:
        source, target = (_state_id(stream, now, start) for start in starts[present - 1 : present + 1])
        services.memory.promise(stream, [Transition(source, target, f"action:{actions[0]}")])
    return now.present.start_ns


def _readings_since(live: LiveStream, incident: Incident) -> ThermoReadings:
    readings = live.readings
    if readings is None or int(readings.timestamps_ns[0]) > incident.opened_ns:
        raise OperationError(
            f"incident {incident.id} was raised by an earlier reference than the present one",
            hint="it cannot be recorded any more; its tickets are kept",
        )
    return readings


def _close_others(services: Services, stream: str, calm_since_ns: int) -> None:
    """A stream that is calm again has no open incident: those of other assets were one disturbance with it."""
    from industriverse.shield.incidents import close_incident

    for other in services.shield.incidents(open_only=True):
        if other.stream == stream and other.opened_ns <= calm_since_ns:
            closed = close_incident(other, calm_since_ns)
            services.announcements.announce(closed)
            services.shield.put_incident(closed)
            record_growth(services, closed)


def _proofs_since(services: Services, stream: str, since_ns: int) -> tuple[str, ...]:
    """Write the certificates of windows that lie in the present state."""
    linked = []
    for certificate_id in services.certificates.of_stream(stream):
        issued = services.certificates.find(certificate_id)
        if parse_time(issued.verified.predicate.start, "start") >= since_ns:
            linked.append(record_proof(services, issued))
    return tuple(linked)
