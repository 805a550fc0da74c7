"""Where a Neo4j server is and how far it may be trusted."""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from industriverse.atlas.errors import AtlasError

__all__ = ["BoltSettings"]

_SECURE = frozenset({"bolt+s", "bolt+ssc", "neo4j+s", "neo4j+ssc"})
_PLAIN = frozenset({"bolt", "neo4j"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BoltSettings:
    """Connection to Neo4j, or to another server that speaks Bolt.

    Attributes:
        uri: ``neo4j+s://host`` (encrypted, certificate checked), ``bolt://127.0.0.1:7687`` (plain), …
        user: Name of the database user.
        password: Its password; never shown.
        database: Name of the database.
        authority: File of CA certificates (PEM) to trust instead of the system's. Turns encryption on for the
            plain schemes; the ``+s`` schemes take the system's authorities only.
        client_certificate: Certificate (PEM) to identify this client with, for mutual TLS.
        client_key: Private key of that certificate (PEM).
        plain_allowed: Send the password unencrypted to another machine too.
        pool_size: Connections at most.
        connect_timeout_s: Longest wait for a connection.
        retry_s: How long a write is tried again while the server is away, busy or in a race.

    Raises:
        AtlasError: If the settings contradict each other or would send the password in the clear.
    """

    uri: str
    user: str = "neo4j"
    password: str = field(repr=False)
    database: str = "neo4j"
    authority: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    plain_allowed: bool = False
    pool_size: int = 16
    connect_timeout_s: float = 10.0
    retry_s: float = 60.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.uri)
        if parts.scheme not in _SECURE | _PLAIN or not parts.hostname:
            raise AtlasError(
                f"{self.uri!r:.80} is no address of a Neo4j server",
                hint="give neo4j+s://host, or bolt://127.0.0.1:7687 on this machine",
            )
        if parts.username or parts.password:
            raise AtlasError("the address holds credentials", hint="give user and password apart")
        if parts.scheme in _SECURE and self._certificates:
            raise AtlasError(
                f"own certificates do not go with {parts.scheme}://",
                hint=f"write {parts.scheme.partition('+')[0]}:// together with authority=…",
            )
        if (self.client_certificate is None) != (self.client_key is None):
            raise AtlasError("a client certificate and its key go together", hint="give both or none")
        if not (self.encrypted or self.plain_allowed or _is_loopback(parts.hostname)):
            raise AtlasError(
                f"the password would travel unencrypted to {parts.hostname}",
                hint="use neo4j+s://, give authority=…, or set plain_allowed on a network that you trust",
            )

    @property
    def encrypted(self) -> bool:
        """Whether the connection is encrypted."""
        return urlsplit(self.uri).scheme in _SECURE or bool(self._certificates)

    @property
    def _certificates(self) -> list[Path]:
        return [path for path in (self.authority, self.client_certificate, self.client_key) if path]

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, *, prefix: str = "INDUSTRIVERSE_NEO4J_"
    ) -> Self | None:
        """Settings from ``…URI``, ``…USER``, ``…PASSWORD`` or ``…PASSWORD_FILE``, ``…DATABASE``, ``…CA``.

        Returns:
            None where no address is set.

        Raises:
            AtlasError: If the password is missing or its file cannot be read.
        """
        uri = environment.get(f"{prefix}URI")
        if not uri:
            return None
        password, file = environment.get(f"{prefix}PASSWORD"), environment.get(f"{prefix}PASSWORD_FILE")
        if password is None and file:
            try:
                password = Path(file).read_text().strip()
            except OSError as error:
                raise AtlasError(
                    f"{file} cannot be read: {error.strerror}", hint="check its owner"
                ) from error
        if not password:
            raise AtlasError(f"{prefix}URI is set without a password", hint=f"set {prefix}PASSWORD_FILE")
        authority = environment.get(f"{prefix}CA")
        return cls(
            uri=uri,
            user=environment.get(f"{prefix}USER", "neo4j"),
            password=password,
            database=environment.get(f"{prefix}DATABASE", "neo4j"),
            authority=Path(authority) if authority else None,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
