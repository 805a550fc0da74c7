"""Quick calls of the stateless era are answered as JSON without the machinery of an event stream.

The SDK starts two tasks and a stream for every request, in case its handler tells of progress. The protocol leaves
the choice between JSON and an event stream to the server, so a call of an operation that is quick, asks nobody and
was given no progress token has no use for one. What it needs to know is in the headers that the SDK holds to the body.
"""

from collections.abc import Iterable

from mcp.server import MCPServer
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp, Receive, Scope, Send

from industriverse.mcp_server.edge import replayed
from industriverse.operations.registry import Operation

__all__ = ["QuickCalls"]

_VERSION = b"2026-07-28"
_TOKEN = b"progressToken"


class QuickCalls:
    """Chooses the transport of an MCP request.

    Args:
        app: Serves every request that is not quick.
        server: The MCP server behind both.
        operations: What is served.
        security: Hosts and origins that may call.

    Attributes:
        manager: Serves the quick ones; to be run beside the server's own.
    """

    def __init__(
        self,
        app: ASGIApp,
        server: MCPServer,
        operations: Iterable[Operation],
        security: TransportSecuritySettings,
    ) -> None:
        self._app = app
        self._quick = frozenset(
            declared.name.encode() for declared in operations if not declared.task and not declared.asks
        )
        self.manager = StreamableHTTPSessionManager(
            app=server._lowlevel_server, json_response=True, stateless=True, security_settings=security
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if not self._is_quick(scope):
            await self._app(scope, receive, send)
            return
        # The edge hands the whole body on in one message.
        message = await receive()
        app = self._app if _TOKEN in message.get("body", b"") else self.manager.handle_request
        await app(scope, replayed(message, receive), send)

    def _is_quick(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] != "POST":
            return False
        said = dict(scope["headers"])
        return (
            said.get(b"mcp-protocol-version") == _VERSION
            and said.get(b"mcp-method") == b"tools/call"
            and said.get(b"mcp-name") in self._quick
        )
