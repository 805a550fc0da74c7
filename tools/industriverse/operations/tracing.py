"""One id through everything that a request touches, and what the request cost in energy.

The trace context is OpenTelemetry's own (W3C Trace Context and Baggage), so that spans of libraries and of an
exporter, where one is installed, join the same trace. Without an SDK only the ids travel.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from opentelemetry import baggage, trace
from opentelemetry.context import attach, detach, get_current
from opentelemetry.propagate import extract, inject
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

__all__ = [
    "EnergyContext",
    "baggage_value",
    "current_energy",
    "current_trace_id",
    "outgoing_headers",
    "request_context",
]

PROPAGATED = frozenset({"traceparent", "tracestate", "baggage"})
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
    """

    cost_micro_ceu: int = 0
    budget_left_micro_ceu: int | None = None
    regime: str = ""
    proof_id: str = ""

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


_energy: ContextVar[EnergyContext | None] = ContextVar("industriverse_energy", default=None)


def current_energy() -> EnergyContext:
    """The energy context of the request being served; one that nobody reads outside of a request."""
    return _energy.get() or EnergyContext()


def current_trace_id() -> str:
    """The W3C trace id of the request being served, 32 hexadecimal digits; empty outside of a request."""
    span = trace.get_current_span().get_span_context()
    return format(span.trace_id, "032x") if span.trace_id else ""


def _fresh_span() -> NonRecordingSpan:
    return NonRecordingSpan(
        SpanContext(
            trace_id=secrets.randbits(128) | 1,
            span_id=secrets.randbits(64) | 1,
            is_remote=False,
            trace_flags=TraceFlags(TraceFlags.SAMPLED),
        )
    )


@contextmanager
def request_context(carrier: Mapping[str, str] | None = None) -> Iterator[EnergyContext]:
    """Serve one request: go on with the caller's trace, or begin one; yields the request's energy context.

    Args:
        carrier: Fields of the request by lower-case name; ``traceparent``, ``tracestate`` and ``baggage`` are
            read, malformed ones are ignored as W3C asks.
    """
    given = {
        name: value
        for name, value in (carrier or {}).items()
        if name in PROPAGATED and len(value) <= _BAGGAGE_LIMIT
    }
    context = extract(given) if given else get_current()
    caller = trace.get_current_span(context).get_span_context()
    ambient = trace.get_current_span().get_span_context()
    if ambient.is_valid and caller.trace_id in {0, ambient.trace_id}:
        # A span that a library opened for this very request is the nearer parent.
        context = trace.set_span_in_context(trace.get_current_span(), context)
    elif not caller.is_valid:
        context = trace.set_span_in_context(_fresh_span(), context)
    token = attach(context)
    energy = EnergyContext()
    energy_token = _energy.set(energy)
    try:
        yield energy
    finally:
        _energy.reset(energy_token)
        detach(token)


def outgoing_headers() -> dict[str, str]:
    """``traceparent`` and ``baggage`` of the request being served, for whatever it calls or answers."""
    carrier: dict[str, str] = {}
    inject(carrier)
    return carrier


def baggage_value(name: str) -> str:
    """One entry of the caller's baggage, empty if it is not there."""
    value = baggage.get_baggage(name)
    return value if isinstance(value, str) else ""
