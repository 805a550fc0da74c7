"""Errors of the Energy Atlas."""

from industriverse.physics.errors import IndustriverseError

__all__ = [
    "AtlasClosedError",
    "AtlasError",
    "AtlasOwnedError",
    "AtlasSchemaError",
    "AtlasUnreachableError",
    "CypherRefusedError",
    "CypherRunError",
    "ExchangeError",
    "ObjectCorruptError",
    "ObjectMissingError",
    "OutboxFullError",
    "RecordError",
    "SearchError",
    "UnknownRecordError",
]


class AtlasError(IndustriverseError):
    """Root of the errors raised by the graph and object stores."""


class AtlasClosedError(AtlasError):
    """The store was used after it had been closed."""


class AtlasOwnedError(AtlasError):
    """Another process (or an earlier open in this one) owns the embedded graph."""


class AtlasSchemaError(AtlasError):
    """The graph was written by a version of the platform that this one cannot read."""


class AtlasUnreachableError(AtlasError):
    """The server of the graph or of the objects does not answer; the same call may succeed later."""


class RecordError(AtlasError):
    """A record is not well formed; the message names the field and its value."""


class UnknownRecordError(AtlasError):
    """A record refers to a node that the graph does not hold."""


class SearchError(AtlasError):
    """A search cannot be answered: unknown filter, bad limit or a cursor of another search."""


class CypherRefusedError(AtlasError):
    """A query text is not plainly read-only and was not given to the engine."""


class CypherRunError(AtlasError):
    """The engine could not run a query: syntax, types or the time limit."""


class ObjectMissingError(AtlasError):
    """The object store holds nothing under a key."""


class ObjectCorruptError(AtlasError):
    """Stored bytes do not hash to their key."""


class OutboxFullError(AtlasError):
    """Too many writes wait; whoever produces them must slow down."""


class ExchangeError(AtlasError):
    """An export or a backup is torn, damaged or not one of ours."""
