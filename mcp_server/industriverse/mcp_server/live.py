"""Telemetry in and readings out over one WebSocket: ``/v1/live``.

Messages are JSON objects. A client sends ``{"type": "samples", "id": …, "stream": …, "channels": […], "times": […],
"values": […]}``, answered by ``ack`` or ``problem`` with the same id, and ``{"type": "follow", "streams": […],
"after": …}``, after which it gets ``reading`` and ``incident`` messages that carry the position to go on from.
"""

import asyncio
import json
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from prometheus_client import Counter, Gauge

from industriverse.mcp_server.callers import CurrentCaller
from industriverse.mcp_server.inert import inert
from industriverse.mcp_server.leases import Lease, Leases
from industriverse.mcp_server.shutdown import Shutdown
from industriverse.mcp_server.streaming import followed
from industriverse.operations.context import Principal
from industriverse.operations.errors import InvalidArgumentsError
from industriverse.operations.following import Position, position_now
from industriverse.operations.platform import Platform
from industriverse.operations.policy import authorise, invoke
from industriverse.operations.quantities import QuantityProblem, first_problem, parse_json
from industriverse.operations.registry import registry
from industriverse.operations.tracing import current_trace_id, request_context
from industriverse.physics import IndustriverseError

__all__ = ["MESSAGE_LIMIT", "live_router"]

MESSAGE_LIMIT = 1024 * 1024
SEND_TIMEOUT_S = 10.0
IDLE_S = 300.0
ENDED = "the token has ended"

_OPEN = Gauge("industriverse_websocket_connections", "Open WebSockets")
_MESSAGES = Counter("industriverse_websocket_messages", "Messages over WebSockets", ["direction", "type"])
_TYPES = frozenset({"samples", "follow"})


class _Session:
    """One connection."""

    def __init__(
        self, socket: WebSocket, platform: Platform, caller: Principal, shutdown: Shutdown, lease: Lease
    ) -> None:
        self._socket = socket
        self._platform = platform
        self._caller = caller
        self._shutdown = shutdown
        self._lease = lease
        self._following: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        """Serve until the client goes, is silent for too long, or the server stops."""
        try:
            while not self._shutdown.begun:
                async with asyncio.timeout(IDLE_S):
                    text = await self._socket.receive_text()
                if not self._lease():
                    await self._socket.close(code=1008, reason=ENDED)
                    return
                await self._answer(text)
        except (WebSocketDisconnect, TimeoutError):
            return
        except KeyError:
            await self._socket.close(code=1003, reason="send text")
        finally:
            if self._following is not None:
                self._following.cancel()

    async def _answer(self, text: str) -> None:
        identity: Any = None
        try:
            message = _read(text)
            identity = message.pop("id", None)
            kind = message.pop("type", None)
            _MESSAGES.labels("in", kind if kind in _TYPES else "other").inc()
            with request_context():
                answer = await self._do(kind, message)
        except IndustriverseError as error:
            answer = {
                "type": "problem",
                "title": type(error).__name__,
                "detail": inert(error.message),
                "hint": inert(error.hint),
            }
        await self._send({**answer, "id": identity})

    async def _do(self, kind: Any, message: dict[str, Any]) -> dict[str, Any]:
        if kind == "samples":
            result = await invoke(self._platform, "telemetry_ingest", message, principal=self._caller)
            return {"type": "ack", **result.model_dump(mode="json"), "trace_id": current_trace_id()}
        if kind == "follow":
            return await self._follow(message)
        raise InvalidArgumentsError("type: is neither samples nor follow", hint="see docs/bridge.md")

    async def _follow(self, message: dict[str, Any]) -> dict[str, Any]:
        streams = message.get("streams", [])
        if not isinstance(streams, list) or not all(isinstance(name, str) for name in streams):
            raise InvalidArgumentsError(
                "streams: is no list of names", hint="send names, or an empty list for all"
            )
        own = self._platform.of_tenant(self._caller.tenant)
        authorise(own, registry["eil_regime"], self._caller)
        after = message.get("after")
        if after is None:
            position = await own.run(position_now, own.services, streams)
        else:
            position = Position.of(str(after))
        if self._following is not None:
            self._following.cancel()
        self._following = asyncio.create_task(self._push(own, streams, position))
        return {"type": "following", "streams": streams}

    async def _push(self, platform: Platform, streams: list[str], position: Position) -> None:
        try:
            async for happening in followed(platform, streams, position, self._shutdown, self._lease):
                sent = {"type": happening.kind, **happening.data, "after": happening.after.text()}
                await self._send(sent)
            if not self._lease():
                await self._socket.close(code=1008, reason=ENDED)
        except (WebSocketDisconnect, TimeoutError, RuntimeError):
            # The client went, or reads too slowly: it comes back with the position that it has.
            await self._socket.close(code=1013, reason="too slow")

    async def _send(self, message: dict[str, Any]) -> None:
        _MESSAGES.labels("out", message["type"]).inc()
        async with self._sending, asyncio.timeout(SEND_TIMEOUT_S):
            await self._socket.send_text(json.dumps(message))


def _read(text: str) -> dict[str, Any]:
    if len(text) > MESSAGE_LIMIT:
        raise InvalidArgumentsError(f"message: is longer than {MESSAGE_LIMIT}", hint="send it in parts")
    try:
        message = parse_json(text.encode())
        problem = first_problem(message)
    except QuantityProblem as error:
        problem, message = error, None
    except (ValueError, RecursionError):
        raise InvalidArgumentsError("message: is no JSON", hint="send JSON objects") from None
    if problem is not None:
        raise InvalidArgumentsError(str(problem), hint="send finite numbers in the unit that is named")
    if not isinstance(message, dict):
        raise InvalidArgumentsError("message: is no object", hint="send JSON objects")
    return message


def live_router(
    platform: Platform, *, principal: CurrentCaller, shutdown: Shutdown, leases: Leases
) -> APIRouter:
    """The WebSocket route."""
    router = APIRouter(prefix="/v1")

    @router.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        _OPEN.inc()
        try:
            await _Session(socket, platform, principal(), shutdown, leases.taken()).run()
        finally:
            _OPEN.dec()

    return router
