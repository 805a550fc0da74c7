"""The layer under every face: who may call what, with which arguments, and what came of it."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from prometheus_client import Counter, Histogram
from pydantic import BaseModel, ValidationError

from industriverse.operations.context import (
    ApprovalAnswer,
    ApprovalRequest,
    InputNeeded,
    OperationContext,
    Principal,
)
from industriverse.operations.costs import counting
from industriverse.operations.errors import InvalidArgumentsError, NotAllowedError
from industriverse.operations.platform import Platform
from industriverse.operations.registry import Operation, registry
from industriverse.physics import IndustriverseError

__all__ = ["describe_invalid_arguments", "invoke"]

logger = logging.getLogger(__name__)

_CALLS = Counter("industriverse_operation_calls", "Calls of operations", ["operation", "outcome"])
_SECONDS = Histogram("industriverse_operation_seconds", "Wall time of operations", ["operation"])

_SHOWN_CHARACTERS = 60


def describe_invalid_arguments(error: ValidationError) -> str:
    """One clause that names the first wrong field, what it got and what it needs."""
    first = error.errors(include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "arguments"
    got = repr(first["input"])
    shown = got if len(got) <= _SHOWN_CHARACTERS else got[:_SHOWN_CHARACTERS] + "…"
    return f"{field}: {first['msg']} (got {shown})"


def _validated(declared: Operation, arguments: Mapping[str, Any] | BaseModel) -> BaseModel:
    try:
        request = declared.input_model.model_validate(arguments)
    except ValidationError as error:
        raise InvalidArgumentsError(
            describe_invalid_arguments(error), hint=f"see the input schema of {declared.name}"
        ) from None
    try:
        request.model_dump_json()
    except ValueError:
        # A lone surrogate passes as text in Python, but no store and no wire can carry it.
        raise InvalidArgumentsError(
            "an argument holds half a character (a lone surrogate)", hint="send text that is valid Unicode"
        ) from None
    return request


async def invoke(
    platform: Platform,
    name: str,
    arguments: Mapping[str, Any] | BaseModel,
    *,
    principal: Principal,
    progress: Callable[[float, float | None, str], Awaitable[None]] | None = None,
    approve: Callable[[ApprovalRequest], Awaitable[ApprovalAnswer]] | None = None,
    resume_token: str | None = None,
) -> BaseModel:
    """Call an operation on behalf of a principal.

    Args:
        platform: Stores and services.
        name: Name of the operation.
        arguments: Input, validated here if it is not the operation's input model already.
        principal: The caller.
        progress: Where progress goes; nowhere if not given.
        approve: How a person is asked; the operation fails with a hint if it must ask and cannot.
        resume_token: Token of the question that interrupted this call before.

    Raises:
        UnknownOperationError: If there is no such operation.
        NotAllowedError: If the principal lacks the scope or the platform is read-only.
        InvalidArgumentsError: If the arguments do not fit the input model.
        BudgetExceededError: If the principal's energy budget does not cover what the call declares.
        InputNeeded: If the channel asks by returning and the answer is not there yet.
        IndustriverseError: Whatever the operation itself raises on purpose.
    """
    declared = registry[name]
    if not principal.holds(declared.scope):
        raise NotAllowedError(
            f"{principal.name} lacks the scope {declared.scope!r} that {name} needs",
            hint="ask an administrator for the scope",
        )
    if platform.read_only and not declared.read_only:
        raise NotAllowedError(
            f"{name} changes state and this platform is read-only", hint="restart without --read-only"
        )
    request = _validated(declared, arguments)
    optional: dict[str, Any] = {}
    if progress is not None:
        optional["progress"] = progress
    if approve is not None:
        optional["approve"] = approve
    context = OperationContext(platform=platform, principal=principal, resume_token=resume_token, **optional)
    bill = platform.meter.reserve(declared, request, principal)
    started = time.perf_counter()
    outcome = "crashed"
    try:
        with counting(bill.counter):
            result = await declared.function(request, context)
        outcome = "done"
    except InputNeeded:
        outcome = "asked"
        raise
    except IndustriverseError:
        outcome = "refused"
        raise
    finally:
        platform.meter.settle(bill)
        _CALLS.labels(name, outcome).inc()
        _SECONDS.labels(name).observe(time.perf_counter() - started)
        logger.info("operation %s by %s: %s", name, principal.name, outcome)
    return result
