"""MCP requests carry their trace and baggage in ``_meta``; every request begins an energy context of its own."""

import functools
import time
from collections.abc import Mapping
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from prometheus_client import Counter, Gauge, Histogram

from industriverse.mcp_server.eras import STATELESS
from industriverse.mcp_server.inert import inert, inert_result
from industriverse.operations.tracing import PROPAGATED, message_context

__all__ = ["Served", "follow_trace"]

_REQUESTS = Counter("industriverse_mcp_requests", "MCP requests", ["method", "era", "outcome"])
_SECONDS = Histogram("industriverse_mcp_request_seconds", "Wall time of MCP requests", ["method"])
# Looking a label up costs as much as counting; these have few values.
_requests_of = functools.cache(_REQUESTS.labels)
_seconds_of = functools.cache(_SECONDS.labels)
_RUNNING = Gauge("industriverse_mcp_requests_running", "MCP requests that are worked on")
_NOTIFICATIONS = Counter("industriverse_mcp_notifications_received", "MCP notifications from clients")

METHODS = frozenset(
    {
        "initialize", "ping", "server/discover", "subscriptions/listen", "completion/complete", "logging/setLevel",
        "prompts/list", "prompts/get", "resources/list", "resources/read", "resources/templates/list",
        "resources/subscribe", "resources/unsubscribe", "tools/list", "tools/call", "tasks/get", "tasks/update",
        "tasks/cancel",
    }
)  # fmt: skip
"""Methods that have a label of their own; a client's invention is counted as ``other``."""


def _names_uri(data: Any) -> bool:
    return isinstance(data, dict) and list(data) == ["uri"] and isinstance(data["uri"], str)


class Served:
    """One message while it is served: within its trace, and counted.

    Args:
        method: What is asked for, among METHODS or ``other``.
        era: ``stateless`` or ``handshake``.
        carried: Fields of the trace that the message names.

    Attributes:
        outcome: ``failed`` until it is said to be ``answered``.
    """

    __slots__ = ("_context", "_era", "_method", "_started", "outcome")

    def __init__(self, method: str, era: str, carried: Mapping[str, str]) -> None:
        self._method = method
        self._era = era
        self._context = message_context(carried)
        self.outcome = "failed"

    def __enter__(self) -> "Served":
        self._started = time.perf_counter()
        _RUNNING.inc()
        self._context.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._context.__exit__(*error)
        _RUNNING.dec()
        _requests_of(self._method, self._era, self.outcome).inc()
        _seconds_of(self._method).observe(time.perf_counter() - self._started)


async def follow_trace(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Serve a message within its trace, and count it."""
    if ctx.request_id is None:
        _NOTIFICATIONS.inc()
        return await call_next(ctx)
    method = ctx.method if ctx.method in METHODS else "other"
    era = "stateless" if ctx.protocol_version >= STATELESS else "handshake"
    given = ctx.meta or {}
    meta = {name: value for name, value in given.items() if name in PROPAGATED and isinstance(value, str)}
    try:
        with Served(method, era, meta) as served:
            result = inert_result(await call_next(ctx))
            served.outcome = "answered"
            return result
    except MCPError as error:
        data = {"uri": inert(error.error.data["uri"])} if _names_uri(error.error.data) else error.error.data
        raise MCPError(error.error.code, inert(error.error.message), data) from error
