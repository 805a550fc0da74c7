"""Bearer tokens: static ones of this installation, and JWTs of an OAuth 2.1 authorization server."""

import asyncio
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import jwt
from mcp.server.auth.provider import AccessToken
from prometheus_client import Counter

from industriverse.mcp_server.errors import AuthenticationSettingsError
from industriverse.operations.context import is_reserved
from industriverse.operations.registry import registry
from industriverse.operations.tokens import TOKEN_PREFIX, TokenStore, principal_of

__all__ = ["JwtVerifier", "OAuthSettings", "StaticVerifier", "Verifier", "VerifierChain", "known_scopes"]

logger = logging.getLogger(__name__)

_ATTEMPTS = Counter("industriverse_auth_attempts", "Bearer tokens presented", ["kind", "outcome"])

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Asymmetric ones alone: with a shared secret, whoever can verify a token could also make one."""

KEYS_S = 600.0
"""How long keys of a URL are trusted without looking again; one that was withdrawn opens nothing after that."""

_LONGEST_TOKEN = 8192
_LEEWAY_S = 30.0


def known_scopes() -> frozenset[str]:
    """Every scope that some operation needs."""
    return frozenset(declared.scope for declared in registry)


class Verifier(ABC):
    """Turns the text of a token into what it stands for."""

    @abstractmethod
    async def verify_token(self, token: str) -> AccessToken | None:
        """The token's meaning, None if it is not good."""


class StaticVerifier(Verifier):
    """Tokens that ``industriverse token add`` made.

    Args:
        store: Where they are kept.
        clock: Returns nanoseconds since 1970-01-01 UTC.
        resource: The public address of this server, which such tokens are always meant for.
    """

    def __init__(self, store: TokenStore, clock: Callable[[], int], resource: str | None = None) -> None:
        self._store = store
        self._clock = clock
        self._resource = resource

    async def verify_token(self, token: str) -> AccessToken | None:
        """The token's meaning, None if it is unknown, expired or revoked."""
        record = self._store.find(token, now_ns=self._clock())
        _ATTEMPTS.labels("static", "refused" if record is None else "good").inc()
        if record is None:
            return None
        principal = principal_of(record)
        scopes = known_scopes() if "*" in principal.scopes else principal.scopes
        # The text of the token goes no further than this: nothing behind can log it.
        return AccessToken(
            token=record.id,
            client_id=f"token:{record.id}",
            scopes=sorted(scopes),
            subject=principal.name,
            resource=self._resource,
            claims={"tenant": principal.tenant},
        )


@dataclass(frozen=True, slots=True)
class OAuthSettings:
    """What this resource server trusts.

    Attributes:
        issuer: The authorization server, exactly as its tokens name it.
        resource: This server's public address with its path, which tokens must name as audience.
        jwks: File with the issuer's keys, or the URL of such a document.
    """

    issuer: str
    resource: str
    jwks: str

    def __post_init__(self) -> None:
        for name in ("issuer", "resource"):
            parts = urlsplit(getattr(self, name))
            local = parts.hostname in {"127.0.0.1", "localhost"}
            if not parts.hostname or (parts.scheme != "https" and not (parts.scheme == "http" and local)):
                raise AuthenticationSettingsError(
                    f"{name}: {getattr(self, name)[:80]!r} is no https address",
                    hint="give an https URL; http only for a server on this machine",
                )


def _may_be_fetched(source: str) -> bool:
    """Whether keys may come from an address: over TLS, or from this machine."""
    parts = urlsplit(source)
    local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost"}
    return bool(parts.hostname) and (parts.scheme == "https" or local)


@dataclass(slots=True)
class JwtVerifier(Verifier):
    """JWT access tokens (RFC 9068): signature, issuer, audience and times are checked.

    The scopes that count are those that operations know, from ``scope`` (text) or ``scp`` (list); ``tenant`` names
    the stores. A subject that is empty, or named like one who acts for the owner of this machine, is refused.

    Args:
        settings: What is trusted.
    """

    settings: OAuthSettings
    _keys: "jwt.PyJWKSet | None" = field(default=None, init=False)
    _client: "jwt.PyJWKClient | None" = field(default=None, init=False)

    def __post_init__(self) -> None:
        source = self.settings.jwks
        if _may_be_fetched(source):
            self._client = jwt.PyJWKClient(source, cache_keys=False, lifespan=KEYS_S, timeout=5)
            return
        try:
            self._keys = jwt.PyJWKSet.from_dict(json.loads(Path(source).read_text()))
        except (OSError, ValueError, jwt.PyJWTError) as error:
            raise AuthenticationSettingsError(
                f"jwks: {source[:120]!r} holds no keys ({type(error).__name__})",
                hint="give a JWKS file, or its https URL",
            ) from None

    async def verify_token(self, token: str) -> AccessToken | None:
        """The token's meaning, None if anything about it is wrong."""
        try:
            claims = await self._claims(token)
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            # The kind of the failure alone: the token may be good elsewhere and must not be in a log.
            logger.info("a bearer token was refused: %s", type(error).__name__)
            _ATTEMPTS.labels("jwt", "refused").inc()
            return None
        _ATTEMPTS.labels("jwt", "good").inc()
        return AccessToken(
            token="",
            client_id=str(claims.get("client_id") or claims.get("azp") or claims["sub"]),
            scopes=sorted(_scopes(claims) & known_scopes()),
            expires_at=int(claims["exp"]),
            resource=self.settings.resource,
            subject=str(claims["sub"]),
            claims={"iss": claims["iss"], "tenant": str(claims.get("tenant", ""))},
        )

    async def _claims(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError("the algorithm is not among those that are trusted")
        key = await self._key(token, str(header.get("kid", "")))
        claims: dict[str, Any] = jwt.decode(
            token,
            key=key,
            algorithms=[header["alg"]],
            audience=self.settings.resource,
            issuer=self.settings.issuer,
            leeway=_LEEWAY_S,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
        subject = claims["sub"]
        if not isinstance(subject, str) or not subject.strip() or is_reserved(subject):
            raise jwt.InvalidTokenError("the subject is nobody who may come with a token")
        return claims

    async def _key(self, token: str, kid: str) -> "jwt.PyJWK":
        if self._client is not None:
            # It may fetch; the loop goes on meanwhile.
            return await asyncio.to_thread(self._client.get_signing_key_from_jwt, token)
        assert self._keys is not None
        for key in self._keys.keys:
            if key.key_id == kid or (not kid and len(self._keys.keys) == 1):
                return key
        raise jwt.InvalidKeyError("no key of this id")


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    given = claims.get("scope", claims.get("scp", ""))
    names = given.split() if isinstance(given, str) else given
    return frozenset(name for name in names if isinstance(name, str))


class VerifierChain(Verifier):
    """Static tokens by their prefix, all else as JWT, whichever of both is set up.

    Args:
        static: Verifies tokens of this installation.
        oauth: Verifies JWTs, None without an authorization server.
    """

    def __init__(self, static: StaticVerifier, oauth: JwtVerifier | None) -> None:
        self._static = static
        self._oauth = oauth

    async def verify_token(self, token: str) -> AccessToken | None:
        """The token's meaning, None if it is not good."""
        if not token or len(token) > _LONGEST_TOKEN or not token.isascii():
            _ATTEMPTS.labels("other", "refused").inc()
            return None
        if token.startswith(TOKEN_PREFIX):
            return await self._static.verify_token(token)
        return None if self._oauth is None else await self._oauth.verify_token(token)
