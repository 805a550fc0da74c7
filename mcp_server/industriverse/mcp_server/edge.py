"""The outermost guards, in pure ASGI: headers, sizes, time, trace and numbers, before any framework sees a request."""

import asyncio
import functools
import json
import logging
import time
from collections.abc import Callable

from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from industriverse.mcp_server.addressing import Addresses
from industriverse.mcp_server.problems import send_problem
from industriverse.operations.quantities import QuantityProblem, first_problem, parse_json
from industriverse.operations.tracing import outgoing_headers, request_context

__all__ = ["BODY_LIMIT", "Edge", "Limits", "body_of_call", "replayed"]

logger = logging.getLogger("industriverse.access")

BODY_LIMIT = 4 * 1024 * 1024
"""Bytes of a request's body."""

_HTTP = Counter("industriverse_http_requests", "HTTP requests", ["route", "method", "status"])
_HTTP_SECONDS = Histogram("industriverse_http_request_seconds", "Wall time of HTTP requests", ["route"])
_HTTP_RUNNING = Gauge("industriverse_http_requests_running", "HTTP requests that are worked on")
_RECEIVED = Counter("industriverse_http_received_bytes", "Bytes of request bodies")
_SENT = Counter("industriverse_http_sent_bytes", "Bytes of response bodies")
_REFUSED = Counter("industriverse_http_refused", "Requests refused at the edge", ["reason"])
# Looking a label up costs as much as counting; routes, methods and states are few.
_requests_of = functools.cache(_HTTP.labels)
_seconds_of = functools.cache(_HTTP_SECONDS.labels)

_SINGLE = frozenset(
    {
        b"authorization", b"content-length", b"content-type", b"host", b"idempotency-key", b"mcp-method",
        b"mcp-name", b"mcp-protocol-version", b"mcp-session-id", b"origin", b"traceparent", b"transfer-encoding",
    }
)  # fmt: skip
"""Two of these in one request are a way to make two readers of it disagree."""

_HEADER_LIMIT = 16_384
_TRACE_HEADERS = (b"traceparent", b"tracestate", b"baggage")
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
_KNOWN_METHODS = frozenset({"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"})


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
    _requests_of(route, method, str(status)).inc()
    _seconds_of(route).observe(seconds)
    if logger.isEnabledFor(logging.INFO):
        logger.info("%s %s %s", method, route, status, extra={"seconds": round(seconds, 6)})


def _headers_of(scope: Scope) -> tuple[dict[bytes, bytes], str]:
    """The headers by name, cleaned in the scope of the space that RFC 9110 says is no part of them, and a problem."""
    given = scope["headers"]
    found: dict[bytes, bytes] = {}
    size, unclean = 0, False
    for name, value in given:
        clean = value.strip(b" \t")
        if name in found and name in _SINGLE:
            return found, f"the header {name.decode('latin-1')} comes more than once"
        if b"\r" in clean or b"\n" in clean or b"\x00" in clean:
            return found, f"the header {name.decode('latin-1')[:60]} holds a line break"
        found[name] = clean
        size += len(name) + len(value)
        unclean = unclean or len(clean) != len(value)
    if b"content-length" in found and b"transfer-encoding" in found:
        return found, "a body has either a Content-Length or a Transfer-Encoding"
    if unclean:
        scope["headers"] = [(name, value.strip(b" \t")) for name, value in given]
    return found, "" if size <= _HEADER_LIMIT else "the headers are too long"


def _carried(headers: dict[bytes, bytes]) -> dict[str, str]:
    """The fields of a trace among the headers."""
    found = {}
    for name in _TRACE_HEADERS:
        if name in headers:
            found[name.decode()] = headers[name].decode("latin-1")
    return found


class Limits:
    """How large and how slow a request may be.

    Attributes:
        body_bytes: Of a request's body.
        receive_s: For the whole body to arrive.
    """

    def __init__(self, body_bytes: int = BODY_LIMIT, receive_s: float = 20.0) -> None:
        self.body_bytes = body_bytes
        self.receive_s = receive_s


class _Refused(Exception):  # noqa: N818  (never leaves this module)
    """An answer that is given without asking the application."""

    def __init__(
        self, reason: str, status: int, title: str, detail: str, hint: str, *, close: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.answer = (status, title, detail, hint)
        self.headers = [(b"connection", b"close")] if close else []


class Edge:
    """Everything that stands before the application, in one pass.

    It refuses ambiguous headers, foreign hosts and pages, bodies that are too large, too slow or hold numbers that
    cannot be; serves what is left within its W3C trace; tells trace and energy context back; counts and logs.

    Args:
        app: What is served.
        addresses: Names of this server.
        limits: How large and how slow.
        looks_into: Whether the numbers of a request to this path are looked at.
    """

    def __init__(
        self, app: ASGIApp, addresses: Addresses, limits: Limits, looks_into: Callable[[str], bool]
    ) -> None:
        self._app = app
        self._addresses = addresses
        self._limits = limits
        self._looks_into = looks_into

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "websocket":
            headers, why = _headers_of(scope)
            if why or self._misaddressed(headers) is not None:
                await send({"type": "websocket.close", "code": 1008, "reason": why or "foreign"})
                return
            with request_context(_carried(headers)):
                await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, status = time.perf_counter(), 500
        _HTTP_RUNNING.inc()
        headers, why = _headers_of(scope)
        with request_context(_carried(headers), brings_message=scope["path"] == "/mcp") as energy:

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
                if why:
                    raise _Refused("headers", 400, "AmbiguousHeaders", why, "send each of these headers once")
                refusal = self._misaddressed(headers)
                if refusal is not None:
                    raise refusal
                if scope["method"] in _WITHOUT_BODY:
                    await self._app(scope, receive, telling)
                else:
                    await self._with_body(scope, headers, receive, telling)
            except _Refused as refusal:
                _REFUSED.labels(refusal.reason).inc()
                await send_problem(telling, *refusal.answer, refusal.headers)
            finally:
                _HTTP_RUNNING.dec()
                _note(scope, status, time.perf_counter() - started)

    def _misaddressed(self, headers: dict[bytes, bytes]) -> _Refused | None:
        if not self._addresses.is_own(headers.get(b"host")):
            hint = "send a Host that this server was started with (--public-name)"
            return _Refused("host", 400, "ForeignHost", "the Host header is no name of this server", hint)
        if not self._addresses.may_call(headers.get(b"origin")):
            detail = "requests made by web pages of other sites are refused"
            hint = "call from a program, or from a page on localhost"
            return _Refused("origin", 403, "ForeignOrigin", detail, hint)
        return None

    async def _with_body(
        self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        """Pass the request on with its body at hand."""
        try:
            async with asyncio.timeout(self._limits.receive_s):
                body = await self._whole(headers, receive)
        except TimeoutError:
            detail = f"the body did not arrive within {self._limits.receive_s:g} s"
            raise _Refused("slow", 408, "TooSlow", detail, "send it again", close=True) from None
        if body is None:
            return
        why = self._problem(scope, body)
        if why is not None:
            hint = "send finite numbers in the unit that is named"
            raise _Refused("quantity", 422, "ImpossibleQuantity", why, hint)
        await self._app(
            scope, replayed({"type": "http.request", "body": body, "more_body": False}, receive), send
        )

    async def _whole(self, headers: dict[bytes, bytes], receive: Receive) -> bytes | None:
        """The body; None if the client went away."""
        limit = self._limits.body_bytes
        too_long = _Refused(
            "body", 413, "BodyTooLarge", f"a body may have {limit} bytes", "send it in parts", close=True
        )
        announced = headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > limit:
            raise too_long
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise too_long
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
