"""The Tasks extension (``io.modelcontextprotocol/tasks``): long calls that a client starts, leaves and comes back to.

A call of a tool that may take long is answered at once if it ends within a moment; else the client gets a task.
Tasks belong to the principal that asked for them and are on disk before the client hears of them. A process that
dies leaves its tasks as they were: when the owner asks next, the call is made again, which goes on where it was cut
off, because only operations that can do so are offered as tasks.
"""

import asyncio
import contextvars
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.shared.exceptions import MCPError
from mcp.types import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CallToolRequestParams,
    RequestParams,
)
from prometheus_client import Counter, Gauge
from pydantic import ConfigDict, Field

from industriverse.mcp_server.callers import CurrentCaller
from industriverse.mcp_server.task_store import TaskRecord, TaskStatus, TaskStore
from industriverse.operations.registry import Operation

__all__ = ["TASKS", "RunningTask", "Tasks", "current_task", "may_become_a_task"]

TASKS = "io.modelcontextprotocol/tasks"
MOMENT_S = 0.1
"""A call that ends within this needs no task."""
POLL_MS = 500
KEPT_MS = 24 * 3_600_000
OWNER_QUOTA = 16
TOTAL_QUOTA = 512

logger = logging.getLogger(__name__)

CallAgain = Callable[[str, dict[str, Any], ServerRequestContext[Any, Any]], Awaitable[HandlerResult]]

_CREATED = Counter("industriverse_tasks_created", "Tasks that clients were given", ["tool"])
_ENDED_TASKS = Counter("industriverse_tasks_ended", "Tasks that ended", ["status"])
_RESUMED = Counter("industriverse_tasks_resumed", "Tasks taken up again after a restart")
_REFUSED = Counter("industriverse_tasks_refused", "Tasks refused because of a quota")
_JOBS = Gauge("industriverse_tasks_running", "Tasks that this process works on")

_current: contextvars.ContextVar["RunningTask | None"] = contextvars.ContextVar("task", default=None)


def current_task() -> "RunningTask | None":
    """The task that the code which asks is working for, None if it works for no task."""
    return _current.get()


class GetTask(RequestParams):
    """Parameters that name a task."""

    model_config = ConfigDict(populate_by_name=True)

    task_id: str = Field(alias="taskId", max_length=200)


class UpdateTask(GetTask):
    """Answers to what a task asked."""

    input_responses: dict[str, Any] = Field(default_factory=dict, alias="inputResponses")


@dataclass(slots=True)
class RunningTask:
    """A task while this process works on it.

    Attributes:
        record: How it stands.
        save: Has it written by the thread that writes tasks; the future is done when it is on disk.
        written: Of the latest change, None before the first.
    """

    record: TaskRecord
    save: Callable[[TaskRecord], "Future[None]"]
    questions: dict[str, tuple[dict[str, Any], "asyncio.Future[Any]"]] = field(default_factory=dict)
    job: "asyncio.Task[HandlerResult] | None" = None
    announced: bool = False
    written: "Future[None] | None" = None

    def become(self, status: TaskStatus, message: str | None = None, **ends: Any) -> None:
        """Change the status, unless it has ended."""
        if self.record.ended:
            return
        told = self.record.message if message is None else message
        self.record = replace(self.record, status=status, message=told, updated_ns=time.time_ns(), **ends)
        if self.announced:
            self.keep()

    def keep(self) -> None:
        """Have it written as it stands."""
        self.written = self.save(self.record)

    async def settled(self) -> None:
        """Wait until the latest change is on disk: nobody hears of what a crash could take back."""
        if self.written is not None:
            await asyncio.wrap_future(self.written)

    def say(self, message: str) -> None:
        """Tell how far it is; only in memory, so that frequent progress costs nothing."""
        if not self.record.ended:
            self.record = replace(self.record, message=message[:300], updated_ns=time.time_ns())

    async def ask(self, key: str, request: dict[str, Any]) -> Any:
        """Wait for the client's answer to a question, given by ``tasks/update``."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.questions[key] = (request, answer)
        self.become("input_required")
        try:
            return await answer
        finally:
            self.questions.pop(key, None)
            if not self.questions:
                self.become("working")


def _moment(nanoseconds: int) -> str:
    moment = datetime.fromtimestamp(nanoseconds / 1e9, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _wire(task: RunningTask | TaskRecord, *, whole: bool) -> dict[str, Any]:
    record = task if isinstance(task, TaskRecord) else task.record
    shown: dict[str, Any] = {
        "taskId": record.id,
        "status": record.status,
        "createdAt": _moment(record.created_ns),
        "lastUpdatedAt": _moment(record.updated_ns),
        "ttlMs": record.ttl_ms,
        "pollIntervalMs": POLL_MS,
    }
    if record.message:
        shown["statusMessage"] = record.message
    if not whole:
        return shown
    if record.status == "completed":
        shown["result"] = record.result
    elif record.status == "failed":
        shown["error"] = record.error
    elif record.status == "input_required" and isinstance(task, RunningTask):
        shown["inputRequests"] = {
            key: request for key, (request, answer) in task.questions.items() if not answer.done()
        }
    return shown


class Tasks(Extension):
    """Serves the extension over one server.

    Args:
        support: Tools that may become tasks; ``required`` ones are refused to clients without the extension.
        store: Where tasks are kept.
        caller: Returns the caller of the request being served.
    """

    identifier = TASKS

    def __init__(
        self,
        support: dict[str, Literal["optional", "required"]],
        store: TaskStore,
        caller: CurrentCaller,
    ) -> None:
        self.support = support
        self._store = store
        self._caller = caller
        self._call: CallAgain | None = None
        self._running: dict[str, RunningTask] = {}
        # One thread: what was written first is read by whoever asks later, and the loop waits for no disk.
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="industriverse-tasks")

    def _save(self, record: TaskRecord) -> "Future[None]":
        written = self._disk.submit(self._store.save, record)
        written.add_done_callback(_complain)
        return written

    def calls_again(self, call: CallAgain) -> None:
        """Say how a call is made again that a process which died had begun."""
        self._call = call

    def methods(self) -> Sequence[MethodBinding]:
        """The requests of the extension."""
        return (
            MethodBinding("tasks/get", GetTask, self._get),
            MethodBinding("tasks/update", UpdateTask, self._update),
            MethodBinding("tasks/cancel", GetTask, self._cancel),
        )

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Turn a call that takes longer than a moment into a task, where the client knows what that is."""
        mode = self.support.get(params.name)
        if mode is None:
            return await call_next(ctx)
        if not _declared(ctx):
            if mode == "required":
                _require(ctx)
            return await call_next(ctx)
        task = self._begin(params.name, dict(params.arguments or {}))
        self._start(task, lambda: call_next(ctx))
        job = task.job
        assert job is not None
        await asyncio.wait({job}, timeout=MOMENT_S)
        if job.done():
            self._running.pop(task.record.id, None)
            return job.result()
        await self._announce(task)
        return {"resultType": "task", **_wire(task, whole=False)}

    def _begin(self, tool: str, arguments: dict[str, Any]) -> RunningTask:
        owner = self._caller().identity
        self._disk.submit(self._store.forget, time.time_ns()).add_done_callback(_complain)
        mine = sum(1 for task in self._running.values() if task.record.owner == owner)
        if mine >= OWNER_QUOTA or len(self._running) >= TOTAL_QUOTA:
            _REFUSED.inc()
            raise MCPError(
                code=INTERNAL_ERROR,
                message=f"{mine} of your tasks are not finished; wait for one or cancel it",
                data={"quota": OWNER_QUOTA},
            )
        now_ns = time.time_ns()
        record = TaskRecord(
            secrets.token_urlsafe(24), owner, tool, arguments, "working", "", now_ns, now_ns, KEPT_MS
        )
        return RunningTask(record, self._save)

    async def _announce(self, task: RunningTask) -> None:
        """On disk before the client hears of it."""
        task.announced = True
        task.keep()
        _CREATED.labels(task.record.tool).inc()
        await task.settled()

    def _start(self, task: RunningTask, call: Callable[[], Any]) -> None:
        async def work() -> HandlerResult:
            _current.set(task)
            result: HandlerResult = await call()
            return result

        self._running[task.record.id] = task
        _JOBS.set(len(self._running))
        task.job = asyncio.create_task(work())
        task.job.add_done_callback(lambda _: self._settle(task) if task.announced else None)

    def _settle(self, task: RunningTask) -> None:
        """Write down how the work ended; the task of a server that stops stays as it was."""
        if self._running.pop(task.record.id, None) is None:
            return
        _JOBS.set(len(self._running))
        job = task.job
        if job is None or (job.cancelled() and task.record.status != "cancelled"):
            return
        if not job.cancelled():
            _end(task, job)
        _ENDED_TASKS.labels(task.record.status).inc()

    async def _find(self, ctx: ServerRequestContext[Any, Any], task_id: str) -> RunningTask | TaskRecord:
        _require(ctx)
        headers = getattr(ctx.request, "headers", None)
        if headers is not None and headers.get("mcp-name") != task_id:
            raise MCPError(code=HEADER_MISMATCH, message="the Mcp-Name header is not params.taskId")
        owner = self._caller().identity
        running = self._running_of(task_id, owner)
        if running is not None:
            await running.settled()
            return running
        loop = asyncio.get_running_loop()
        record = await loop.run_in_executor(self._disk, self._store.find, task_id, owner, time.time_ns())
        # Whoever asked at the same time may have taken it up meanwhile.
        running = self._running_of(task_id, owner)
        if running is not None:
            return running
        if record is None:
            raise MCPError(
                code=INVALID_PARAMS, message="there is no such task", data={"taskId": task_id[:200]}
            )
        return record if record.ended or self._call is None else self._take_up(record, ctx)

    def _running_of(self, task_id: str, owner: str) -> RunningTask | None:
        running = self._running.get(task_id)
        return running if running is not None and running.record.owner == owner else None

    def _take_up(self, record: TaskRecord, ctx: ServerRequestContext[Any, Any]) -> RunningTask:
        """Go on with a task that another process left, as the owner who asks for it now."""
        assert self._call is not None
        call = self._call
        task = RunningTask(replace(record, status="working"), self._save, announced=True)
        self._start(task, lambda: call(record.tool, record.arguments, ctx))
        _RESUMED.inc()
        return task

    async def _get(self, ctx: ServerRequestContext[Any, Any], params: GetTask) -> HandlerResult:
        return {"resultType": "complete", **_wire(await self._find(ctx, params.task_id), whole=True)}

    async def _update(self, ctx: ServerRequestContext[Any, Any], params: UpdateTask) -> HandlerResult:
        task = await self._find(ctx, params.task_id)
        if isinstance(task, RunningTask):
            for key, response in params.input_responses.items():
                if key in task.questions and not task.questions[key][1].done():
                    task.questions[key][1].set_result(response)
            await asyncio.sleep(0)
        return {"resultType": "complete"}

    async def _cancel(self, ctx: ServerRequestContext[Any, Any], params: GetTask) -> HandlerResult:
        task = await self._find(ctx, params.task_id)
        if isinstance(task, RunningTask) and task.job is not None and not task.job.done():
            task.become("cancelled", "cancelled by its owner")
            task.job.cancel()
            await task.settled()
        return {"resultType": "complete"}

    async def park(self) -> None:
        """Stop working; tasks stay on disk as they are and go on when their owners ask next."""
        jobs = [task.job for task in self._running.values() if task.job is not None]
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        # Whatever was on its way to the disk is there before the process ends.
        await asyncio.get_running_loop().run_in_executor(self._disk, _nothing)


def _nothing() -> None:
    """Comes after all that was written before it."""


def _complain(written: "Future[None]") -> None:
    """Say in the log that a task could not be written; whoever waits for it hears of it, too."""
    if not written.cancelled() and (why := written.exception()) is not None:
        logger.error("a task could not be written: %s", why)


def _end(task: RunningTask, job: "asyncio.Task[HandlerResult]") -> None:
    failure = job.exception()
    if failure is None:
        result = job.result()
        document: dict[str, Any] = (
            dict(result)
            if isinstance(result, dict)
            else {}
            if result is None
            else result.model_dump(by_alias=True, mode="json", exclude_none=True)
        )
        document.pop("resultType", None)
        task.become("completed", result=document)
        return
    if isinstance(failure, MCPError):
        code, message = failure.error.code, failure.error.message
    else:
        code, message = INTERNAL_ERROR, "the server failed; its log has the details"
    task.become("failed", message, error={"code": code, "message": message})


def _declared(ctx: ServerRequestContext[Any, Any]) -> bool:
    capabilities = ctx.session.client_capabilities
    return bool(capabilities and capabilities.extensions and TASKS in capabilities.extensions)


def may_become_a_task(declared: Operation, ctx: ServerRequestContext[Any, Any]) -> bool:
    """Whether a call of an operation by this client can be answered with a task."""
    return declared.task and _declared(ctx)


def _require(ctx: ServerRequestContext[Any, Any]) -> None:
    if not _declared(ctx):
        raise MCPError(
            code=MISSING_REQUIRED_CLIENT_CAPABILITY,
            message=f"this needs a client that declares {TASKS}",
            data={"requiredCapabilities": {"extensions": {TASKS: {}}}},
        )
