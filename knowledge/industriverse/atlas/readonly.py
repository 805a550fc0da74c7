"""Which query texts from outside may reach an engine."""

import re

from industriverse.atlas.errors import CypherRefusedError

__all__ = ["MAX_QUERY_CHARACTERS", "require_read_only"]

MAX_QUERY_CHARACTERS = 10_000

# Clauses that write, change the schema, call procedures, or touch files. An engine's own read-only mode does
# not cover them all: the embedded one serves LOAD CSV of any local file inside a "read".
_REFUSED = frozenset(
    {
        "ALTER",
        "APOC",
        "CALL",
        "CREATE",
        "DBMS",
        "DELETE",
        "DENY",
        "DETACH",
        "DROP",
        "FOREACH",
        "GRANT",
        "INSERT",
        "LOAD",
        "MERGE",
        "REMOVE",
        "RENAME",
        "REVOKE",
        "SET",
        "SHOW",
        "START",
        "STOP",
        "TERMINATE",
        "USE",
    }
)
_WORD = re.compile(r"\w+")
# Neo4j turns \u004c into a letter before it parses, which would hide a word from us.
_UNICODE_ESCAPE = re.compile(r"\\u", re.IGNORECASE)


def require_read_only(text: str) -> None:
    """Refuse a query text that is not plainly a read.

    The words above are refused wherever they stand, inside strings and comments too: a guard that splits
    text less exactly than the engine does could be led to mistake a clause for a string. Text with such
    words goes into parameters.

    Raises:
        CypherRefusedError: Naming the offending word.
    """
    if not text.strip() or len(text) > MAX_QUERY_CHARACTERS:
        raise CypherRefusedError(
            f"the query has {len(text)} characters", hint=f"give 1 to {MAX_QUERY_CHARACTERS}"
        )
    if _UNICODE_ESCAPE.search(text):
        raise CypherRefusedError("the query holds a unicode escape", hint="pass text as a parameter")
    # upper() also folds look-alikes such as the long s, which an engine may fold as well.
    found = _REFUSED.intersection(_WORD.findall(text.upper()))
    if found:
        raise CypherRefusedError(
            f"{min(found)} is not allowed in a read-only query",
            hint="read with MATCH … RETURN, and pass text that holds such a word as a parameter",
        )
