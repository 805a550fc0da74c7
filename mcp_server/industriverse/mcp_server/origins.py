"""A guard against web pages: a browser names the page that makes it send a request."""

import json
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["OriginGuard"]

PROBLEM = {
    "type": "about:blank",
    "status": 403,
    "title": "ForeignOrigin",
    "detail": "requests made by web pages of other sites are refused",
    "hint": "call from a program, or from a page on localhost",
}


class OriginGuard:
    """Refuses requests whose Origin is not a name of this machine; requests without one pass.

    Args:
        app: What is guarded.
        allowed_names: Host names of origins that may call.
    """

    def __init__(self, app: ASGIApp, allowed_names: tuple[str, ...]) -> None:
        self._app = app
        self._allowed = frozenset(allowed_names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 or pass the request on."""
        if scope["type"] not in {"http", "websocket"} or self._may_call(scope):
            await self._app(scope, receive, send)
            return
        body = json.dumps(PROBLEM).encode()
        headers = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _may_call(self, scope: Scope) -> bool:
        origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
        return all(_host(origin) in self._allowed for origin in origins)


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).hostname
    except ValueError:
        return None
