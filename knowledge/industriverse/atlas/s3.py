"""Objects on a server that speaks S3."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self
from urllib.parse import urlsplit

from industriverse.atlas.errors import AtlasError
from industriverse.atlas.objects import ObjectStore, place_of

__all__ = ["S3ObjectStore", "S3Settings"]

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_LONGEST_REQUEST_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Settings:
    """Where a bucket is.

    Attributes:
        bucket: Its name.
        endpoint: Address of a server of your own; empty for AWS.
        region: Region of the bucket.
        access_key: Empty to take the credentials of the machine (environment, instance role).
        secret_key: Never shown.
        prefix: Folder within the bucket.
        plain_allowed: Send objects unencrypted to another machine too.
        retry_s: How long a request is tried again while the server is away.

    Raises:
        AtlasError: If the settings contradict each other or would send objects in the clear.
    """

    bucket: str
    endpoint: str = ""
    region: str = "us-east-1"
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    prefix: str = ""
    plain_allowed: bool = False
    retry_s: float = 60.0

    def __post_init__(self) -> None:
        if not self.bucket:
            raise AtlasError("no bucket is named", hint="give the name of the bucket")
        if bool(self.access_key) != bool(self.secret_key):
            raise AtlasError("an access key and its secret go together", hint="give both or none")
        if self.endpoint:
            parts = urlsplit(self.endpoint)
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                raise AtlasError(f"{self.endpoint!r:.80} is no address", hint="give https://host")
            if self.plain and not self.plain_allowed and parts.hostname not in _LOOPBACK:
                raise AtlasError(
                    f"objects would travel unencrypted to {parts.hostname}",
                    hint="use https://, or set plain_allowed on a network that you trust",
                )

    @property
    def plain(self) -> bool:
        """Whether requests are not encrypted."""
        return self.endpoint.startswith("http://")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self | None:
        """Settings from ``INDUSTRIVERSE_S3_BUCKET``, ``…_ENDPOINT``, ``…_REGION``, ``…_PREFIX`` and the keys
        ``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY``.

        Returns:
            None where no bucket is set.
        """  # noqa: D205
        prefix = "INDUSTRIVERSE_S3_"
        bucket = environment.get(f"{prefix}BUCKET")
        if not bucket:
            return None
        return cls(
            bucket=bucket,
            endpoint=environment.get(f"{prefix}ENDPOINT", ""),
            region=environment.get(f"{prefix}REGION", "us-east-1"),
            prefix=environment.get(f"{prefix}PREFIX", ""),
            access_key=environment.get("AWS_ACCESS_KEY_ID", ""),
            secret_key=environment.get("AWS_SECRET_ACCESS_KEY", ""),
        )


class S3ObjectStore(ObjectStore):
    """The object store in a bucket: the same keys, the same checks, writes under a condition.

    A request is tried again while the server is away, up to ``retry_s``. Writing is safe to repeat, since an
    object is only ever written with the bytes that its key names.

    Args:
        settings: Where the bucket is. Nothing is asked of the server before the first object.
    """

    def __init__(self, settings: S3Settings) -> None:
        from obstore.store import S3Store

        options: dict[str, Any] = {}
        if settings.endpoint:
            options["endpoint"] = settings.endpoint
        if settings.access_key:
            options["access_key_id"] = settings.access_key
            options["secret_access_key"] = settings.secret_key
        self._store = S3Store(
            settings.bucket,
            prefix=settings.prefix or None,
            region=settings.region,
            # The server compares what arrived with this before it acknowledges.
            checksum_algorithm="SHA256",
            client_options={
                "allow_http": settings.plain,
                "connect_timeout": timedelta(seconds=5),
                "timeout": timedelta(seconds=_LONGEST_REQUEST_S),
            },
            retry_config={
                "max_retries": 1_000,
                "retry_timeout": timedelta(seconds=settings.retry_s),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=2),
                    "base": 2,
                },
            },
            **options,
        )

    def _create(self, key: str, content: bytes) -> bool:
        from obstore.exceptions import AlreadyExistsError

        try:
            self._store.put(place_of(key), content, mode="create")
        except AlreadyExistsError:
            return False
        return True

    def _fetch(self, place: str) -> bytes:
        return bytes(self._store.get(place).bytes().to_bytes())

    def _make_durable(self, key: str) -> None:
        """Nothing to do: a server that acknowledges an object has it."""
