"""Who makes the request that is being served."""

from collections.abc import Callable

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken

from industriverse.operations.context import LOCAL_OPERATOR, OAUTH_PREFIX, Principal, is_reserved

__all__ = ["NOBODY", "CurrentCaller", "local_caller", "principal_in", "token_caller"]

CurrentCaller = Callable[[], Principal]
"""Returns the caller of the request being served."""

NOBODY = Principal("nobody")
"""A request without a token on a server that asks for one; it holds no scope."""


def local_caller() -> Principal:
    """Whoever started the process; for standard input and output, and for loopback without authentication."""
    return LOCAL_OPERATOR


def principal_in(token: AccessToken) -> Principal:
    """The caller that a verified token stands for."""
    claims = token.claims or {}
    name = token.subject or token.client_id
    if is_reserved(name):
        # No verifier lets one through; whoever owns the machine comes without a token.
        return NOBODY
    if "iss" in claims:
        # Two who give names, the authorization server and whoever owns the machine, never name the same caller.
        name = f"{OAUTH_PREFIX}{name}"
    return Principal(name, frozenset(token.scopes), str(claims.get("tenant", "")))


def token_caller() -> Principal:
    """The caller whose token the request carries; the SDK hands it on to wherever the request is worked on."""
    token = get_access_token()
    return NOBODY if token is None else principal_in(token)
