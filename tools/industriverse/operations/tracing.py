"""One id through everything that a request touches, and what the request cost in energy.

The trace context is OpenTelemetry's own (W3C Trace Context and Baggage), so that spans of libraries and of an
exporter, where one is installed, join the same trace. Without an SDK only the ids travel.
"""

import math
import random
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass

from opentelemetry import baggage, trace
from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.propagate import extract, get_global_textmap, inject
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

__all__ = [
    "PROPAGATED",
    "EnergyContext",
    "baggage_value",
    "current_energy",
    "current_trace_id",
    "message_context",
    "outgoing_headers",
    "request_context",
    "spans_are_recorded",
]

PROPAGATED = frozenset({"traceparent", "tracestate", "baggage"})
"""Fields of W3C Trace Context and Baggage."""

_BAGGAGE_LIMIT = 8192
"""Bytes of baggage that W3C asks every platform to pass on; more than that is left out."""


@dataclass(slots=True)
class EnergyContext:
    """What a request used and what it learned of the plant, told on every response.

    Attributes:
        cost_micro_ceu: What the calls of this request cost so far.
        budget_left_micro_ceu: What the caller may still spend now, None if nobody measures it.
        regime: State of the stream that was looked at last, empty if none was.
        proof_id: Certificate that was issued or looked at last, empty if none was.
        awaits_message: Whether a message that the request brought may still be served as part of it.
    """

    cost_micro_ceu: int = 0
    budget_left_micro_ceu: int | None = None
    regime: str = ""
    proof_id: str = ""
    awaits_message: bool = False

    def fields(self) -> dict[str, str]:
        """As texts by short name; what is not known is left out."""
        known = {
            "cost": f"{self.cost_micro_ceu / 1e6:.6f}",
            "budget-left": ""
            if self.budget_left_micro_ceu is None
            else f"{self.budget_left_micro_ceu / 1e6:.6f}",
            "regime": self.regime,
            "proof": self.proof_id,
        }
        return {name: text for name, text in known.items() if text}

    def header(self) -> str:
        """As the value of the ``energy-context`` header: ``cost=0.000012, regime=calm``; CEU."""
        return ", ".join(f"{name}={text}" for name, text in self.fields().items())


_propagates_w3c = set(get_global_textmap().fields) == PROPAGATED
"""Whether the usual propagators are set; others may be named in OTEL_PROPAGATORS."""

_energy: ContextVar[EnergyContext | None] = ContextVar("industriverse_energy", default=None)


def current_energy() -> EnergyContext:
    """The energy context of the request being served; one that nobody reads outside of a request."""
    return _energy.get() or EnergyContext()


def current_trace_id() -> str:
    """The W3C trace id of the request being served, 32 hexadecimal digits; empty outside of a request."""
    span = trace.get_current_span().get_span_context()
    return format(span.trace_id, "032x") if span.trace_id else ""


class _Listening:
    """Whether an OpenTelemetry SDK was set up, asked anew every second: asking costs as much as a span."""

    def __init__(self) -> None:
        self._asked_at = -math.inf
        self._answer = False

    def __bool__(self) -> bool:
        now = time.monotonic()
        if not self._answer and now - self._asked_at > 1.0:
            self._asked_at = now
            self._answer = not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
        return self._answer


_listening = _Listening()
_ids = random.Random()  # noqa: S311  (ids must differ, not be secret)


def spans_are_recorded(tracer: trace.Tracer) -> bool:
    """Whether anybody listens to a tracer; without an OpenTelemetry SDK its spans tell nobody anything."""
    return bool(_listening) or not isinstance(tracer, trace.ProxyTracer)


def _fresh_span() -> NonRecordingSpan:
    return NonRecordingSpan(
        SpanContext(
            trace_id=_ids.getrandbits(128) | 1,
            span_id=_ids.getrandbits(64) | 1,
            is_remote=False,
            trace_flags=TraceFlags(TraceFlags.SAMPLED),
        )
    )


class RequestContext:
    """The context that one request is served in; see :func:`request_context`."""

    __slots__ = ("_carrier", "_energy", "_energy_token", "_token")

    def __init__(self, carrier: Mapping[str, str] | None, energy: EnergyContext) -> None:
        self._carrier = carrier
        self._energy = energy

    def __enter__(self) -> EnergyContext:
        context = _context_of(self._carrier)
        self._token = None if context is None else attach(context)
        self._energy_token = _energy.set(self._energy)
        return self._energy

    def __exit__(self, *error: object) -> None:
        _energy.reset(self._energy_token)
        if self._token is not None:
            detach(self._token)


def _context_of(carrier: Mapping[str, str] | None) -> Context | None:
    """The context that a request's fields ask for, None where the present one will do."""
    given: dict[str, str] = {}
    for name in PROPAGATED if carrier else ():
        value = carrier.get(name) if carrier else None
        if value is not None and len(value) <= _BAGGAGE_LIMIT:
            given[name] = value
    ambient = trace.get_current_span()
    if not given:
        if ambient.get_span_context().is_valid:
            return None
        return trace.set_span_in_context(_fresh_span(), get_current())
    context = extract(given)
    caller = trace.get_current_span(context).get_span_context()
    if ambient.get_span_context().is_valid and caller.trace_id in {0, ambient.get_span_context().trace_id}:
        # A span that a library opened for this very request is the nearer parent.
        return trace.set_span_in_context(ambient, context)
    return context if caller.is_valid else trace.set_span_in_context(_fresh_span(), context)


def request_context(
    carrier: Mapping[str, str] | None = None, *, brings_message: bool = False
) -> RequestContext:
    """Serve one request: go on with the caller's trace, or begin one; gives the request's energy context.

    Args:
        carrier: Fields of the request by lower-case name; ``traceparent``, ``tracestate`` and ``baggage`` are
            read, malformed ones are ignored as W3C asks.
        brings_message: Whether the request may carry a message that is served as part of it.
    """
    return RequestContext(carrier, EnergyContext(awaits_message=brings_message))


def message_context(carrier: Mapping[str, str] | None = None) -> AbstractContextManager[EnergyContext]:
    """Serve one message: as part of the request that brought it, unless it names a trace of its own.

    Args:
        carrier: Fields that came with the message, as in :func:`request_context`.
    """
    ambient = _energy.get()
    if (
        ambient is not None
        and ambient.awaits_message
        and (not carrier or PROPAGATED.isdisjoint(carrier))
        and trace.get_current_span().get_span_context().is_valid
    ):
        # What this message calls in turn begins contexts of its own.
        ambient.awaits_message = False
        return nullcontext(ambient)
    return request_context(carrier)


def outgoing_headers() -> dict[str, str]:
    """``traceparent`` and ``baggage`` of the request being served, for whatever it calls or answers."""
    carrier: dict[str, str] = {}
    span = trace.get_current_span().get_span_context()
    if _propagates_w3c and not span.trace_state and not baggage.get_all():
        # The common case, without asking one propagator after the other.
        if span.is_valid:
            carrier["traceparent"] = f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"
        return carrier
    inject(carrier)
    return carrier


def baggage_value(name: str) -> str:
    """One entry of the caller's baggage, empty if it is not there."""
    value = baggage.get_baggage(name)
    return value if isinstance(value, str) else ""
