"""Connections that stay open ask again and again whether the token that they came with still opens anything."""

from collections.abc import Callable

from mcp.server.auth.middleware.auth_context import get_access_token

from industriverse.operations.tokens import TokenStore

__all__ = ["Lease", "Leases"]

Lease = Callable[[], bool]
"""Whether a connection may go on."""

_SECOND_NS = 10**9


class Leases:
    """How long connections may stay open.

    Args:
        tokens: Where static tokens are revoked; None where nobody needs a token.
        clock: Returns nanoseconds since 1970-01-01 UTC.
    """

    def __init__(self, tokens: TokenStore | None, clock: Callable[[], int]) -> None:
        self._tokens = tokens
        self._clock = clock

    def taken(self) -> Lease:
        """The lease of the request being served: until its token expires or is revoked."""
        token, tokens, clock = get_access_token(), self._tokens, self._clock
        if token is None or tokens is None:
            return lambda: tokens is None
        if "iss" in (token.claims or {}):
            ends_ns = (token.expires_at or 0) * _SECOND_NS
            return lambda: clock() < ends_ns
        # A verified static token goes by its id from there on.
        return lambda: tokens.is_good(token.token, now_ns=clock())
