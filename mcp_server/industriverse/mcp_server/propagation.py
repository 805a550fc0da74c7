"""MCP requests carry their trace and baggage in ``_meta``; every request begins an energy context of its own."""

import functools
import time
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from prometheus_client import Counter, Gauge, Histogram

from industriverse.mcp_server.inert import inert, inert_result
from industriverse.operations.tracing import PROPAGATED, message_context

__all__ = ["follow_trace"]

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


_STATELESS_SINCE = "2026-07-28"


async def follow_trace(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Serve a message within its trace, and count it."""
    if ctx.request_id is None:
        _NOTIFICATIONS.inc()
        return await call_next(ctx)
    method = ctx.method if ctx.method in METHODS else "other"
    era = "stateless" if ctx.protocol_version >= _STATELESS_SINCE else "handshake"
    given = ctx.meta or {}
    meta = {name: value for name, value in given.items() if name in PROPAGATED and isinstance(value, str)}
    started, outcome = time.perf_counter(), "failed"
    _RUNNING.inc()
    try:
        with message_context(meta):
            result = inert_result(await call_next(ctx))
        outcome = "answered"
        return result
    except MCPError as error:
        data = {"uri": inert(error.error.data["uri"])} if _names_uri(error.error.data) else error.error.data
        raise MCPError(error.error.code, inert(error.error.message), data) from error
    finally:
        _RUNNING.dec()
        _requests_of(method, era, outcome).inc()
        _seconds_of(method).observe(time.perf_counter() - started)
