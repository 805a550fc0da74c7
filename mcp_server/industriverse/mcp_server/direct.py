"""The short way for calls of tools that ask nobody: what the SDK does in six passes over them, in one.

The SDK validates a call's envelope, its parameters, its arguments and its result each with a model of its own, and
dumps the result once for each. The arguments of an operation are validated by its input model, and its result is an
instance of its output model, so for a plain call with good arguments that is done once. Everything else goes the
SDK's way: calls that may ask a person, run as tasks or answer a question, and every call with something wrong.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

from mcp.server import MCPServer
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    PROTOCOL_VERSION_META_KEY,
    SERVER_INFO_META_KEY,
)
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from industriverse.mcp_server.answering import answered, answered_as_json
from industriverse.mcp_server.eras import STATELESS
from industriverse.mcp_server.guard import ResponseGuard
from industriverse.mcp_server.inert import inert_result
from industriverse.mcp_server.sampling import asks_for_words
from industriverse.mcp_server.tasks import may_become_a_task
from industriverse.operations.context import Principal
from industriverse.operations.platform import Platform
from industriverse.operations.policy import invoke
from industriverse.operations.registry import Operation
from industriverse.physics import IndustriverseError

__all__ = ["DirectCalls"]

logger = logging.getLogger(__name__)

_VERSIONS = frozenset({"2025-06-18", "2025-11-25", STATELESS})
"""Revisions whose results have the shape that is made here."""

_PARAMETERS = frozenset({"name", "arguments", "_meta"})
_RESERVED = "io.modelcontextprotocol/"
_ENVELOPE = frozenset({PROTOCOL_VERSION_META_KEY, CLIENT_INFO_META_KEY, CLIENT_CAPABILITIES_META_KEY})


class DirectCalls:
    """Answers plain calls of operations, as middleware behind the one that says which tools are shown.

    Args:
        platform: Stores and services.
        operations: What is served.
        principal: Returns the caller of the request being served.
        guard: Cuts results that are too long.
    """

    def __init__(
        self,
        platform: Platform,
        operations: Iterable[Operation],
        principal: Callable[[], Principal],
        guard: ResponseGuard,
    ) -> None:
        self._platform = platform
        self._operations = {declared.name: declared for declared in operations if not declared.asks}
        self._principal = principal
        self._guard = guard
        self._stamp: dict[str, Any] = {}

    def bind(self, server: MCPServer[Any]) -> None:
        """Say whose name is on the answers."""
        named = {"name": server.name, "title": server.title, "version": server.version}
        self._stamp = {SERVER_INFO_META_KEY: named}

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Answer a plain call, pass everything else."""
        if ctx.method != "tools/call" or ctx.params is None:
            return await call_next(ctx)
        declared = self._operations.get(_text(ctx.params.get("name")))
        if declared is None or not _is_plain(ctx, ctx.params) or may_become_a_task(declared, ctx):
            return await call_next(ctx)
        if asks_for_words(ctx.params.get("arguments")):
            return await call_next(ctx)
        try:
            request = declared.input_model.model_validate(ctx.params.get("arguments", {}))
        except ValidationError:
            # The SDK tells what is wrong, after trying whether a text holds the JSON that was meant.
            return await call_next(ctx)
        return await self._answer(declared, request, ctx)

    async def _answer(
        self, declared: Operation, request: BaseModel, ctx: ServerRequestContext[Any, Any]
    ) -> dict[str, Any]:
        caller = self._principal()

        async def call() -> dict[str, Any]:
            result = await invoke(
                self._platform,
                declared.name,
                request,
                principal=caller,
                progress=ctx.session.report_progress,
            )
            return answered(declared.name, result, self._guard, caller).wire()

        wire = await _or_failure(declared, call)
        if ctx.protocol_version == STATELESS:
            wire["resultType"] = "complete"
            wire["_meta"] = {**wire.get("_meta", {}), **self._stamp}
        return wire

    async def answer_as_json(self, declared: Operation, request: BaseModel, *, stateless: bool) -> bytes:
        """The result of a plain call, as JSON.

        Args:
            declared: What is called.
            request: With what.
            stateless: Whether the client speaks the stateless era.
        """
        caller = self._principal()
        stamp = self._stamp if stateless else None

        async def call() -> bytes:
            result = await invoke(self._platform, declared.name, request, principal=caller)
            return answered_as_json(declared.name, result, self._guard, caller, stamp)

        answer = await _or_failure(declared, call)
        if isinstance(answer, bytes):
            return answer
        failure = inert_result(answer)
        assert isinstance(failure, dict)
        return to_json(failure if stamp is None else {**failure, "_meta": stamp, "resultType": "complete"})


AnswerT = TypeVar("AnswerT")


async def _or_failure(
    declared: Operation, call: Callable[[], Awaitable[AnswerT]]
) -> AnswerT | dict[str, Any]:
    """What a call gives, or an error result that says what a caller may know."""
    try:
        return await call()
    except IndustriverseError as error:
        logger.info("Tool %r failed: %r", declared.name, str(error))
        return _failure(f"Error executing tool {declared.name}: {error}")
    except Exception:
        logger.exception("Tool %r raised an unexpected exception", declared.name)
        return _failure(f"Error executing tool {declared.name}")


def _failure(text: str) -> dict[str, Any]:
    return {"content": [{"text": text, "type": "text"}], "isError": True}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _is_plain(ctx: ServerRequestContext[Any, Any], params: Mapping[str, Any]) -> bool:
    """Whether a call is one that the SDK would find nothing wrong with, and that answers no question."""
    if ctx.protocol_version not in _VERSIONS or not _PARAMETERS.issuperset(params):
        return False
    if not isinstance(params.get("arguments", {}), dict) or ("_meta" in params and ctx.meta is None):
        return False
    if ctx.protocol_version != STATELESS:
        return ctx.session.client_params is not None
    meta = params.get("_meta")
    if not isinstance(meta, dict) or ctx.session.client_capabilities is None:
        return False
    if CLIENT_INFO_META_KEY in meta and ctx.session.client_params is None:
        return False
    return all(name in _ENVELOPE or not name.startswith(_RESERVED) for name in meta)
