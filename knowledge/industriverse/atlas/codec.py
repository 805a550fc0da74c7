"""Records as JSON-able mappings and back."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from industriverse.atlas.errors import RecordError
from industriverse.atlas.model import (
    Action,
    EnergyState,
    Entity,
    Incident,
    Kind,
    Model,
    Proof,
    Record,
    RegimeShift,
    Service,
    Term,
    Transition,
    check_incident,
)

__all__ = ["KIND_OF", "decode", "encode"]

KIND_OF: dict[type[Record], Kind] = {
    EnergyState: Kind.STATE,
    RegimeShift: Kind.SHIFT,
    Incident: Kind.INCIDENT,
    Action: Kind.ACTION,
    Proof: Kind.PROOF,
    Service: Kind.SERVICE,
    Entity: Kind.ENTITY,
    Model: Kind.MODEL,
    Term: Kind.TERM,
}
_CLASS_OF: dict[str, type[Record | Transition]] = {one.__name__: one for one in (*KIND_OF, Transition)}


def encode(record: Record | Transition) -> dict[str, Any]:
    """A record as a mapping of text, numbers, lists and None."""
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in asdict(record).items()
    }


def decode(name: str, content: Mapping[str, Any]) -> Record | Transition:
    """The record of a class, from what :func:`encode` gave.

    Raises:
        RecordError: If there is no such class or the content does not fit it.
    """
    if name not in _CLASS_OF:
        raise RecordError(f"{name!r:.80} is no kind of record", hint=f"it is one of {', '.join(_CLASS_OF)}")
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in content.items()
    }
    try:
        record = _CLASS_OF[name](**values)
    except TypeError as error:
        raise RecordError(f"{name} does not fit: {error}", hint="give exactly its fields") from error
    if isinstance(record, Incident):
        check_incident(record)
    return record
