"""Quick calls over HTTP are answered as JSON at once, without an event stream and a task for each part of its way.

The SDK starts tasks and streams for every request, in case its handler tells of progress, asks the client, or the
client loses its connection. Both eras leave the choice between JSON and an event stream to the server, so a call that
takes a moment, asks nobody, was given no progress token and may be sent again has no use for them. Requests that are
anything but such a call with good headers, a good envelope and good arguments go the SDK's way, which says what is
wrong with them.
"""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

from mcp.server.connection import Connection
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.types import CLIENT_CAPABILITIES_META_KEY, CLIENT_INFO_META_KEY, PROTOCOL_VERSION_META_KEY
from opentelemetry.trace import get_tracer
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json
from starlette.types import ASGIApp, Receive, Scope, Send

from industriverse.mcp_server.direct import DirectCalls
from industriverse.mcp_server.edge import replayed
from industriverse.mcp_server.eras import STATELESS
from industriverse.mcp_server.propagation import Served
from industriverse.mcp_server.sampling import asks_for_words
from industriverse.mcp_server.sessions import KnownSessions
from industriverse.operations.registry import Operation
from industriverse.operations.tracing import PROPAGATED, spans_are_recorded

__all__ = ["QuickCalls", "is_quick"]

_tracer = get_tracer("mcp-python-sdk")

_HANDSHAKE = frozenset({b"2025-06-18", b"2025-11-25"})
_KEYS = frozenset({"jsonrpc", "id", "method", "params"})
_PARAMETERS = frozenset({"name", "arguments", "_meta"})
_ENVELOPE = frozenset({PROTOCOL_VERSION_META_KEY, CLIENT_INFO_META_KEY, CLIENT_CAPABILITIES_META_KEY})
_BOTH = frozenset({"application/json", "text/event-stream"})
_OWN_HEADERS = (b"x-mcp-", b"mcp-param-")
"""Headers that choose the tools of a request, or repeat its arguments."""

_MOST_STEPS = 100
"""Steps that a quick call declares at most."""

_WAITS_FOR_A_MODEL = frozenset({"platform_ask"})


def is_quick(declared: Operation) -> bool:
    """Whether calls of an operation take a moment and, where an answer gets lost, can be sent again."""
    return (
        declared.idempotent
        and not declared.task
        and not declared.asks
        and declared.cost.base < _MOST_STEPS
        and declared.name not in _WAITS_FOR_A_MODEL
    )


class QuickCalls:
    """Answers quick calls, passes everything else.

    Args:
        app: Serves every request that is not quick.
        manager: Sessions of the handshake era.
        sessions: What their clients said of themselves.
        direct: Makes the calls.
        operations: What is shown to clients that choose nothing for themselves.
    """

    def __init__(
        self,
        app: ASGIApp,
        manager: StreamableHTTPSessionManager,
        sessions: KnownSessions,
        direct: DirectCalls,
        operations: Iterable[Operation],
    ) -> None:
        self._app = app
        self._manager = manager
        self._sessions = sessions
        self._direct = direct
        self._quick = {declared.name: declared for declared in operations if is_quick(declared)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if not self._may_be_quick(scope, headers):
            await self._app(scope, receive, send)
            return
        # The edge hands the whole body on in one message.
        message = await receive()
        call = self._call_in(message.get("body", b""), headers)
        if call is None:
            await self._app(scope, replayed(message, receive), send)
            return
        await self._answer(call, headers, send)

    def _may_be_quick(self, scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
        """What the headers alone say."""
        version = headers.get(b"mcp-protocol-version")
        if version == STATELESS.encode():
            if headers.get(b"mcp-method") != b"tools/call":
                return False
        elif version not in _HANDSHAKE or not self._sessions.admits(self._manager, scope, headers):
            return False
        return (
            headers.get(b"content-type") == b"application/json"
            and _takes_both(headers.get(b"accept", b""))
            and not any(name.startswith(_OWN_HEADERS) for name in headers)
            # A library that listens hears of every message from the SDK.
            and not spans_are_recorded(_tracer)
        )

    def _call_in(self, body: bytes, headers: Mapping[bytes, bytes]) -> "_Call | None":
        """The quick call that a body holds, None if it holds anything else or anything wrong."""
        if b'"tools/call"' not in body:
            return None
        try:
            document = from_json(body)
        except ValueError:
            return None
        if not isinstance(document, dict) or document.keys() != _KEYS:
            return None
        number, params = document["id"], document["params"]
        if (
            document["jsonrpc"] != "2.0"
            or document["method"] != "tools/call"
            or type(number) not in {int, str}
        ):
            return None
        if not isinstance(params, dict) or not params.keys() <= _PARAMETERS:
            return None
        name, arguments = params.get("name"), params.get("arguments", {})
        declared = self._quick.get(name) if isinstance(name, str) else None
        stateless = headers[b"mcp-protocol-version"] == STATELESS.encode()
        if declared is None or not isinstance(arguments, dict) or asks_for_words(arguments):
            return None
        if stateless and headers.get(b"mcp-name") != declared.name.encode():
            return None
        carried = _trace_in(params.get("_meta", {}), stateless=stateless)
        if carried is None:
            return None
        try:
            request = declared.input_model.model_validate(arguments)
        except ValidationError:
            return None
        return _Call(declared, request, number, carried, stateless)

    async def _answer(self, call: "_Call", headers: Mapping[bytes, bytes], send: Send) -> None:
        with Served("tools/call", "stateless" if call.stateless else "handshake", call.carried) as served:
            result = await self._direct.answer_as_json(call.declared, call.request, stateless=call.stateless)
            served.outcome = "answered"
        body = b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (to_json(call.number), result)
        told = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if not call.stateless:
            told.append((b"mcp-session-id", headers[b"mcp-session-id"]))
        await send({"type": "http.response.start", "status": 200, "headers": told})
        await send({"type": "http.response.body", "body": body})


class _Call:
    """One call to be made."""

    __slots__ = ("carried", "declared", "number", "request", "stateless")

    def __init__(
        self,
        declared: Operation,
        request: BaseModel,
        number: int | str,
        carried: Mapping[str, str],
        stateless: bool,
    ) -> None:
        self.declared = declared
        self.request = request
        self.number = number
        self.carried = carried
        self.stateless = stateless


@functools.lru_cache(maxsize=64)
def _takes_both(accept: bytes) -> bool:
    named = {part.split(";")[0].strip().lower() for part in accept.decode("latin-1").split(",")}
    return named >= _BOTH or "*/*" in named


def _trace_in(meta: Any, *, stateless: bool) -> dict[str, str] | None:
    """The trace in a request's ``_meta``, None if that holds anything which the SDK should look at."""
    if not isinstance(meta, dict):
        return None
    envelope, carried = {}, {}
    for name, value in meta.items():
        if stateless and name in _ENVELOPE:
            envelope[name] = value
        elif name in PROPAGATED and isinstance(value, str):
            carried[name] = value
        else:
            return None
    return carried if not stateless or _is_good(repr(envelope), envelope) else None


_good: set[str] = set()
"""Envelopes that the SDK took; a client sends the same with every request."""

_GOOD_MOST = 256
_GOOD_CHARACTERS = 4_000


def _is_good(key: str, envelope: Mapping[str, Any]) -> bool:
    """Whether the SDK finds nothing wrong with an envelope of the stateless era."""
    if key in _good:
        return True
    if envelope.get(PROTOCOL_VERSION_META_KEY) != STATELESS:
        return False
    said = envelope.get(CLIENT_INFO_META_KEY)
    connection = Connection.from_envelope(STATELESS, said, envelope.get(CLIENT_CAPABILITIES_META_KEY))
    if connection.client_capabilities is None or (
        CLIENT_INFO_META_KEY in envelope and connection.client_params is None
    ):
        return False
    if len(_good) < _GOOD_MOST and len(key) < _GOOD_CHARACTERS:
        _good.add(key)
    return True
