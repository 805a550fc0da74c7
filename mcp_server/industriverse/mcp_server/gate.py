"""Who may pass: a good token for everything but health and metadata, and for each tool the scope that it needs."""

from collections.abc import Mapping

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from prometheus_client import Counter
from starlette.types import ASGIApp, Receive, Scope, Send

from industriverse.mcp_server.edge import body_of_call, replayed
from industriverse.mcp_server.eras import STATELESS
from industriverse.mcp_server.problems import send_problem
from industriverse.operations.registry import Operation, registry

__all__ = ["ScopeGate"]

_CHALLENGES = Counter("industriverse_auth_challenges", "Requests answered with a challenge", ["status"])

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/openapi.json"})
OPEN_PREFIX = "/.well-known/"
_STATELESS_SINCE = STATELESS.encode()
_HINTS = {
    401: "send Authorization: Bearer TOKEN; its owner makes one: industriverse token add NAME --role ROLE",
    403: "send Authorization: Bearer TOKEN with a token that holds the scope",
}


class ScopeGate:
    """Answers 401 without a good token and 403, with what to ask the authorization server for, without the scope.

    The policy layer asks again for every call; this gate is what tells an OAuth client to step up.

    Args:
        app: What is guarded.
        metadata_url: Where the protected-resource metadata are, None without an authorization server.
    """

    def __init__(self, app: ASGIApp, metadata_url: str | None) -> None:
        self._app = app
        self._metadata = metadata_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a challenge or pass the request on."""
        if scope["type"] not in {"http", "websocket"} or _open(scope["path"]):
            await self._app(scope, receive, send)
            return
        user = scope.get("user")
        if not isinstance(user, AuthenticatedUser):
            await self._challenge(scope, send, 401, "invalid_token", "a bearer token is needed")
            return
        if scope["type"] == "http":
            needed, receive = await _scope_needed(scope, receive)
            if needed is not None and needed not in user.access_token.scopes:
                await self._challenge(
                    scope, send, 403, "insufficient_scope", f"this needs the scope {needed}", needed
                )
                return
        await self._app(scope, receive, send)

    async def _challenge(
        self, scope: Scope, send: Send, status: int, error: str, detail: str, needed: str = ""
    ) -> None:
        _CHALLENGES.labels(str(status)).inc()
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": detail})
            return
        parts = [f'error="{error}"', f'error_description="{detail}"']
        if needed:
            parts.append(f'scope="{needed}"')
        if self._metadata is not None:
            parts.append(f'resource_metadata="{self._metadata}"')
        challenge = f"Bearer {', '.join(parts)}"
        await send_problem(
            send,
            status,
            "NotAllowedError",
            detail,
            _HINTS[status],
            [(b"www-authenticate", challenge.encode("latin-1"))],
        )


def _open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIX)


def _operation_at(path: str) -> Operation | None:
    parts = path.strip("/").split("/")
    if len(parts) != 3 or parts[0] != "v1":
        return None
    for declared in registry:
        if declared.toolset == parts[1] and declared.name in {f"{parts[1]}_{parts[2]}", parts[2]}:
            return declared
    return None


async def _scope_needed(scope: Scope, receive: Receive) -> tuple[str | None, Receive]:
    """The scope that the request needs, None if it names no operation, and the body to be read again."""
    path = scope["path"]
    if path == "/metrics":
        return "read", receive
    if path != "/mcp" or scope["method"] != "POST":
        declared = _operation_at(path)
        return (None if declared is None else declared.scope), receive
    headers: Mapping[bytes, bytes] = dict(scope["headers"])
    if headers.get(b"mcp-protocol-version", b"") >= _STATELESS_SINCE:
        # The SDK refuses a request whose headers do not say what its body says.
        return _scope_of_tool(headers.get(b"mcp-name", b"").decode("latin-1")), receive
    message = await receive()
    body = message.get("body", b"")
    return _scope_of_tool(body_of_call(body)[1]), replayed(message, receive)


def _scope_of_tool(name: str) -> str | None:
    return registry[name].scope if name in registry else None
