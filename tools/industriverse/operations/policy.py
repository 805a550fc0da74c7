"""The layer under every face: who may call what, with which arguments, and what came of it."""

import asyncio
import functools
import hashlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from opentelemetry.trace import INVALID_SPAN, SpanKind, get_tracer
from prometheus_client import Counter, Gauge, Histogram
from pydantic import BaseModel, ValidationError

from industriverse.operations.auditing import AuditEntry
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
from industriverse.operations.tracing import current_energy, current_trace_id, spans_are_recorded
from industriverse.physics import IndustriverseError

__all__ = ["authorise", "describe_invalid_arguments", "invoke"]

logger = logging.getLogger(__name__)
_tracer = get_tracer("industriverse")

_CALLS = Counter("industriverse_operation_calls", "Calls of operations", ["operation", "outcome"])
_SECONDS = Histogram("industriverse_operation_seconds", "Wall time of operations", ["operation"])
_RUNNING = Gauge("industriverse_operation_running", "Operations that run now", ["operation"])
_DENIED = Counter("industriverse_operation_denied", "Calls that the policy refused", ["operation", "reason"])

# Looking a label up costs as much as counting; these have few values, all declared here.
_calls_of = functools.cache(_CALLS.labels)
_seconds_of = functools.cache(_SECONDS.labels)
_running_of = functools.cache(_RUNNING.labels)
_unheard = nullcontext(INVALID_SPAN)

_payer: ContextVar[Principal | None] = ContextVar("payer", default=None)

_SHOWN_CHARACTERS = 60


def describe_invalid_arguments(error: ValidationError) -> str:
    """One clause that names the first wrong field, what it got and what it needs."""
    first = error.errors(include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])[:_SHOWN_CHARACTERS] or "arguments"
    got = repr(first["input"])
    shown = got if len(got) <= _SHOWN_CHARACTERS else got[:_SHOWN_CHARACTERS] + "…"
    return f"{field}: {first['msg']} (got {shown})"


def _validated(declared: Operation, arguments: Mapping[str, Any] | BaseModel) -> tuple[BaseModel, str]:
    """The input model, and the same as JSON."""
    try:
        request = declared.input_model.model_validate(arguments)
    except ValidationError as error:
        raise InvalidArgumentsError(
            describe_invalid_arguments(error), hint=f"see the input schema of {declared.name}"
        ) from None
    try:
        return request, request.model_dump_json()
    except ValueError:
        # A lone surrogate passes as text in Python, but no store and no wire can carry it.
        raise InvalidArgumentsError(
            "an argument holds half a character (a lone surrogate)", hint="send text that is valid Unicode"
        ) from None


def authorise(platform: Platform, declared: Operation, principal: Principal) -> None:
    """Refuse a principal that lacks the scope, and changes on a read-only platform.

    Raises:
        NotAllowedError: Naming the scope that is missing.
    """
    if not principal.holds(declared.scope):
        _DENIED.labels(declared.name, "scope").inc()
        raise NotAllowedError(
            f"{principal.name} lacks the scope {declared.scope!r} that {declared.name} needs",
            hint="ask an administrator for the scope",
        )
    if platform.read_only and not declared.read_only:
        _DENIED.labels(declared.name, "read-only").inc()
        raise NotAllowedError(
            f"{declared.name} changes state and this platform is read-only",
            hint="restart without --read-only",
        )


@dataclass(slots=True)
class _Call:
    """One call while it runs, and how it is written down."""

    platform: Platform
    declared: Operation
    principal: Principal
    arguments: Mapping[str, Any] | BaseModel
    document: str | None = None
    outcome: str = "crashed"
    reason: str = ""
    micro_ceu: int = 0

    def entry(self, outcome: str | None = None) -> AuditEntry:
        document = self.document
        if document is None:
            given = self.arguments if isinstance(self.arguments, Mapping) else self.arguments.model_dump()
            document = json.dumps(given, sort_keys=True, default=repr)
        return AuditEntry(
            time_ns=self.platform.clock(),
            principal=self.principal.name,
            tenant=self.principal.tenant,
            operation=self.declared.name,
            arguments_sha256=hashlib.sha256(document.encode("utf-8", "surrogatepass")).hexdigest(),
            outcome=outcome or self.outcome,
            reason=self.reason,
            micro_ceu=self.micro_ceu,
            trace_id=current_trace_id(),
        )

    async def begin(self) -> None:
        """What may change something is written down, on disk, before it does."""
        await asyncio.wrap_future(self.platform.audit.write(self.entry("began")))

    async def end(self, seconds: float) -> None:
        _calls_of(self.declared.name, self.outcome).inc()
        _seconds_of(self.declared.name).observe(seconds)
        if logger.isEnabledFor(logging.INFO):
            logger.info(
                "operation %s by %s: %s %s",
                self.declared.name,
                self.principal.name,
                self.outcome,
                self.reason,
                extra={"seconds": round(seconds, 6), "trace_id": current_trace_id()},
            )
        entry = self.entry()
        if self.declared.read_only or self.outcome == "cancelled":
            self.platform.audit.post(entry)
        else:
            await asyncio.wrap_future(self.platform.audit.write(entry))
            self.platform.changed.tell()


def _learn_energy(result: BaseModel) -> None:
    """Take from a result what every later response of this request tells about the plant."""
    for name in _told_by(type(result)):
        value = getattr(result, name)
        if name == "alarm" and isinstance(value, bool):
            current_energy().regime = "disturbed" if value else "calm"
        elif name == "certificate_id" and isinstance(value, str):
            current_energy().proof_id = value


@functools.cache
def _told_by(kind: type[BaseModel]) -> tuple[str, ...]:
    """Which of the fields that an energy context knows a result has; asking a model for one it lacks is slow."""
    return tuple(name for name in ("alarm", "certificate_id") if name in kind.model_fields)


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
        platform: Stores and services of the installation; the principal's tenant decides whose are used.
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
    platform = platform.of_tenant(principal.tenant)
    optional: dict[str, Any] = {}
    if progress is not None:
        optional["progress"] = progress
    if approve is not None:
        optional["approve"] = approve
    context = OperationContext(platform=platform, principal=principal, resume_token=resume_token, **optional)
    call = _Call(platform, declared, principal, arguments)
    spanning = (
        _tracer.start_as_current_span(name, kind=SpanKind.INTERNAL, record_exception=False)
        if spans_are_recorded(_tracer)
        else _unheard
    )
    with spanning as span:
        started = time.perf_counter()
        running = _running_of(name)
        running.inc()
        try:
            return await _perform(call, context)
        finally:
            running.dec()
            span.set_attribute("industriverse.outcome", call.outcome)
            await call.end(time.perf_counter() - started)


def _payer_of(principal: Principal) -> Principal:
    """Who pays for a call: whoever asked for the call that it is a part of, else its own principal.

    A graph calls its tools under a name of its own; were that name billed, running one would be free.
    """
    asked = _payer.get()
    return asked if asked is not None and asked.tenant == principal.tenant else principal


async def _metered(call: _Call, request: BaseModel, context: OperationContext) -> BaseModel:
    """Reserve what the call declares, do it, and charge what it took whatever comes of it."""
    meter, payer = call.platform.meter, _payer_of(call.principal)
    bill = meter.reserve(call.declared, request, payer)
    paying = _payer.set(payer)
    try:
        with counting(bill.counter):
            if not call.declared.read_only:
                await call.begin()
            return await call.declared.function(request, context)
    finally:
        _payer.reset(paying)
        call.micro_ceu = meter.settle(bill)
        energy = current_energy()
        energy.cost_micro_ceu += call.micro_ceu
        energy.budget_left_micro_ceu = meter.level(payer.name)


async def _perform(call: _Call, context: OperationContext) -> BaseModel:
    """Check, do, and note in the call what came of it."""
    try:
        authorise(call.platform, call.declared, call.principal)
        request, call.document = _validated(call.declared, call.arguments)
        result = await _metered(call, request, context)
    except InputNeeded:
        call.outcome = "asked"
        raise
    except IndustriverseError as error:
        call.outcome, call.reason = "refused", type(error).__name__
        raise
    except asyncio.CancelledError:
        call.outcome = "cancelled"
        raise
    except Exception as error:
        call.reason = type(error).__name__
        raise
    call.outcome = "done"
    _learn_energy(result)
    return result
