"""Operations as REST routes: ``POST /v1/{toolset}/{verb}``, errors as RFC 9457 problem details."""

from collections.abc import Callable, Iterable
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from industriverse.economy.errors import BudgetExceededError
from industriverse.operations.context import Principal
from industriverse.operations.errors import (
    ApprovalUnavailableError,
    InvalidArgumentsError,
    NotAllowedError,
    NotFoundError,
    UnknownOperationError,
)
from industriverse.operations.platform import Platform
from industriverse.operations.policy import invoke
from industriverse.operations.registry import Operation
from industriverse.physics import IndustriverseError

__all__ = ["add_problem_handlers", "operation_router"]

PROBLEM_MEDIA_TYPE = "application/problem+json"

_STATUS_OF: tuple[tuple[type[IndustriverseError], int], ...] = (
    (UnknownOperationError, 404),
    (NotFoundError, 404),
    (InvalidArgumentsError, 422),
    (NotAllowedError, 403),
    (ApprovalUnavailableError, 409),
    (BudgetExceededError, 429),
)


def _problem(status: int, title: str, detail: str, hint: str) -> JSONResponse:
    body = {"type": "about:blank", "status": status, "title": title, "detail": detail, "hint": hint}
    return JSONResponse(body, status_code=status, media_type=PROBLEM_MEDIA_TYPE)


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error that is raised on purpose with a problem document that says what to do."""

    async def on_purpose(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
        assert isinstance(error, IndustriverseError)
        status = next((code for kind, code in _STATUS_OF if isinstance(error, kind)), 400)
        return _problem(status, type(error).__name__, error.message, error.hint)

    async def invalid_body(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:]) or "body"
        return _problem(
            422,
            "InvalidArgumentsError",
            f"{field}: {first['msg']}",
            "see the request schema in /openapi.json",
        )

    async def refused_by_routing(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
        assert isinstance(error, HTTPException)
        return _problem(
            error.status_code, "HTTPException", str(error.detail), "routes are listed in /openapi.json"
        )

    async def unexpected(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
        return _problem(500, "InternalError", "the server failed; its log has the details", "report it")

    app.add_exception_handler(HTTPException, refused_by_routing)
    app.add_exception_handler(Exception, unexpected)
    app.add_exception_handler(IndustriverseError, on_purpose)
    app.add_exception_handler(RequestValidationError, invalid_body)


def _endpoint(
    platform: Platform, declared: Operation, principal: Callable[[], Principal]
) -> Callable[..., Any]:
    async def endpoint(body: BaseModel) -> BaseModel:
        return await invoke(platform, declared.name, body, principal=principal())

    endpoint.__annotations__ = {"body": declared.input_model, "return": declared.output_model}
    endpoint.__name__ = declared.name
    return endpoint


def operation_router(
    platform: Platform, operations: Iterable[Operation], *, principal: Callable[[], Principal]
) -> APIRouter:
    """Routes for operations; the request body is the operation's input model."""
    router = APIRouter(prefix="/v1")
    for declared in operations:
        verb = declared.name.removeprefix(f"{declared.toolset}_")
        router.add_api_route(
            f"/{declared.toolset}/{verb}",
            _endpoint(platform, declared, principal),
            methods=["POST"],
            response_model=declared.output_model,
            summary=declared.title,
            description=declared.summary,
            tags=[declared.toolset],
            operation_id=declared.name,
        )
    return router
