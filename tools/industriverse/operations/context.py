"""Who calls an operation, and how the operation talks back while it runs."""

import json
import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from industriverse.operations.errors import ApprovalUnavailableError

if TYPE_CHECKING:
    from industriverse.operations.platform import Platform

__all__ = [
    "LOCAL_OPERATOR",
    "OAUTH_PREFIX",
    "OWNERS",
    "ApprovalAnswer",
    "ApprovalRequest",
    "InputNeeded",
    "OperationContext",
    "Principal",
    "is_reserved",
]


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of an operation.

    Attributes:
        name: Shown in the audit log and as the approver of plans.
        scopes: Scopes that the caller holds; ``"*"`` stands for all.
        tenant: Whose stores the caller works on; empty for the installation's own.
    """

    name: str
    scopes: frozenset[str] = frozenset()
    tenant: str = ""

    def holds(self, scope: str) -> bool:
        """Whether this principal may use operations of a scope."""
        return "*" in self.scopes or scope in self.scopes

    @property
    def identity(self) -> str:
        """Name and tenant as one text that no other principal has; what things are owned by."""
        return json.dumps([self.tenant, self.name])


LOCAL_OPERATOR = Principal("local-operator", frozenset({"*"}))
"""Whoever started a process on this machine; used only on stdio and on the loopback interface."""

OWNERS = (LOCAL_OPERATOR.name, "response-graph")
"""Those who act for whoever owns the machine. They are known by name, so no token may bear one of these."""


OAUTH_PREFIX = "oauth:"
"""Callers that an authorization server vouches for bear it before their subject, so that no static token of the
same name is taken for them."""


def is_reserved(name: str) -> bool:
    """Whether a name is one of :data:`OWNERS` or begins with :data:`OAUTH_PREFIX`, or reads as if."""
    plain = unicodedata.normalize("NFKC", name).strip().casefold()
    return plain in OWNERS or plain.startswith(OAUTH_PREFIX)


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """A yes-or-no question to a person.

    Attributes:
        key: Identifies the question when an interrupted call is repeated.
        message: The question, complete enough to decide on.
        resume_token: Opaque text given back as ``OperationContext.resume_token`` when the call is repeated.
    """

    key: str
    message: str
    resume_token: str


@dataclass(frozen=True, slots=True)
class ApprovalAnswer:
    """What the person said, and who it was."""

    approved: bool
    reason: str = ""


class InputNeeded(Exception):  # noqa: N818  (control flow, not an error: the caller is to ask and call again)
    """Raised through an operation whose channel asks by returning, not by waiting."""

    def __init__(self, request: ApprovalRequest) -> None:
        super().__init__(request.message)
        self.request = request


async def _no_progress(done: float, total: float | None, message: str) -> None:
    """Progress goes nowhere when nobody listens."""


async def _cannot_ask(request: ApprovalRequest) -> ApprovalAnswer:
    raise ApprovalUnavailableError(
        f"a person has to approve: {request.message.splitlines()[0]}",
        hint="call this operation from an MCP client that supports elicitation",
    )


@dataclass(frozen=True, slots=True)
class OperationContext:
    """Everything that an operation gets beside its input.

    Attributes:
        platform: The stores and services.
        principal: The caller.
        progress: Reports ``(done, total, message)``.
        approve: Asks a person; code before it may run again, so side effects come after it.
        resume_token: Token of the ``ApprovalRequest`` that interrupted this call before, if it did.
    """

    platform: "Platform"
    principal: Principal
    progress: Callable[[float, float | None, str], Awaitable[None]] = field(default=_no_progress)
    approve: Callable[[ApprovalRequest], Awaitable[ApprovalAnswer]] = field(default=_cannot_ask)
    resume_token: str | None = None
