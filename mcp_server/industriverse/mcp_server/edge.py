"""The outermost guards, in pure ASGI: headers, sizes, time, trace and numbers, before any framework sees a request."""

import asyncio
import json
import logging
import time
from collections.abc import Callable

from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from industriverse.mcp_server.problems import send_problem
from industriverse.operations.quantities import QuantityProblem, first_problem, parse_json
from industriverse.operations.tracing import outgoing_headers, request_context

__all__ = ["BODY_LIMIT", "BodyGuard", "ContextCarrier", "HeaderGuard", "Limits", "body_of_call", "replayed"]

logger = logging.getLogger("industriverse.access")

BODY_LIMIT = 4 * 1024 * 1024
"""Bytes of a request's body."""

_HTTP = Counter("industriverse_http_requests", "HTTP requests", ["route", "method", "status"])
_HTTP_SECONDS = Histogram("industriverse_http_request_seconds", "Wall time of HTTP requests", ["route"])
_HTTP_RUNNING = Gauge("industriverse_http_requests_running", "HTTP requests that are worked on")
_RECEIVED = Counter("industriverse_http_received_bytes", "Bytes of request bodies")
_SENT = Counter("industriverse_http_sent_bytes", "Bytes of response bodies")
_REFUSED = Counter("industriverse_http_refused", "Requests refused at the edge", ["reason"])

_SINGLE = frozenset(
    {
        b"authorization", b"content-length", b"content-type", b"host", b"idempotency-key", b"mcp-method",
        b"mcp-name", b"mcp-protocol-version", b"mcp-session-id", b"origin", b"traceparent", b"transfer-encoding",
    }
)  # fmt: skip
"""Two of these in one request are a way to make two readers of it disagree."""

_HEADER_LIMIT = 16_384
_KNOWN_METHODS = frozenset({"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"})


class HeaderGuard:
    """Refuses ambiguous headers, and strips the space around values that RFC 9110 says is no part of them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 400, or pass the request on with clean headers."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = [(name, value.strip(b" \t")) for name, value in scope["headers"]]
        why = _header_problem(headers)
        if why and scope["type"] == "http":
            _REFUSED.labels("headers").inc()
            await send_problem(send, 400, "AmbiguousHeaders", why, "send each of these headers once")
        elif why:
            await send({"type": "websocket.close", "code": 1008, "reason": "ambiguous headers"})
        else:
            await self._app({**scope, "headers": headers}, receive, send)


def _header_problem(headers: list[tuple[bytes, bytes]]) -> str:
    seen: set[bytes] = set()
    for name, value in headers:
        if name in _SINGLE:
            if name in seen:
                return f"the header {name.decode('latin-1')} comes more than once"
            seen.add(name)
        if b"\r" in value or b"\n" in value or b"\x00" in value:
            return f"the header {name.decode('latin-1')[:60]} holds a line break"
    if b"content-length" in seen and b"transfer-encoding" in seen:
        return "a body has either a Content-Length or a Transfer-Encoding"
    return "" if sum(len(n) + len(v) for n, v in headers) <= _HEADER_LIMIT else "the headers are too long"


def _text_headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


class ContextCarrier:
    """Serves each request within its W3C trace, tells the trace and the energy context back, counts and logs.

    Args:
        app: What is served.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                with request_context(_text_headers(scope)):
                    await self._app(scope, receive, send)
                return
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500
        _HTTP_RUNNING.inc()
        with request_context(_text_headers(scope)) as energy:

            async def telling(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    told = [(name.encode(), value.encode()) for name, value in outgoing_headers().items()]
                    fields = energy.header()
                    if fields:
                        told.append((b"energy-context", fields.encode("latin-1", "replace")))
                    message = {**message, "headers": [*message.get("headers", ()), *told]}
                elif message["type"] == "http.response.body":
                    _SENT.inc(len(message.get("body", b"")))
                await send(message)

            try:
                await self._app(scope, receive, telling)
            finally:
                _HTTP_RUNNING.dec()
                _note(scope, status, time.perf_counter() - started)


def _route_of(scope: Scope) -> str:
    """A label with few values: the pattern of the route, never the path that was asked for."""
    route = scope.get("route")
    pattern = getattr(route, "path", None)
    if isinstance(pattern, str) and pattern:
        return pattern
    return "/mcp" if scope["path"] == "/mcp" else "other"


def _note(scope: Scope, status: int, seconds: float) -> None:
    route = _route_of(scope)
    method = scope["method"] if scope["method"] in _KNOWN_METHODS else "other"
    _HTTP.labels(route, method, str(status)).inc()
    _HTTP_SECONDS.labels(route).observe(seconds)
    if logger.isEnabledFor(logging.INFO):
        logger.info("%s %s %s", method, route, status, extra={"seconds": round(seconds, 6)})


class Limits:
    """How large and how slow a request may be.

    Attributes:
        body_bytes: Of a request's body.
        receive_s: For the whole body to arrive.
    """

    def __init__(self, body_bytes: int = BODY_LIMIT, receive_s: float = 20.0) -> None:
        self.body_bytes = body_bytes
        self.receive_s = receive_s


class _TooLong(Exception):  # noqa: N818
    pass


class BodyGuard:
    """Reads the body within limits of size and time, and refuses JSON with numbers that cannot be.

    Args:
        app: What is served.
        limits: How large and how slow.
        looks_into: Whether the numbers of a request to this path are looked at.
    """

    def __init__(self, app: ASGIApp, limits: Limits, looks_into: Callable[[str], bool]) -> None:
        self._app = app
        self._limits = limits
        self._looks_into = looks_into

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 408, 413 or 422, or pass the request on with its body at hand."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS", "DELETE"}:
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._limits.receive_s):
                body = await self._whole(scope, receive)
        except _TooLong:
            _REFUSED.labels("body").inc()
            limit = self._limits.body_bytes
            await send_problem(
                send, 413, "BodyTooLarge", f"a body may have {limit} bytes", "send it in parts",
                [(b"connection", b"close")],
            )  # fmt: skip
            return
        except TimeoutError:
            _REFUSED.labels("slow").inc()
            await send_problem(
                send, 408, "TooSlow", f"the body did not arrive within {self._limits.receive_s:g} s",
                "send it again", [(b"connection", b"close")],
            )  # fmt: skip
            return
        if body is None:
            return
        why = self._problem(scope, body)
        if why is not None:
            _REFUSED.labels("quantity").inc()
            await send_problem(
                send, 422, "ImpossibleQuantity", why, "send finite numbers in the unit that is named"
            )
            return
        await self._app(
            scope, replayed({"type": "http.request", "body": body, "more_body": False}, receive), send
        )

    async def _whole(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body; None if the client went away."""
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > self._limits.body_bytes:
            raise _TooLong
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            part = message.get("body", b"")
            size += len(part)
            if size > self._limits.body_bytes:
                raise _TooLong
            parts.append(part)
            if not message.get("more_body"):
                _RECEIVED.inc(size)
                return b"".join(parts)

    def _problem(self, scope: Scope, body: bytes) -> str | None:
        if not body or not self._looks_into(scope["path"]):
            return None
        try:
            problem = first_problem(parse_json(body))
        except QuantityProblem as error:
            return str(error)
        except (ValueError, RecursionError):
            # No JSON: whoever is asked says so in the words of its own protocol.
            return None
        return None if problem is None else str(problem)


def replayed(first: Message, receive: Receive) -> Receive:
    """A channel that gives a message that was read already once more, then what follows it."""
    handed = False

    async def replay() -> Message:
        nonlocal handed
        if handed:
            return await receive()
        handed = True
        return first

    return replay


def body_of_call(body: bytes) -> tuple[str, str]:
    """Method and tool named by a JSON-RPC body, empty if it names none."""
    try:
        document = json.loads(body)
        method = document["method"]
        name = document.get("params", {}).get("name", "") if method == "tools/call" else ""
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", ""
    return (method, name) if isinstance(method, str) and isinstance(name, str) else ("", "")
