"""Answers of cheap reads, kept until their store changes, so that they need not wait for the stores' thread."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

__all__ = ["Dated", "KeptReads", "document_of"]

_MOST = 256
"""Answers of one version of a store; a page of a hundred entries has about 10 kB."""

AnswerT = TypeVar("AnswerT", bound=BaseModel)

_documents: dict[int, tuple[BaseModel, bytes]] = {}
"""Kept answers as JSON, by identity; an entry holds its answer, so that no other can have the same."""


def document_of(answer: BaseModel) -> bytes:
    """An answer as JSON; that of a kept one is made once."""
    known = _documents.get(id(answer))
    return known[1] if known is not None and known[0] is answer else answer.model_dump_json().encode()


@dataclass(frozen=True, slots=True)
class Dated(Generic[AnswerT]):
    """An answer, and when it is one.

    Attributes:
        answer: Not to be changed by whoever gets it.
        from_ns: First nanosecond since 1970-01-01 UTC at which it holds, None if it always did.
        until_ns: First one at which it holds no more, None if it always will.
    """

    answer: AnswerT
    from_ns: int | None = None
    until_ns: int | None = None

    def holds(self, now_ns: int) -> bool:
        """Whether this is the answer at a time."""
        return (self.from_ns is None or self.from_ns <= now_ns) and (
            self.until_ns is None or now_ns < self.until_ns
        )


class KeptReads:
    """Answers that hold for one version of a store. For the thread of one event loop.

    Whoever gets a kept answer shares it with others and must not change it.

    Args:
        version: The store's version now, None where it cannot be told; cheap, since every read asks.
        clock: Returns the present time in nanoseconds since 1970-01-01 UTC.
    """

    def __init__(self, version: Callable[[], Hashable | None], clock: Callable[[], int]) -> None:
        self._version = version
        self._clock = clock
        self._held: Hashable | None = None
        self._answers: OrderedDict[Hashable, Dated[Any]] = OrderedDict()

    async def get(
        self, key: Hashable, answer_type: type[AnswerT], read: Callable[[], Awaitable[AnswerT]]
    ) -> AnswerT:
        """The answer under a key, read anew if the store changed since it was read.

        Args:
            key: Everything that the answer depends on beside the store.
            answer_type: Type of the answer.
            read: Reads the store.
        """

        async def dated() -> Dated[AnswerT]:
            return Dated(await read())

        return await self.get_dated(key, answer_type, dated)

    async def get_dated(
        self, key: Hashable, answer_type: type[AnswerT], read: Callable[[], Awaitable[Dated[AnswerT]]]
    ) -> AnswerT:
        """The same for an answer that depends on the clock, and says when it holds."""
        version = self._version()
        if version is None:
            return (await read()).answer
        if version != self._held:
            self._held = version
            self.forget_all()
        kept = self._answers.get(key)
        if kept is not None and isinstance(kept.answer, answer_type) and kept.holds(self._clock()):
            return kept.answer
        fresh = await read()
        # What was read is as new as the version that was looked at before it, or newer: it never outlives a change.
        # Where another call met a newer version meanwhile, it is not filed under that one.
        if self._held == version:
            self._keep(key, fresh)
        return fresh.answer

    def _keep(self, key: Hashable, fresh: Dated[AnswerT]) -> None:
        self._forget(key)
        while len(self._answers) >= _MOST:
            self._forget(next(iter(self._answers)))
        self._answers[key] = fresh
        _documents[id(fresh.answer)] = fresh.answer, fresh.answer.model_dump_json().encode()

    def _forget(self, key: Hashable) -> None:
        kept = self._answers.pop(key, None)
        if kept is not None:
            _documents.pop(id(kept.answer), None)

    def forget_all(self) -> None:
        """Keep nothing any more."""
        for key in tuple(self._answers):
            self._forget(key)
