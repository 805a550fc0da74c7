"""Spans to an OpenTelemetry collector, where the SDK is installed and an endpoint is named."""

import os

__all__ = ["export_traces"]

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def export_traces() -> bool:
    """Begin to export spans over OTLP if ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set; returns whether it did.

    The SDK and the exporter come with the extra ``observability``; without them the ids of traces still travel.
    """
    if not os.environ.get(ENDPOINT):
        return False
    from importlib.util import find_spec

    if find_spec("opentelemetry.sdk") is None or find_spec("opentelemetry.exporter") is None:
        return False
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "industriverse"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return True
