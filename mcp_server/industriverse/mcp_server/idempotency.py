"""Answers of unsafe requests by their Idempotency-Key, so that a client may send one again without doing it twice."""

import hashlib
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Counter

from industriverse.operations.errors import InvalidArgumentsError, OperationError
from industriverse.storage import open_durable

__all__ = ["KEPT_NS", "IdempotencyKeys", "RequestGoingOnError", "StoredAnswer"]

KEPT_NS = 24 * 3600 * 10**9
_KEY_LIMIT = 200
_REPLAYED = Counter("industriverse_http_idempotent_replays", "Answers given again for an idempotency key")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS request (
    owner TEXT NOT NULL, key TEXT NOT NULL, operation TEXT NOT NULL, body_sha256 TEXT NOT NULL,
    process TEXT NOT NULL, answer BLOB, created_ns INTEGER NOT NULL, PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
"""


class RequestGoingOnError(OperationError):
    """A request with the same key has not been answered, or nobody knows whether it was done."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The body of an answer that was given before."""

    body: bytes


class IdempotencyKeys:
    """Keys of one installation in a SQLite file.

    Args:
        path: Created if missing.
    """

    def __init__(self, path: Path) -> None:
        self._process = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._connection = open_durable(path, _SCHEMA)

    def begin(
        self, owner: str, key: str, operation: str, body: bytes, *, now_ns: int, repeatable: bool
    ) -> StoredAnswer | None:
        """Take a key for a request; the answer if it was given before.

        Args:
            owner: Identity of the caller; keys of others are others.
            key: What the client sent.
            operation: What is called.
            body: With what.
            now_ns: Present time.
            repeatable: Whether doing it twice is the same as doing it once.

        Raises:
            InvalidArgumentsError: If the key cannot be one or was used for another request.
            RequestGoingOnError: If the first request was not answered.
        """
        if not key or len(key) > _KEY_LIMIT or not key.isprintable():
            raise InvalidArgumentsError(
                "Idempotency-Key: is no key", hint=f"send 1 to {_KEY_LIMIT} printable characters, e.g. a UUID"
            )
        digest = hashlib.sha256(body).hexdigest()
        with self._lock:
            self._connection.execute("DELETE FROM request WHERE created_ns < ?", (now_ns - KEPT_NS,))
            row = self._connection.execute(
                "SELECT operation, body_sha256, process, answer FROM request WHERE owner = ? AND key = ?",
                (owner, key),
            ).fetchone()
            if row is None:
                self._connection.execute(
                    "INSERT INTO request VALUES (?, ?, ?, ?, ?, NULL, ?)",
                    (owner, key, operation, digest, self._process, now_ns),
                )
                return None
            known_operation, known_digest, process, answer = row
            if (known_operation, known_digest) != (operation, digest):
                raise InvalidArgumentsError(
                    "Idempotency-Key: was used for another request", hint="make a new key for each request"
                )
            if answer is not None:
                _REPLAYED.inc()
                return StoredAnswer(answer)
            if process != self._process and repeatable:
                self._connection.execute(
                    "UPDATE request SET process = ? WHERE owner = ? AND key = ?", (self._process, owner, key)
                )
                return None
        hint = (
            "wait for its answer"
            if process == self._process
            else "the server died meanwhile; look with audit_search whether it was done, then use a new key"
        )
        raise RequestGoingOnError("a request with this Idempotency-Key was not answered", hint=hint)

    def finish(self, owner: str, key: str, answer: bytes) -> None:
        """Keep the answer."""
        with self._lock:
            self._connection.execute(
                "UPDATE request SET answer = ? WHERE owner = ? AND key = ?", (answer, owner, key)
            )

    def give_up(self, owner: str, key: str) -> None:
        """Free the key of a request that failed: it may be sent again."""
        with self._lock:
            self._connection.execute(
                "DELETE FROM request WHERE owner = ? AND key = ? AND answer IS NULL", (owner, key)
            )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
