"""Answers of cheap reads, kept until their store changes, so that they need not wait for the stores' thread."""

from collections.abc import Awaitable, Callable, Hashable
from typing import TypeVar

from pydantic import BaseModel

__all__ = ["KeptReads"]

_MOST = 256
"""Answers of one version of a store; a page of a hundred entries has about 10 kB."""

AnswerT = TypeVar("AnswerT", bound=BaseModel)


class KeptReads:
    """Answers that hold for one version of a store. For the thread of one event loop.

    Args:
        version: The store's version now, None where it cannot be told; cheap, since every read asks.
    """

    def __init__(self, version: Callable[[], int | None]) -> None:
        self._version = version
        self._held: int | None = None
        self._answers: dict[Hashable, BaseModel] = {}

    async def get(
        self, key: Hashable, answer_type: type[AnswerT], read: Callable[[], Awaitable[AnswerT]]
    ) -> AnswerT:
        """The answer under a key, read anew if the store changed since it was read.

        Args:
            key: Everything that the answer depends on beside the store.
            answer_type: Type of the answer.
            read: Reads the store.
        """
        version = self._version()
        if version is None:
            return await read()
        if version != self._held:
            self._held = version
            self._answers.clear()
        kept = self._answers.get(key)
        if isinstance(kept, answer_type):
            return kept.model_copy(deep=False)
        answer = await read()
        # What was read is as new as the version that was looked at before it, or newer: it never outlives a change.
        # Where another call met a newer version meanwhile, it is not filed under that one.
        if self._held == version and len(self._answers) < _MOST:
            self._answers[key] = answer
        return answer.model_copy(deep=False)
