"""What the graph remembers: frozen records, checked when they are made.

Times are nanoseconds since 1970-01-01 UTC; energies are in kT and entropies in nats of the reference that
``reference_digest`` names. Identifiers are opaque text chosen by the caller and unique within their kind.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from math import isfinite
from typing import Any

from industriverse.atlas.errors import RecordError
from industriverse.signals import Incident

__all__ = [
    "VECTOR_LENGTH",
    "Action",
    "EnergyState",
    "Entity",
    "Incident",
    "Kind",
    "Model",
    "Proof",
    "Record",
    "RegimeShift",
    "Service",
    "Term",
    "Transition",
    "check_incident",
    "check_vector",
    "state_of_row",
    "timestamp_of",
]

# Long enough for any path-like name, short enough that an id can never be a payload.
_MAX_TEXT = 1_024
_INT64_MAX = 2**63 - 1
VECTOR_LENGTH = 8
"""Means of energy, innovation energy, temperature, entropy, work, heat, structure, entropy production."""

_SHA256_HEX = re.compile(r"[0-9a-f]{64}")
# References repeat from state to state.
_IS_DIGEST = lru_cache(maxsize=1_024)(_SHA256_HEX.fullmatch)
_NOT_PLAIN = "é"
_NEW = object.__new__
_FLOATS = [float] * VECTOR_LENGTH
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Kind(StrEnum):
    """The kinds of node; the value is the node's label in the graph."""

    STATE = "EnergyState"
    SHIFT = "RegimeShift"
    INCIDENT = "Incident"
    ACTION = "Action"
    PROOF = "Proof"
    SERVICE = "Service"
    ENTITY = "Entity"
    MODEL = "Model"
    TERM = "Term"


def timestamp_of(timestamp_ns: int) -> datetime:
    """The UTC datetime of a nanosecond time, cut to microseconds (what Cypher clients can represent)."""
    return _EPOCH + timedelta(microseconds=timestamp_ns // 1_000)


def _check_text(record: str, field: str, value: object, *, empty: bool = False) -> None:
    if type(value) is str and 0 < len(value) <= _MAX_TEXT and value.isascii():
        return
    if not isinstance(value, str) or len(value) > _MAX_TEXT or (not value and not empty):
        raise RecordError(
            f"{record}.{field} is {value!r:.80}",
            hint=f"give text of {0 if empty else 1} to {_MAX_TEXT} characters",
        )
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise RecordError(
            f"{record}.{field} holds a lone surrogate: {value!r:.80}", hint="give valid Unicode"
        )


def _check_texts(record: str, field: str, values: Iterable[object]) -> None:
    for value in values:
        _check_text(record, field, value)


def _check_time(record: str, field: str, value: object) -> None:
    # bool is an int in Python; a flag in a time column is always a caller's mistake.
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _INT64_MAX:
        raise RecordError(f"{record}.{field} is {value!r:.80}", hint="give nanoseconds since 1970 as an int")


def _check_number(record: str, field: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RecordError(f"{record}.{field} is {value!r:.80}", hint="give a finite number")


def check_vector(field: str, values: tuple[float, ...]) -> None:
    """Refuse numbers that are no place in the space of states; none at all means that it is unknown.

    Raises:
        RecordError: Naming the field.
    """
    if (
        len(values) == VECTOR_LENGTH
        and all(type(one) is float for one in values)
        and all(map(math.isfinite, values))
    ):
        return
    if len(values) not in (0, VECTOR_LENGTH):
        raise RecordError(f"{field} has {len(values)} numbers", hint=f"give {VECTOR_LENGTH} or none")
    record, _, name = field.partition(".")
    for value in values:
        _check_number(record, name, value)


def _check_digest(record: str, field: str, value: str, *, empty: bool = True) -> None:
    if not (empty and value == "") and not (isinstance(value, str) and _SHA256_HEX.fullmatch(value)):
        raise RecordError(
            f"{record}.{field} is {value!r:.80}", hint="give 64 lower-case hex digits of a SHA-256"
        )


@dataclass(frozen=True, slots=True)
class Service:
    """A stream of telemetry with its own reference: the thing that consumes energy.

    Attributes:
        id: Name of the stream.
        name: Text for people, empty if none.
        domain: ``"water"``, ``"power"``, … empty if unknown.
    """

    id: str
    name: str = ""
    domain: str = ""

    def __post_init__(self) -> None:
        _check_text("Service", "id", self.id)
        _check_text("Service", "name", self.name, empty=True)
        _check_text("Service", "domain", self.domain, empty=True)


@dataclass(frozen=True, slots=True)
class Entity:
    """An asset that states and incidents concern.

    Attributes:
        id: Identifier of the asset (``"pump-1"``).
        name: Text for people, empty if none.
        category: ``"pump"``, ``"tank"``, … empty if unknown.
    """

    id: str
    name: str = ""
    category: str = ""

    def __post_init__(self) -> None:
        _check_text("Entity", "id", self.id)
        _check_text("Entity", "name", self.name, empty=True)
        _check_text("Entity", "category", self.category, empty=True)


@dataclass(frozen=True, slots=True)
class EnergyState:
    """One stretch of a stream in one regime, summarised by its thermodynamics.

    Attributes:
        id: Identifier, the same for the same stretch so that recording twice changes nothing.
        timestamp_ns: Start of the stretch.
        energy: Mean energy, kT.
        entropy: Information entropy relative to the reference, nats.
        domain: ``"water"``, ``"power"``, …
        regime: Name of the regime in force.
        service: The stream.
        entities: Assets that the state concerns.
        reference_digest: SHA-256 of the fitted reference, hex; empty if none.
        evidence: Key of the readings in the object store (SHA-256 hex); empty if none.
        vector: Place in the space in which states are compared, ``VECTOR_LENGTH`` finite numbers; empty if
            unknown.
    """

    id: str
    timestamp_ns: int
    energy: float
    entropy: float
    domain: str
    regime: str
    service: str
    entities: tuple[str, ...] = ()
    reference_digest: str = ""
    evidence: str = ""
    vector: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for field in ("id", "domain", "regime", "service"):
            _check_text("EnergyState", field, getattr(self, field))
        _check_time("EnergyState", "timestamp_ns", self.timestamp_ns)
        _check_number("EnergyState", "energy", self.energy)
        _check_number("EnergyState", "entropy", self.entropy)
        object.__setattr__(self, "entities", tuple(dict.fromkeys(self.entities)))
        _check_texts("EnergyState", "entities", self.entities)
        _check_digest("EnergyState", "reference_digest", self.reference_digest)
        _check_digest("EnergyState", "evidence", self.evidence)
        object.__setattr__(self, "vector", tuple(self.vector))
        check_vector("EnergyState.vector", self.vector)


_SET = {field: getattr(EnergyState, field).__set__ for field in EnergyState.__slots__}
(
    _SET_ID,
    _SET_TIME,
    _SET_ENERGY,
    _SET_ENTROPY,
    _SET_DOMAIN,
    _SET_REGIME,
    _SET_SERVICE,
    _SET_ENTITIES,
    _SET_REFERENCE,
    _SET_EVIDENCE,
    _SET_VECTOR,
) = _SET.values()


def state_of_row(row: Mapping[str, Any]) -> EnergyState:
    """The state that a row of its projection holds.

    A row that is plainly in order, as nearly all are, is looked at in one pass and put into the record's slots;
    any other goes through the constructor, which accepts it or names what is wrong.

    Raises:
        RecordError: Naming the field and its value.
    """
    identifier, domain, regime, service = row["id"], row["domain"], row["regime"], row["service"]
    time_ns, energy, entropy = row["timestamp_ns"], row["energy"], row["entropy"]
    entities, reference, evidence = row["entities"], row["reference_digest"], row["evidence"]
    # Segments that were archived before states had a place in a space have no such column.
    vector = row.get("vector") or ()
    try:
        texts = "".join((identifier, domain, regime, service, *entities))
    except TypeError:
        texts = _NOT_PLAIN
    if (
        (identifier and domain and regime and service and all(entities))
        and len(texts) <= _MAX_TEXT
        and texts.isascii()
        and type(time_ns) is int
        and 0 <= time_ns <= _INT64_MAX
        and type(energy) is type(entropy) is float
        and (not vector or [*map(type, vector)] == _FLOATS)
        # No number where one of the summands is none; where the sum alone is, the constructor decides.
        and isfinite(sum(vector, energy + entropy))
        and (len(entities) < 2 or len(set(entities)) == len(entities))
        and (reference == "" or (type(reference) is str and _IS_DIGEST(reference)))
        and (evidence == "" or (type(evidence) is str and _IS_DIGEST(evidence)))
    ):
        state = _NEW(EnergyState)
        _SET_ID(state, identifier)
        _SET_TIME(state, time_ns)
        _SET_ENERGY(state, energy)
        _SET_ENTROPY(state, entropy)
        _SET_DOMAIN(state, domain)
        _SET_REGIME(state, regime)
        _SET_SERVICE(state, service)
        _SET_ENTITIES(state, tuple(entities))
        _SET_REFERENCE(state, reference)
        _SET_EVIDENCE(state, evidence)
        _SET_VECTOR(state, tuple(vector))
        return state
    return EnergyState(
        identifier,
        time_ns,
        energy,
        entropy,
        domain,
        regime,
        service,
        tuple(entities),
        reference,
        evidence,
        tuple(vector),
    )


@dataclass(frozen=True, slots=True)
class Transition:
    """That one state followed another.

    Attributes:
        source: Id of the earlier state.
        target: Id of the later state.
        cause: What moved the system (``"drift"``, ``"attack"``, ``"action:a-17"``), empty if unknown.
    """

    source: str
    target: str
    cause: str = ""

    def __post_init__(self) -> None:
        _check_text("Transition", "source", self.source)
        _check_text("Transition", "target", self.target)
        _check_text("Transition", "cause", self.cause, empty=True)
        if self.source == self.target:
            raise RecordError(f"state {self.source!r} cannot follow itself", hint="link two different states")


@dataclass(frozen=True, slots=True)
class RegimeShift:
    """A detected change of regime.

    Attributes:
        id: Identifier.
        timestamp_ns: When the shift was detected.
        service: The stream.
        state: Id of the energy state in which it was detected; must be in the graph.
        from_regime: Regime before.
        to_regime: Regime after.
        score: Evidence, nats.
        p_value: Conformal p-value, 0 to 1.
    """

    id: str
    timestamp_ns: int
    service: str
    state: str
    from_regime: str
    to_regime: str
    score: float
    p_value: float

    def __post_init__(self) -> None:
        for field in ("id", "service", "state", "from_regime", "to_regime"):
            _check_text("RegimeShift", field, getattr(self, field))
        _check_time("RegimeShift", "timestamp_ns", self.timestamp_ns)
        _check_number("RegimeShift", "score", self.score)
        _check_number("RegimeShift", "p_value", self.p_value)
        if not 0.0 <= self.p_value <= 1.0:
            raise RecordError(f"RegimeShift.p_value is {self.p_value}", hint="give a probability")


@dataclass(frozen=True, slots=True)
class Action:
    """Something that was done about an incident, and what came of it.

    Attributes:
        id: Identifier of the action; the command that the plant saw carries the same.
        timestamp_ns: When it was done.
        incident: Id of the incident; must be in the graph.
        verb: What was done (``"open"``, ``"isolate"``).
        target: To which asset.
        outcome: ``"applied"``, ``"reverted"``, ``"refused"``, …
    """

    id: str
    timestamp_ns: int
    incident: str
    verb: str
    target: str
    outcome: str

    def __post_init__(self) -> None:
        for field in ("id", "incident", "verb", "target", "outcome"):
            _check_text("Action", field, getattr(self, field))
        _check_time("Action", "timestamp_ns", self.timestamp_ns)


@dataclass(frozen=True, slots=True)
class Proof:
    """A certificate of equilibrium, as the graph knows it.

    Attributes:
        id: Identifier of the certificate.
        timestamp_ns: When it was issued.
        service: The stream.
        evidence_sha256: Hash of the evidence that the certificate signs, hex.
        certificate: Key of the signed envelope in the object store, hex; empty if kept elsewhere.
        checks_passed: How many checks passed.
        checks_run: How many could be run.
        states: Ids of the energy states that it proves; must be in the graph.
    """

    id: str
    timestamp_ns: int
    service: str
    evidence_sha256: str
    certificate: str
    checks_passed: int
    checks_run: int
    states: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_text("Proof", "id", self.id)
        _check_text("Proof", "service", self.service)
        _check_time("Proof", "timestamp_ns", self.timestamp_ns)
        _check_digest("Proof", "evidence_sha256", self.evidence_sha256, empty=False)
        _check_digest("Proof", "certificate", self.certificate)
        object.__setattr__(self, "states", tuple(dict.fromkeys(self.states)))
        _check_texts("Proof", "states", self.states)
        if not 0 <= self.checks_passed <= self.checks_run:
            raise RecordError(
                f"Proof has {self.checks_passed} of {self.checks_run} checks passed",
                hint="checks passed cannot exceed checks run",
            )


@dataclass(frozen=True, slots=True)
class Model:
    """Something that was fitted: a reference of equilibrium, a predictor, a regime.

    Attributes:
        id: Identifier of this version, such as its digest.
        timestamp_ns: When it was fitted or stored.
        name: What it is a version of.
        family: ``"reference"``, ``"predictor"``, …
        service: The stream that it was fitted to; empty if to none in particular.
        checkpoint: Key of its weights in the object store, hex; empty if kept elsewhere or let go.
    """

    id: str
    timestamp_ns: int
    name: str
    family: str
    service: str = ""
    checkpoint: str = ""

    def __post_init__(self) -> None:
        for field in ("id", "name", "family"):
            _check_text("Model", field, getattr(self, field))
        _check_text("Model", "service", self.service, empty=True)
        _check_time("Model", "timestamp_ns", self.timestamp_ns)
        _check_digest("Model", "checkpoint", self.checkpoint)


@dataclass(frozen=True, slots=True)
class Term:
    """A word of the vocabulary.

    Attributes:
        id: Identifier.
        label: The word as people write it.
        definition: What it means, in a sentence or two.
        broader: Ids of the terms that this one is a kind of.
    """

    id: str
    label: str = ""
    definition: str = ""
    broader: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_text("Term", "id", self.id)
        _check_text("Term", "label", self.label, empty=True)
        _check_text("Term", "definition", self.definition, empty=True)
        object.__setattr__(self, "broader", tuple(dict.fromkeys(self.broader)))
        _check_texts("Term", "broader", self.broader)
        if self.id in self.broader:
            raise RecordError(f"term {self.id!r:.80} is broader than itself", hint="leave it out of broader")


def check_incident(incident: Incident) -> None:
    """Refuse an incident that the graph could not hold.

    Raises:
        RecordError: Naming the field and its value.
    """
    _check_text("Incident", "id", incident.id)
    _check_text("Incident", "stream", incident.stream)
    _check_text("Incident", "entity", incident.entity, empty=True)
    _check_texts("Incident", "tickets", incident.tickets)
    _check_time("Incident", "opened_ns", incident.opened_ns)
    if incident.closed_ns is not None:
        _check_time("Incident", "closed_ns", incident.closed_ns)


Record = EnergyState | RegimeShift | Incident | Action | Proof | Service | Entity | Model | Term
