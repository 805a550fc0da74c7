"""Energy Atlas: the graph of energy states and its object store.

Importing this package loads neither the graph engine nor Arrow; ``industriverse.atlas.embedded.open_atlas``
and ``industriverse.atlas.objects.ObjectStore`` do when they are used.
"""

from industriverse.atlas.errors import (
    AtlasClosedError,
    AtlasError,
    AtlasOwnedError,
    AtlasSchemaError,
    AtlasUnreachableError,
    CypherRefusedError,
    CypherRunError,
    ExchangeError,
    ObjectCorruptError,
    ObjectMissingError,
    OutboxFullError,
    RecordError,
    SearchError,
    UnknownRecordError,
)
from industriverse.atlas.model import (
    Action,
    EnergyState,
    Entity,
    Kind,
    Model,
    Proof,
    Record,
    RegimeShift,
    Service,
    Term,
    Transition,
)
from industriverse.atlas.search import Page, Search
from industriverse.atlas.store import AtlasStore, Counts, CypherResult, Neighbourhood, NodeRef, Relation

__all__ = [
    "Action",
    "AtlasClosedError",
    "AtlasError",
    "AtlasOwnedError",
    "AtlasSchemaError",
    "AtlasStore",
    "AtlasUnreachableError",
    "Counts",
    "CypherRefusedError",
    "CypherResult",
    "CypherRunError",
    "EnergyState",
    "Entity",
    "ExchangeError",
    "Kind",
    "Model",
    "Neighbourhood",
    "NodeRef",
    "ObjectCorruptError",
    "ObjectMissingError",
    "OutboxFullError",
    "Page",
    "Proof",
    "Record",
    "RecordError",
    "RegimeShift",
    "Relation",
    "Search",
    "SearchError",
    "Service",
    "Term",
    "Transition",
    "UnknownRecordError",
]
