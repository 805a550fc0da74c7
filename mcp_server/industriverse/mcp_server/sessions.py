"""Sessions of the handshake era: whether a request belongs to one that may be asked things, told from its headers."""

import asyncio
import math
from collections.abc import Mapping
from typing import Any
from weakref import WeakValueDictionary

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, authorization_context
from mcp.server.connection import Connection
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import Scope

__all__ = ["KnownSessions"]

_SLACK_S = 1.0
"""How much earlier than it might an idle session may end: moving the end costs more than looking at it."""


class KnownSessions:
    """Remembers what clients said of themselves, as middleware; forgotten with their sessions."""

    def __init__(self) -> None:
        self._connections: WeakValueDictionary[str, Connection] = WeakValueDictionary()

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Take note of a session that begins, pass everything."""
        if ctx.method == "initialize":
            connection = ctx.session._connection
            if connection.session_id is not None:
                self._connections[connection.session_id] = connection
        return await call_next(ctx)

    def admits(
        self, manager: StreamableHTTPSessionManager, scope: Scope, headers: Mapping[bytes, bytes]
    ) -> bool:
        """Whether a request may be answered in its session, which stays alive if so.

        The session is open, was begun by the same caller, and agreed on the protocol that the request names.

        Args:
            manager: Holds the sessions that are open.
            scope: The request.
            headers: Its headers.
        """
        session = headers.get(b"mcp-session-id", b"").decode("latin-1")
        transport, connection = manager._server_instances.get(session), self._connections.get(session)
        if transport is None or connection is None or transport.is_terminated:
            return False
        user = scope.get("user")
        caller = authorization_context(user) if isinstance(user, AuthenticatedUser) else None
        if caller != manager._session_owners.get(session):
            return False
        if connection.client_params is None:
            return False
        if connection.protocol_version.encode() != headers.get(b"mcp-protocol-version"):
            return False
        idle = transport.idle_scope
        if idle is not None and idle.deadline != math.inf:
            ends = asyncio.get_running_loop().time() + (manager.session_idle_timeout or math.inf)
            if idle.deadline < ends - _SLACK_S:
                idle.deadline = ends
        return True
