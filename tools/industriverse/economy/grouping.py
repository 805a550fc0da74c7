"""Group commit: callers that arrive while others wait for the disk share the next trip to it.

The idea is that of every database's own log (Gray and Reuter, "Transaction Processing", 1993, 9.4.7), one level
up: the chain lets one writer in at a time, so what a writer brings along is what decides the rate. Nobody waits
for company: a caller that finds nobody at work writes at once.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from copy import copy

from industriverse.economy.errors import LedgerBusyError
from industriverse.economy.money import Posting, Transaction

__all__ = ["MOST_TOGETHER", "GroupCommit"]

MOST_TOGETHER = 64
"""Transactions of one trip at most, so that none waits long for the others."""


class _Waiting:
    __slots__ = ("called", "outcome", "posting")

    def __init__(self, posting: Posting) -> None:
        self.posting = posting
        self.outcome: Transaction | Exception | None = None
        # Set when it is done, or when it is this one's turn to write.
        self.called = threading.Event()


class GroupCommit:
    """Writes the transactions of many threads together. Safe for many threads.

    Attributes:
        turn: Held while this process writes, so that its threads queue here and not at the database, where
            waiting is done by asking again and again.

    Args:
        write: Writes transactions in one database transaction and returns what became of each, on disk.
    """

    def __init__(self, write: Callable[[Sequence[Posting]], Sequence[Transaction | Exception]]) -> None:
        self._write = write
        self.turn = threading.RLock()
        self._mutex = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._led = False

    def post(self, posting: Posting) -> Transaction:
        """Write a transaction; returns or raises what became of it once that is on disk."""
        mine = _Waiting(posting)
        with self._mutex:
            self._waiting.append(mine)
            leads, self._led = not self._led, True
        if not leads:
            mine.called.wait()
        if mine.outcome is None:
            # The first in the queue writes for all who stand behind it.
            self._lead()
        assert mine.outcome is not None
        if isinstance(mine.outcome, Exception):
            raise mine.outcome
        return mine.outcome

    def _lead(self) -> None:
        together: list[_Waiting] = []
        try:
            with self.turn:
                with self._mutex:
                    count = min(len(self._waiting), MOST_TOGETHER)
                    together = [self._waiting.popleft() for _ in range(count)]
                outcomes = self._write([waiting.posting for waiting in together])
            for waiting, outcome in zip(together, outcomes, strict=True):
                waiting.outcome = outcome
        except Exception as error:
            # Nothing was written. A raised exception belongs to one thread, so each gets its own.
            for waiting in together:
                waiting.outcome = copy(error)
        finally:
            self._hand_on(together)

    def _hand_on(self, together: Sequence[_Waiting]) -> None:
        with self._mutex:
            self._led = bool(self._waiting)
            if self._led:
                self._waiting[0].called.set()
        for waiting in together:
            if waiting.outcome is None:
                # The thread that wrote was interrupted; whether the disk has it all, its key tells.
                waiting.outcome = LedgerBusyError("writing was interrupted", hint="do the same again")
            waiting.called.set()
