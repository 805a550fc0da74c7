"""Questions to a running server, for it owns the home folder."""

import http.client
import json
from urllib.parse import urlsplit

from industriverse.operations.errors import OperationError
from industriverse.operations.toolsets.asking import AskInput, AskOutput

__all__ = ["ask_server"]

TIMEOUT_S = 180.0
MOST_BYTES = 4_000_000
_LOOPBACK = frozenset(["localhost", "127.0.0.1", "::1"])


def _said(body: bytes) -> str:
    """The reason of a problem document (RFC 9457), or the beginning of what came instead."""
    try:
        problem = json.loads(body)
        return str(problem["detail"])[:600]
    except (ValueError, KeyError, TypeError):
        return repr(body[:200].decode("utf-8", "replace"))


def ask_server(request: AskInput, url: str, token: str) -> AskOutput:
    """Ask the server at an address as the holder of a token.

    Args:
        request: The question.
        url: ``http://127.0.0.1:8000`` or ``https://…``; a redirect is not followed.
        token: Bearer token, empty if the server asks for none.

    Raises:
        OperationError: If the address is none, a token would travel unencrypted, or the server cannot be
            reached or refuses.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise OperationError(
            f"server: {url[:80]!r} is no address", hint="give one like http://127.0.0.1:8000"
        )
    if token and parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise OperationError(
            "server: a token would travel unencrypted",
            hint="use https, or a tunnel to a port of this machine",
        )
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        connection = connect(parts.hostname, parts.port, timeout=TIMEOUT_S)
        path = parts.path.rstrip("/") + "/v1/platform/ask"
        connection.request("POST", path, request.model_dump_json(exclude_none=True), headers)
        answer = connection.getresponse()
        status, body = answer.status, answer.read(MOST_BYTES)
        connection.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise OperationError(
            f"{url[:80]} cannot be reached ({type(error).__name__})",
            hint="is the server running (industriverse serve --http) and is this its address?",
        ) from None
    if status != http.client.OK:
        raise OperationError(
            f"the server refused ({status}): {_said(body)}",
            hint="set INDUSTRIVERSE_TOKEN to a token that may read, see industriverse token add"
            if status in (401, 403)
            else "see what it says",
        )
    return AskOutput.model_validate_json(body)
