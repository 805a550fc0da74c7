"""The journal of charges: one line a call, so that what a killed process owed the books is still known.

A line is handed to the operating system before the answer leaves, and a batch of lines is booked under the name of
its file: a process that dies between booking and deleting books nothing twice. Lines are not forced to the
disk one by one, so a power cut can lose those of the last seconds; it cannot double any.
"""

import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from industriverse.economy.budgets import price_of

__all__ = ["ChargeJournal", "Charges"]

_SUFFIX = ".charges"


@dataclass(slots=True)
class Charges:
    """What calls of one principal cost together.

    Attributes:
        principal: Who pays.
        steps: Measured steps by operation.
        calls: How many calls.
        millijoules: Energy beside it, by its source (``"estimated"`` is a guess).
    """

    principal: str
    steps: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    millijoules: dict[str, int] = field(default_factory=dict)

    def add(self, operation: str, steps: int, millijoules: int, source: str) -> None:
        """Count a call."""
        self.steps[operation] = self.steps.get(operation, 0) + steps
        self.millijoules[source] = self.millijoules.get(source, 0) + millijoules
        self.calls += 1

    @property
    def amount(self) -> int:
        """What they cost, micro-CEU."""
        return price_of(sum(self.steps.values()))


class ChargeJournal:
    """Files of charges that are not booked yet, one of them open for writing. For one thread at a time.

    Args:
        folder: Where they lie; created with mode 0700. One process owns it.

    Attributes:
        own: Batches that this process has begun and that are not booked.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.own: set[str] = set()
        self._file: int | None = None
        self._batch = ""

    def append(self, principal: str, operation: str, steps: int, millijoules: int, source: str) -> None:
        """Note a call."""
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._batch = uuid.uuid4().hex
            self.own.add(self._batch)
            path = self._folder / f"{self._batch}{_SUFFIX}"
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        line = json.dumps([principal, operation, steps, millijoules, source]) + "\n"
        os.write(self._file, line.encode())

    def rotate(self) -> None:
        """Close the open file, so that it can be booked."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
            self._batch = ""

    def batches(self) -> Iterator[tuple[str, list[Charges]]]:
        """Every closed file, those of dead processes included: its name, and what each principal owes."""
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            if path.stem != self._batch:
                yield path.stem, _read(path)

    def forget(self, batch: str) -> None:
        """Delete a file that is booked."""
        self.own.discard(batch)
        (self._folder / f"{batch}{_SUFFIX}").unlink(missing_ok=True)


def _read(path: Path) -> list[Charges]:
    found: dict[str, Charges] = {}
    for line in path.read_bytes().split(b"\n")[:-1]:
        # What follows the last end of a line was being written when the process died; its caller got no answer.
        principal, operation, steps, millijoules, source = json.loads(line)
        found.setdefault(principal, Charges(principal)).add(operation, steps, millijoules, source)
    return list(found.values())
