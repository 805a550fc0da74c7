"""What a call costs: declared before it runs, measured while it runs."""

from contextvars import ContextVar
from dataclasses import dataclass

from pydantic import BaseModel

__all__ = ["Cost", "StepCounter", "count_steps", "counting"]


@dataclass(frozen=True, slots=True)
class Cost:
    """Steps that a call declares; a step is one evaluation of a model or solver on one sample.

    Attributes:
        base: Steps of any call.
        field: Name of a number in the input to which more steps are in proportion; empty if there is none.
        per_unit: Steps for each unit of it.
    """

    base: int = 1
    field: str = ""
    per_unit: float = 0.0

    def __post_init__(self) -> None:
        if self.base < 1 or self.per_unit < 0 or bool(self.field) != bool(self.per_unit):
            raise ValueError(f"{self} is no cost: give base >= 1 and a field together with per_unit")

    def declared(self, request: BaseModel) -> int:
        """Steps that a call with this input declares."""
        value = getattr(request, self.field) if self.field else None
        return self.base + int(self.per_unit * max(0, value or 0))

    def largest(self, steps: int) -> float | None:
        """The largest value of the field that so many steps pay for; None if there is none."""
        return (steps - self.base) / self.per_unit if self.field and steps > self.base else None


class StepCounter:
    """Steps that a call has made so far; filled on the server only."""

    __slots__ = ("steps",)

    def __init__(self) -> None:
        self.steps = 0


_COUNTER: ContextVar[StepCounter | None] = ContextVar("industriverse_steps", default=None)


def count_steps(steps: int) -> None:
    """Count evaluations of a model or solver towards the call being served; nothing outside of one."""
    counter = _COUNTER.get()
    if counter is not None:
        counter.steps += steps


class counting:  # noqa: N801  (reads as a statement: with counting(counter))
    """Within the block, and in what ``Platform.run`` runs for it, steps go to this counter."""

    __slots__ = ("_counter", "_token")

    def __init__(self, counter: StepCounter) -> None:
        self._counter = counter

    def __enter__(self) -> None:
        self._token = _COUNTER.set(self._counter)

    def __exit__(self, *error: object) -> None:
        _COUNTER.reset(self._token)
