"""Searches, pages and cursors."""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass, fields

from industriverse.atlas.cypher import FILTERS
from industriverse.atlas.errors import SearchError
from industriverse.atlas.model import Kind, Record

__all__ = ["MAX_LIMIT", "Page", "Position", "Search", "decode_cursor", "encode_cursor"]

MAX_LIMIT = 500
_INT64_MAX = 2**63 - 1
_MAX_TEXT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for. Filters left at None do not apply.

    Attributes:
        kind: Kind of record.
        domain: Of states and services.
        service: Stream of states, shifts, incidents and proofs.
        entity: Asset that states concern, incidents affect or actions target.
        regime: Regime of states; regime that shifts lead to.
        text: Words that must all occur in names and ids, in any case of letters.
        start_ns: First time that belongs to the range.
        stop_ns: First time behind the range.
        newest_first: Direction of the order by time, then id.
        limit: Records in a page, 1 to 500.
        cursor: ``next_cursor`` of the page before; empty for the first page.

    Raises:
        SearchError: If a filter does not apply to the kind or the limit is out of range.
    """

    kind: Kind = Kind.STATE
    domain: str | None = None
    service: str | None = None
    entity: str | None = None
    regime: str | None = None
    text: str | None = None
    start_ns: int | None = None
    stop_ns: int | None = None
    newest_first: bool = True
    limit: int = 50
    cursor: str = ""

    def __post_init__(self) -> None:
        for name in sorted(set(self.filters) - set(FILTERS[self.kind])):
            known = ", ".join(sorted({"words": "text"}.get(one, one) for one in FILTERS[self.kind]))
            raise SearchError(f"{self.kind} has no filter {name!r}", hint=f"it takes {known}")
        if self.text is not None and len(self.text) > _MAX_TEXT:
            raise SearchError(f"text has {len(self.text)} characters", hint=f"give at most {_MAX_TEXT}")
        if not 1 <= self.limit <= MAX_LIMIT:
            raise SearchError(f"limit is {self.limit}", hint=f"give 1 to {MAX_LIMIT}")

    @property
    def filters(self) -> dict[str, str | int | list[str]]:
        """The filters in force, by name."""
        plain = {"kind", "newest_first", "limit", "cursor", "text"}
        names = [field.name for field in fields(self) if field.name not in plain]
        found = {name: value for name in names if (value := getattr(self, name)) is not None}
        words = (self.text or "").lower().split()
        return {**found, "words": words} if words else found

    @property
    def digest(self) -> str:
        """Fingerprint of everything that a cursor must agree with."""
        content = json.dumps([self.kind, sorted(self.filters.items()), self.newest_first])
        return hashlib.sha256(content.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Position:
    """The place behind one record in the order of a search."""

    timestamp_ns: int
    id: str


@dataclass(frozen=True, slots=True)
class Page:
    """Part of the answer to a search.

    Records written while pages are read appear if they lie behind the cursor; none is shown twice, and none
    that was there from the start is left out.

    Attributes:
        records: In the order of the search.
        total: How many match in all at the time of this page.
        next_cursor: Continue here; empty after the last page.
    """

    records: tuple[Record, ...]
    total: int
    next_cursor: str


def encode_cursor(search: Search, position: Position) -> str:
    """The cursor behind a position in a search."""
    content = json.dumps([search.digest, position.timestamp_ns, position.id], ensure_ascii=False)
    return base64.urlsafe_b64encode(content.encode()).decode()


def decode_cursor(search: Search) -> Position:
    """The position that the search's cursor names.

    Raises:
        SearchError: If the cursor is damaged or belongs to another search.
    """
    try:
        content = json.loads(base64.b64decode(search.cursor.encode(), altchars=b"-_", validate=True))
        digest, timestamp_ns, identifier = content
    except (binascii.Error, UnicodeError, ValueError, TypeError, RecursionError):
        raise SearchError(f"cursor {search.cursor!r:.40} is damaged", hint="start without a cursor") from None
    if type(timestamp_ns) is not int or abs(timestamp_ns) > _INT64_MAX or type(identifier) is not str:
        raise SearchError(f"cursor {search.cursor!r:.40} is damaged", hint="start without a cursor")
    if digest != search.digest:
        raise SearchError(
            "the cursor belongs to another search",
            hint="repeat the filters of the first page or drop the cursor",
        )
    return Position(timestamp_ns, identifier)
