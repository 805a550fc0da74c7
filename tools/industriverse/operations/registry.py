"""One declaration per verb, from which every face of the platform is made."""

import inspect
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict

from industriverse.operations.context import OperationContext
from industriverse.operations.costs import Cost
from industriverse.operations.errors import UnknownOperationError

__all__ = [
    "Example",
    "Operation",
    "OperationFunction",
    "OperationInput",
    "Registry",
    "operation",
    "registry",
]

OperationFunction = Callable[[Any, OperationContext], Awaitable[BaseModel]]
FunctionT = TypeVar("FunctionT", bound=Callable[[Any, OperationContext], Awaitable[BaseModel]])


class OperationInput(BaseModel):
    """Arguments of an operation: an unknown one is a mistake to be told, and no number is infinite."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Example:
    """A question that a person might ask, and the arguments that answer it."""

    question: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """A verb of the platform.

    Attributes:
        name: Unique, ``subject_verb``.
        toolset: Group that is switched on or off together.
        scope: What a principal must hold to call it.
        title: Short name for people.
        summary: What it does and when to use it, from the function's docstring.
        input_model: Arguments.
        output_model: Result; its ``str()`` is the terse text shown to a person or a model.
        function: The implementation.
        read_only: Changes nothing, so it stays available in read-only mode.
        destructive: May change the world outside in a way that is not undone by itself.
        idempotent: Calling twice with the same arguments is the same as calling once.
        asks: May ask a person for approval.
        default_on: Part of the default tool surface.
        task: May take long, so that clients may run it as a task; calling it again goes on where it was cut off.
        examples: Questions that it answers.
        cost: Steps that a call declares; what it measures with ``count_steps`` is what it pays.
    """

    name: str
    toolset: str
    scope: str
    title: str
    summary: str
    input_model: type[BaseModel]
    output_model: type[BaseModel]
    function: OperationFunction
    read_only: bool
    destructive: bool
    idempotent: bool
    asks: bool
    default_on: bool
    examples: tuple[Example, ...]
    task: bool = False
    cost: Cost = field(default_factory=Cost)


class Registry:
    """The operations by name."""

    def __init__(self) -> None:
        self._operations: dict[str, Operation] = {}

    def add(self, declared: Operation) -> None:
        """Add an operation.

        Raises:
            ValueError: If the name is taken.
        """
        if declared.name in self._operations:
            raise ValueError(f"operation {declared.name!r} is declared twice")
        self._operations[declared.name] = declared

    def __iter__(self) -> Iterator[Operation]:
        return iter(sorted(self._operations.values(), key=lambda declared: declared.name))

    def __getitem__(self, name: str) -> Operation:
        try:
            return self._operations[name]
        except KeyError:
            raise UnknownOperationError(
                f"no operation {name[:80]!r}", hint=f"operations are {', '.join(sorted(self._operations))}"
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._operations

    def toolsets(self) -> tuple[str, ...]:
        """Names of all toolsets, sorted."""
        return tuple(sorted({declared.toolset for declared in self}))

    def select(
        self, *, toolsets: frozenset[str] | None = None, read_only: bool = False
    ) -> tuple[Operation, ...]:
        """The operations of a surface.

        Args:
            toolsets: Toolsets to include; None for the default surface, ``{"all"}`` for everything.
            read_only: Keep only operations that change nothing.

        Raises:
            UnknownOperationError: If a toolset does not exist.
        """
        wanted = toolsets or frozenset()
        unknown = wanted - {"all", *self.toolsets()}
        if unknown:
            raise UnknownOperationError(
                f"no toolset {sorted(unknown)[0]!r}", hint=f"toolsets are all, {', '.join(self.toolsets())}"
            )
        return tuple(
            declared
            for declared in self
            if (declared.read_only or not read_only)
            and (declared.default_on if toolsets is None else "all" in wanted or declared.toolset in wanted)
        )


registry = Registry()
"""The registry of the platform; importing ``industriverse.operations.toolsets`` fills it."""


def operation(
    name: str,
    *,
    toolset: str,
    scope: str,
    title: str,
    read_only: bool = False,
    destructive: bool = False,
    idempotent: bool = False,
    asks: bool = False,
    default_on: bool = False,
    task: bool = False,
    examples: tuple[Example, ...] = (),
    cost: Cost | int = 1,
) -> Callable[[FunctionT], FunctionT]:
    """Declare an async function ``(input_model, OperationContext) -> output_model`` as a verb.

    The first paragraph of the function's docstring becomes its summary. See :class:`Operation` for the
    arguments.
    """

    def declare(function: FunctionT) -> FunctionT:
        hints = get_type_hints(function, localns={"OperationContext": OperationContext})
        first_parameter = next(iter(inspect.signature(function).parameters))
        summary = (inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " ")
        registry.add(
            Operation(
                name=name,
                toolset=toolset,
                scope=scope,
                title=title,
                summary=summary,
                input_model=hints[first_parameter],
                output_model=hints["return"],
                function=function,
                read_only=read_only,
                destructive=destructive,
                idempotent=idempotent or read_only,
                asks=asks,
                default_on=default_on,
                examples=examples,
                task=task,
                cost=Cost(cost) if isinstance(cost, int) else cost,
            )
        )
        return function

    return declare
