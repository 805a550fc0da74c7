"""Operations as MCP tools, on both eras of the protocol.

No ``from __future__ import annotations`` here: the SDK reads the annotations of the functions made below.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import (
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    ToolAnnotations,
)
from prometheus_client import Counter
from pydantic import BaseModel, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from industriverse.mcp_server.answering import answered
from industriverse.mcp_server.eras import STATELESS
from industriverse.mcp_server.guard import ResponseGuard
from industriverse.mcp_server.icons import icon_of
from industriverse.mcp_server.sampling import asks_for_words, can_be_worded, worded
from industriverse.mcp_server.tasks import current_task
from industriverse.operations.context import ApprovalAnswer, ApprovalRequest, InputNeeded, Principal
from industriverse.operations.errors import ApprovalUnavailableError
from industriverse.operations.platform import Platform
from industriverse.operations.policy import invoke
from industriverse.operations.registry import Operation
from industriverse.physics import IndustriverseError

__all__ = ["APPROVAL_SECONDS", "Approval", "add_operations"]

APPROVAL_SECONDS = 600.0
"""How long a person has for an answer on the handshake-era protocol; then nothing is done."""


_QUESTIONS = Counter("industriverse_approval_questions", "Questions put to a person")
_APPROVALS = Counter("industriverse_approval_answers", "Answers of people to questions", ["action"])


class Approval(BaseModel):
    """The form that a person fills in."""

    approve: bool = Field(description="Do it?")
    reason: str = Field(default="", description="Why, for the record")


def _answer(action: str, content: Any) -> ApprovalAnswer:
    _APPROVALS.labels(action if action in {"accept", "decline", "cancel"} else "other").inc()
    if action != "accept":
        return ApprovalAnswer(approved=False, reason=f"the person chose {action}")
    try:
        form = Approval.model_validate(content)
    except ValidationError:
        return ApprovalAnswer(approved=False, reason="the form came back without an answer")
    return ApprovalAnswer(approved=form.approve, reason=form.reason)


def _approver(context: Context[Any, Any]) -> Callable[[ApprovalRequest], Awaitable[ApprovalAnswer]]:
    """How this client is asked: inside the result on the stateless era, by a request before it."""

    def require_elicitation() -> None:
        capabilities = context.client_capabilities
        if capabilities is None or capabilities.elicitation is None:
            raise ApprovalUnavailableError(
                "a person has to approve this and your client cannot ask one; nothing was done",
                hint="connect with a client that supports elicitation",
            )

    async def by_task(request: ApprovalRequest) -> ApprovalAnswer:
        require_elicitation()
        task = current_task()
        assert task is not None
        question = ElicitRequest(
            params=ElicitRequestFormParams(
                message=request.message, requested_schema=Approval.model_json_schema()
            )
        )
        _QUESTIONS.inc()
        with anyio.move_on_after(APPROVAL_SECONDS):
            given = await task.ask(
                request.key, question.model_dump(by_alias=True, mode="json", exclude_none=True)
            )
            try:
                answer = ElicitResult.model_validate(given)
            except ValidationError:
                return ApprovalAnswer(approved=False, reason="the answer was no answer to the question")
            return _answer(answer.action, answer.content)
        return ApprovalAnswer(approved=False, reason=f"no answer within {APPROVAL_SECONDS:.0f} s")

    def asking(request: ApprovalRequest) -> InputNeeded:
        _QUESTIONS.inc()
        return InputNeeded(request)

    async def by_result(request: ApprovalRequest) -> ApprovalAnswer:
        require_elicitation()
        answer = (context.input_responses or {}).get(request.key)
        # The state is sealed by this server: an answer to a question that it did not ask does not count.
        if isinstance(answer, ElicitResult) and context.request_state == request.resume_token:
            return _answer(answer.action, answer.content)
        raise asking(request)

    async def by_request(request: ApprovalRequest) -> ApprovalAnswer:
        require_elicitation()
        _QUESTIONS.inc()
        with anyio.move_on_after(APPROVAL_SECONDS):
            result = await context.elicit(request.message, Approval)
            return _answer(result.action, result.data.model_dump() if result.action == "accept" else None)
        return ApprovalAnswer(approved=False, reason=f"no answer within {APPROVAL_SECONDS:.0f} s")

    if current_task() is not None:
        return by_task
    return by_result if context.protocol_version == STATELESS else by_request


def _question(needed: InputNeeded) -> InputRequiredResult:
    parameters = ElicitRequestFormParams(
        message=needed.request.message, requested_schema=Approval.model_json_schema()
    )
    return InputRequiredResult(
        request_state=needed.request.resume_token,
        input_requests={needed.request.key: ElicitRequest(params=parameters)},
    )


def _parameter(name: str, declared: FieldInfo) -> inspect.Parameter:
    default = inspect.Parameter.empty
    if declared.default is not PydanticUndefined or declared.default_factory is not None:
        default = declared.get_default(call_default_factory=True, validated_data={})
    annotation = Annotated[declared.rebuild_annotation(), Field(description=declared.description)]  # type: ignore[valid-type]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _named_thread(declared: Operation, arguments: dict[str, Any]) -> dict[str, Any]:
    """A task that starts a run knows its name beforehand, so that it finds the run again after a crash."""
    task = current_task()
    if (
        task is not None
        and "thread_id" in declared.input_model.model_fields
        and not arguments.get("thread_id")
    ):
        return {**arguments, "thread_id": f"task-{task.record.id[:16]}"}
    return arguments


def _tool_function(
    platform: Platform, declared: Operation, principal: Callable[[], Principal], guard: ResponseGuard
) -> Callable[..., Any]:
    """A function whose signature is the operation's input model, as the SDK wants it."""

    async def tool(ctx: Context[Any, Any], **arguments: Any) -> CallToolResult | InputRequiredResult:
        async def progress(done: float, total: float | None, message: str) -> None:
            task = current_task()
            if task is not None:
                task.say(message)
            await ctx.report_progress(done, total, message)

        caller = principal()
        try:
            result = await invoke(
                platform,
                declared.name,
                _named_thread(declared, arguments),
                principal=caller,
                progress=progress,
                approve=_approver(ctx),
                resume_token=ctx.request_state,
            )
        except InputNeeded as needed:
            return _question(needed)
        except IndustriverseError as error:
            raise ToolError(str(error)) from error
        if can_be_worded(declared) and asks_for_words(arguments):
            result = await worded(result, ctx)
            if isinstance(result, InputRequiredResult):
                return result
        return answered(declared.name, result, guard, caller).model()

    parameters = [_parameter(name, field) for name, field in declared.input_model.model_fields.items()]
    context_parameter = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=Context)
    returns: Any = Annotated[CallToolResult, declared.output_model]
    if declared.asks or can_be_worded(declared):
        returns = returns | InputRequiredResult
    tool.__signature__ = inspect.Signature([context_parameter, *parameters], return_annotation=returns)  # type: ignore[attr-defined]
    tool.__annotations__ = {"ctx": Context, "return": returns} | {p.name: p.annotation for p in parameters}
    tool.__name__ = declared.name
    return tool


def add_operations(
    server: MCPServer[Any],
    platform: Platform,
    operations: Iterable[Operation],
    *,
    principal: Callable[[], Principal],
    guard: ResponseGuard | None = None,
) -> None:
    """Register operations as tools.

    Args:
        server: The server to extend.
        platform: Stores and services that the operations use.
        operations: The surface to show.
        principal: Returns the caller of the request being served.
        guard: Cuts results that are too long; one of its own if not given.
    """
    guard = guard or ResponseGuard()
    for declared in operations:
        server.add_tool(
            _tool_function(platform, declared, principal, guard),
            name=declared.name,
            title=declared.title,
            description=declared.summary,
            annotations=ToolAnnotations(
                read_only_hint=declared.read_only,
                destructive_hint=declared.destructive,
                idempotent_hint=declared.idempotent,
                open_world_hint=False,
            ),
            icons=[icon_of(declared.toolset)],
        )
        _refuse_unknown_arguments(server, declared.name)


def _refuse_unknown_arguments(server: MCPServer[Any], name: str) -> None:
    """Make a misspelt argument an error; the SDK (mcp 2.3) drops it and has no public switch for that."""
    tool = server._tool_manager.get_tool(name)
    assert tool is not None
    arguments = tool.fn_metadata.arg_model
    arguments.model_config["extra"] = "forbid"
    arguments.model_rebuild(force=True)
    tool.parameters["additionalProperties"] = False
