"""Whether the server lives, is ready for work, and what it counts."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from industriverse.mcp_server.shutdown import Shutdown
from industriverse.mcp_server.state_metrics import refresh_state
from industriverse.operations.platform import Platform
from industriverse.operations.services import Services

__all__ = ["health_router"]


def _stores_answer(services: Services) -> dict[str, bool]:
    services.streams.store.names()
    services.shield.incidents(open_only=True)
    return {"streams": True, "shield": True}


def health_router(platform: Platform, shutdown: Shutdown) -> APIRouter:
    """``/healthz``, ``/readyz`` and ``/metrics``."""
    router = APIRouter(tags=["operations"])

    @router.get("/healthz", operation_id="healthz", summary="Whether the process lives")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz", operation_id="readyz", summary="Whether it takes work", responses={503: {}})
    async def readyz() -> JSONResponse:
        if shutdown.begun:
            return JSONResponse({"status": "stopping"}, status_code=503)
        return JSONResponse({"status": "ready", **await platform.run(_stores_answer, platform.services)})

    @router.get(
        "/metrics",
        operation_id="metrics",
        summary="Metrics for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics() -> Response:
        await refresh_state(platform)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
