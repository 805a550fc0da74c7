"""Roles on a Neo4j server with access control, each with no more than its work needs."""

import re

from industriverse.atlas.errors import AtlasError

__all__ = ["OWNER", "READER", "WRITER", "role_statements"]

READER, WRITER, OWNER = "industriverse_reader", "industriverse_writer", "industriverse_owner"

# Names of databases on Neo4j: ASCII letters, digits, dots and dashes, a letter or digit first.
_DATABASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{2,62}")


def role_statements(database: str) -> tuple[str, ...]:
    """Cypher that an administrator runs once, on the ``system`` database, before accounts are granted the roles.

    The reader searches. The writer is what a running platform is: it reads and writes nodes and relations, and may
    bring names that the database has not seen. The owner also creates constraints and indexes, which opening a new
    Atlas or one of an older version needs, and nothing else does.

    Source: Neo4j operations manual, "Role-based access control" (graph and database privileges).

    Args:
        database: Database of the Atlas.

    Raises:
        AtlasError: If that is no name of a database.
    """
    if not _DATABASE.fullmatch(database):
        raise AtlasError(
            f"{database!r:.80} is no name of a database", hint="give 3 to 63 letters, digits, dots or dashes"
        )
    named = f"`{database}`"
    statements = [f"CREATE ROLE {role} IF NOT EXISTS" for role in (READER, WRITER, OWNER)]
    for role in (READER, WRITER, OWNER):
        statements += [
            f"GRANT ACCESS ON DATABASE {named} TO {role}",
            f"GRANT MATCH {{*}} ON GRAPH {named} ELEMENTS * TO {role}",
        ]
    for role in (WRITER, OWNER):
        statements += [
            f"GRANT WRITE ON GRAPH {named} TO {role}",
            f"GRANT NAME MANAGEMENT ON DATABASE {named} TO {role}",
        ]
    statements += [
        f"GRANT CONSTRAINT MANAGEMENT ON DATABASE {named} TO {OWNER}",
        f"GRANT INDEX MANAGEMENT ON DATABASE {named} TO {OWNER}",
    ]
    return tuple(statements)
