"""Operations as REST routes: ``POST /v1/{toolset}/{verb}``, and ``GET`` for reads; errors as RFC 9457 problems."""

import asyncio
import hashlib
import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from industriverse.economy.errors import BudgetExceededError
from industriverse.mcp_server.callers import CurrentCaller
from industriverse.mcp_server.idempotency import IdempotencyKeys, RequestGoingOnError
from industriverse.mcp_server.problems import PROBLEM_MEDIA_TYPE, problem_document
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

__all__ = ["Problem", "add_operation_routes", "add_problem_handlers", "describe_problems", "readable_by_get"]

_STATUS_OF: tuple[tuple[type[IndustriverseError], int], ...] = (
    (UnknownOperationError, 404),
    (NotFoundError, 404),
    (InvalidArgumentsError, 422),
    (NotAllowedError, 403),
    (ApprovalUnavailableError, 409),
    (RequestGoingOnError, 409),
    (BudgetExceededError, 429),
)


class Problem(BaseModel):
    """An error: what went wrong and what to do about it (RFC 9457)."""

    type: str = Field(description="about:blank: the title says it all")
    status: int
    title: str = Field(description="Kind of the error")
    detail: str = Field(description="What was wrong, naming the field and the value")
    hint: str = Field(description="What to do next")


_PROBLEM_CONTENT: dict[str, Any] = {
    PROBLEM_MEDIA_TYPE: {
        "schema": {"$ref": "#/components/schemas/Problem"},
        "example": {
            "type": "about:blank",
            "status": 404,
            "title": "NotFoundError",
            "detail": "no stream 'water'",
            "hint": "streams are: practice",
        },
    }
}


def _responses() -> dict[int | str, dict[str, Any]]:
    told = {
        400: "The operation refused, and says why",
        401: "No good bearer token",
        403: "The scope is missing, or the platform is read-only",
        404: "What the arguments name does not exist",
        408: "The body came too slowly",
        409: "A person has to approve over MCP, or a request with this key is going on",
        413: "The body is too large",
        422: "An argument does not fit",
        429: "The energy budget is used up",
    }
    return {code: {"description": text, "content": _PROBLEM_CONTENT} for code, text in told.items()}


def describe_problems(app: FastAPI) -> None:
    """Put the schema of problems into the OpenAPI document, which routes point at but do not return as a model."""
    describe = app.openapi

    def described() -> dict[str, Any]:
        document = describe()
        document["components"]["schemas"].setdefault("Problem", Problem.model_json_schema())
        return document

    app.openapi = described  # type: ignore[method-assign]


def _problem(status: int, title: str, detail: str, hint: str, **headers: str) -> JSONResponse:
    body = problem_document(status, title, detail, hint)
    return JSONResponse(body, status_code=status, media_type=PROBLEM_MEDIA_TYPE, headers=headers or None)


def _retry_after(error: BudgetExceededError, now_ns: int) -> dict[str, str]:
    ready_ns = getattr(error, "ready_ns", None)
    if not isinstance(ready_ns, int):
        return {}
    return {"retry-after": str(max(1, -(-(ready_ns - now_ns) // 10**9)))}


def add_problem_handlers(app: FastAPI, clock: Callable[[], int]) -> None:
    """Answer every error that is raised on purpose with a problem document that says what to do."""

    async def on_purpose(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
        assert isinstance(error, IndustriverseError)
        status = next((code for kind, code in _STATUS_OF if isinstance(error, kind)), 400)
        headers = _retry_after(error, clock()) if isinstance(error, BudgetExceededError) else {}
        return _problem(status, type(error).__name__, error.message, error.hint, **headers)

    async def invalid_body(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        if first["loc"] == ("body",) or first["type"] == "json_invalid":
            hint = "send a JSON object, {} if there is nothing to say, with Content-Type: application/json"
            return _problem(422, "InvalidArgumentsError", "body: is no JSON object", hint)
        field = ".".join(str(part)[:60] for part in first["loc"][1:]) or "body"
        return _problem(
            422,
            "InvalidArgumentsError",
            f"{field}: {first['msg']}",
            "see the request schema in /openapi.json",
        )

    async def refused_by_routing(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
        assert isinstance(error, HTTPException)
        return _problem(
            error.status_code,
            "HTTPException",
            str(error.detail),
            "routes are listed in /openapi.json",
            **dict(error.headers or {}),
        )

    async def unexpected(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
        return _problem(500, "InternalError", "the server failed; its log has the details", "report it")

    app.add_exception_handler(HTTPException, refused_by_routing)
    app.add_exception_handler(Exception, unexpected)
    app.add_exception_handler(IndustriverseError, on_purpose)
    app.add_exception_handler(RequestValidationError, invalid_body)


def _is_plain(annotation: Any) -> bool:
    if get_origin(annotation) is Literal:
        return True
    if get_origin(annotation) in {Union, type(int | None)}:
        return all(part is type(None) or _is_plain(part) for part in get_args(annotation))
    return annotation in {str, int, float, bool}


def readable_by_get(declared: Operation) -> bool:
    """Whether an operation changes nothing and its arguments fit into a query."""
    fields = declared.input_model.model_fields.values()
    return declared.read_only and all(_is_plain(field.annotation) for field in fields)


def _etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _matches(given: str, etag: str) -> bool:
    return given.strip() == "*" or etag in {part.strip().removeprefix("W/") for part in given.split(",")}


def _json(body: bytes, **headers: str) -> Response:
    return Response(body, media_type="application/json", headers=headers)


def _reader(platform: Platform, declared: Operation, caller: CurrentCaller) -> Callable[..., Any]:
    """``GET``: an ETag, nothing but 304 to who has it, and a link to the next page."""

    async def read(request: Request, arguments: BaseModel) -> Response:
        result = await invoke(platform, declared.name, arguments, principal=caller())
        body = result.model_dump_json().encode()
        etag = _etag(body)
        headers = {"etag": etag, "cache-control": "private, no-cache"}
        if _matches(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=headers)
        cursor = getattr(result, "next_cursor", "")
        if cursor:
            asked = {**dict(request.query_params), "cursor": cursor}
            headers["link"] = f'<{request.url.path}?{urlencode(asked)}>; rel="next"'
        return _json(body, **headers)

    read.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=Request),
            inspect.Parameter(
                "arguments",
                inspect.Parameter.KEYWORD_ONLY,
                annotation=Annotated[declared.input_model, Query()],
            ),
        ]
    )
    read.__name__ = f"get_{declared.name}"
    return read


def _caller_of(
    platform: Platform, declared: Operation, caller: CurrentCaller, keys: IdempotencyKeys
) -> Callable[..., Any]:
    """``POST``: an Idempotency-Key makes sure that what changes something is done once."""

    async def call(request: Request, body: BaseModel) -> Response:
        principal = caller()
        key = request.headers.get("idempotency-key")
        if key is None or declared.read_only:
            result = await invoke(platform, declared.name, body, principal=principal)
            return _json(result.model_dump_json().encode())
        owner = principal.identity
        stored = await asyncio.to_thread(
            keys.begin,
            owner,
            key,
            declared.name,
            await request.body(),
            now_ns=platform.clock(),
            repeatable=declared.idempotent,
        )
        if stored is not None:
            return _json(stored.body, **{"idempotency-replayed": "true"})
        try:
            result = await invoke(platform, declared.name, body, principal=principal)
        except BaseException:
            await asyncio.to_thread(keys.give_up, owner, key)
            raise
        answer = result.model_dump_json().encode()
        await asyncio.to_thread(keys.finish, owner, key, answer)
        return _json(answer)

    call.__annotations__ = {"request": Request, "body": declared.input_model, "return": Response}
    call.__name__ = declared.name
    return call


_KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Any text that is new for each request; the same key again gives the same answer for a day",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}


def _examples(declared: Operation) -> dict[str, Any]:
    examples = {
        f"example{number}": {"summary": example.question, "value": example.arguments}
        for number, example in enumerate(declared.examples, start=1)
    }
    extra: dict[str, Any] = {} if declared.read_only else {"parameters": [_KEY_PARAMETER]}
    if examples:
        extra["requestBody"] = {"content": {"application/json": {"examples": examples}}}
    return extra


class _PlainRoute(APIRoute):
    """A route without parameters in its path: most requests are told apart from it without a pattern."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if not scope["path"].endswith(self.path):
            return Match.NONE, {}
        return super().matches(scope)


def add_operation_routes(
    router: APIRouter,
    platform: Platform,
    operations: Iterable[Operation],
    *,
    principal: CurrentCaller,
    keys: IdempotencyKeys,
) -> None:
    """Routes for operations; the request body is the operation's input model.

    They are added to the application's own router: one router within another is searched twice.
    """
    for declared in operations:
        verb = declared.name.removeprefix(f"{declared.toolset}_")
        path = f"/v1/{declared.toolset}/{verb}"
        told: dict[str, Any] = {
            "response_model": declared.output_model,
            "summary": declared.title,
            "description": declared.summary,
            "tags": [declared.toolset],
            "responses": _responses(),
            "route_class_override": _PlainRoute,
        }
        router.add_api_route(
            path,
            _caller_of(platform, declared, principal, keys),
            methods=["POST"],
            operation_id=declared.name,
            openapi_extra=_examples(declared) or None,
            **told,
        )
        if readable_by_get(declared):
            router.add_api_route(
                path,
                _reader(platform, declared, principal),
                methods=["GET"],
                operation_id=f"get_{declared.name}",
                **told,
            )
