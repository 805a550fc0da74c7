"""Static bearer tokens: shown once, kept only as hashes, revoked at once in every process."""

import hashlib
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path

from industriverse.operations.context import Principal, is_reserved
from industriverse.operations.errors import InvalidArgumentsError, NotFoundError
from industriverse.operations.roles import scopes_of_roles
from industriverse.storage import open_durable

__all__ = ["TOKEN_PREFIX", "IssuedToken", "TokenRecord", "TokenStore", "principal_of"]

TOKEN_PREFIX = "ivt_"  # noqa: S105  (no secret: what every token begins with)
"""Every token begins with this, so that scanners for leaked secrets can tell one."""

_SECRET_BYTES = 32
_NAME_LIMIT = 80

_SCHEMA = """
CREATE TABLE IF NOT EXISTS token (
    id TEXT PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE, name TEXT NOT NULL, role TEXT NOT NULL,
    tenant TEXT NOT NULL, created_ns INTEGER NOT NULL, expires_ns INTEGER, revoked_ns INTEGER
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What is known of a token; the token itself is not.

    Attributes:
        id: Names the token in lists and when it is revoked; no secret.
        name: The principal that it stands for.
        role: See :mod:`industriverse.operations.roles`.
        tenant: Whose stores it opens; empty for the installation's own.
        created_ns: Nanoseconds since 1970-01-01 UTC, as the others.
        expires_ns: None if it does not expire.
        revoked_ns: None while it is good.
    """

    id: str
    name: str
    role: str
    tenant: str
    created_ns: int
    expires_ns: int | None
    revoked_ns: int | None

    def good(self, now_ns: int) -> bool:
        """Whether the token opens anything now."""
        return self.revoked_ns is None and (self.expires_ns is None or now_ns < self.expires_ns)


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token: the only time that its text is to be seen."""

    text: str
    record: TokenRecord


def _digest(text: str) -> bytes:
    # A token holds 256 random bits: nobody guesses its preimage, so a slow hash would only slow every request.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _named(field: str, value: str) -> str:
    if not value.isprintable() or len(value) > _NAME_LIMIT or value != value.strip():
        raise InvalidArgumentsError(
            f"{field}: {value[:40]!r} cannot be used",
            hint=f"give at most {_NAME_LIMIT} printable characters without spaces around them",
        )
    return value


class TokenStore:
    """Tokens of one installation in a SQLite file that a server and the command line may open together.

    Args:
        path: Created with mode 0600 if missing.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        self._lock = threading.Lock()
        self._connection = open_durable(path, _SCHEMA)

    def add(
        self, name: str, role: str, *, now_ns: int, tenant: str = "", expires_ns: int | None = None
    ) -> IssuedToken:
        """Make a token.

        Raises:
            InvalidArgumentsError: If the role does not exist or a name cannot be used.
        """
        scopes_of_roles([role])
        if not _named("name", name):
            raise InvalidArgumentsError("name: is empty", hint="name the person or program that will use it")
        if is_reserved(name):
            raise InvalidArgumentsError(
                f"name: {name!r} acts for the owner of this machine", hint="choose another name"
            )
        text = TOKEN_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        record = TokenRecord(
            secrets.token_hex(4), name, role, _named("tenant", tenant), now_ns, expires_ns, None
        )
        with self._lock:
            self._connection.execute(
                "INSERT INTO token VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
                (record.id, _digest(text), name, role, tenant, now_ns, expires_ns),
            )
        return IssuedToken(text, record)

    def records(self) -> tuple[TokenRecord, ...]:
        """Every token that was ever made, oldest first."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT id, name, role, tenant, created_ns, expires_ns, revoked_ns FROM token "
                "ORDER BY created_ns, id"
            ).fetchall()
        return tuple(TokenRecord(*row) for row in rows)

    def revoke(self, token_id: str, *, now_ns: int) -> None:
        """End a token; one that is revoked stays as it is.

        Raises:
            NotFoundError: If there is no such token.
        """
        with self._lock:
            found = self._connection.execute("SELECT 1 FROM token WHERE id = ?", (token_id,)).fetchone()
            if found is None:
                raise NotFoundError(f"no token {token_id[:40]!r}", hint="list them with token list")
            self._connection.execute(
                "UPDATE token SET revoked_ns = ? WHERE id = ? AND revoked_ns IS NULL", (now_ns, token_id)
            )

    def find(self, text: str, *, now_ns: int) -> TokenRecord | None:
        """The good token with this text, None if there is none."""
        with self._lock:
            row = self._connection.execute(
                "SELECT id, name, role, tenant, created_ns, expires_ns, revoked_ns FROM token "
                "WHERE sha256 = ?",
                (_digest(text),),
            ).fetchone()
        record = None if row is None else TokenRecord(*row)
        # One that was made before its name was reserved must open nothing either.
        return record if record is not None and record.good(now_ns) and not is_reserved(record.name) else None

    def is_good(self, token_id: str, *, now_ns: int) -> bool:
        """Whether a token opens anything now."""
        with self._lock:
            row = self._connection.execute(
                "SELECT expires_ns FROM token WHERE id = ? AND revoked_ns IS NULL", (token_id,)
            ).fetchone()
        return row is not None and (row[0] is None or now_ns < row[0])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def principal_of(record: TokenRecord) -> Principal:
    """The caller that a token stands for."""
    return Principal(record.name, scopes_of_roles([record.role]), record.tenant)
