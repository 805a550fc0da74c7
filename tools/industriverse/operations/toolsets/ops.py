"""The ops toolset: who did what on this installation."""

from pydantic import BaseModel, Field

from industriverse.operations.auditing import AuditRecord
from industriverse.operations.context import OperationContext
from industriverse.operations.errors import InvalidArgumentsError
from industriverse.operations.examples import ops as examples
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.times import parse_time, time_text

__all__ = ["AuditItem", "AuditSearchInput", "AuditSearchOutput", "audit_search"]


class AuditSearchInput(OperationInput):
    """Which calls to look for."""

    principal: str | None = Field(default=None, max_length=200, description="Only calls of this caller")
    operation: str | None = Field(default=None, max_length=80, description="Only calls of this verb")
    outcome: str | None = Field(
        default=None,
        max_length=20,
        description="Only this outcome: began, done, refused, asked, cancelled, crashed",
    )
    trace_id: str | None = Field(default=None, max_length=32, description="Only calls of this W3C trace")
    start: str | None = Field(default=None, description="From this ISO 8601 time")
    stop: str | None = Field(default=None, description="Before this ISO 8601 time")
    limit: int = Field(default=50, ge=1, le=500, description="Entries per page")
    cursor: str = Field(default="", max_length=20, description="next_cursor of the page before")


class AuditItem(BaseModel):
    """One call, or the beginning of one that changes something."""

    sequence: int
    time: str
    principal: str
    operation: str
    arguments_sha256: str
    outcome: str
    reason: str
    ceu: float
    trace_id: str
    hash: str


class AuditSearchOutput(BaseModel):
    """A page of calls, newest first."""

    items: list[AuditItem]
    next_cursor: str

    def __str__(self) -> str:
        lines = [
            f"{item.time} {item.principal} {item.operation}: {item.outcome} {item.reason}".rstrip()
            for item in self.items
        ]
        if self.next_cursor:
            lines.append(f"more: call again with cursor={self.next_cursor}")
        return "\n".join(lines) or "no calls"


def _item(record: AuditRecord) -> AuditItem:
    entry = record.entry
    return AuditItem(
        sequence=record.sequence,
        time=time_text(entry.time_ns),
        principal=entry.principal,
        operation=entry.operation,
        arguments_sha256=entry.arguments_sha256,
        outcome=entry.outcome,
        reason=entry.reason,
        ceu=entry.micro_ceu / 1e6,
        trace_id=entry.trace_id,
        hash=record.hash,
    )


def _cursor(text: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise InvalidArgumentsError(
            f"cursor: {text!r} is not one of this search", hint="begin without a cursor"
        )
    # SQLite holds 64 bits; no log is that long.
    return min(int(text), 2**62)


@operation(
    "audit_search",
    toolset="ops",
    scope="audit",
    title="Search the audit log",
    read_only=True,
    examples=examples.AUDIT,
)
async def audit_search(request: AuditSearchInput, context: OperationContext) -> AuditSearchOutput:
    """Find who called what, when, with what outcome and cost, newest first; arguments are kept only as a hash.

    Raises:
        InvalidArgumentsError: If a time or the cursor cannot be read.
    """
    audit = context.platform.audit
    page = await context.platform.run(
        audit.search,
        principal=request.principal,
        operation=request.operation,
        outcome=request.outcome,
        trace_id=request.trace_id,
        start_ns=None if request.start is None else parse_time(request.start, "start"),
        stop_ns=None if request.stop is None else parse_time(request.stop, "stop"),
        before=_cursor(request.cursor),
        limit=request.limit,
    )
    return AuditSearchOutput(
        items=[_item(record) for record in page.records],
        next_cursor=str(page.next_before) if page.next_before else "",
    )
