"""One record of telemetry, and the file where those go that are none."""

import json
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from industriverse.shield.errors import CollectorError, RecordError

__all__ = ["MAXIMUM_VALUES", "DeadLetters", "Record", "record_of"]

MAXIMUM_VALUES = 4096  # of one record; more is a mistake of the sender or an attempt to exhaust memory
MAXIMUM_NAME = 256
MAXIMUM_KEPT_BYTES = 64 * 1024
MAXIMUM_FILE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """Values of one source at one time.

    Attributes:
        source: Who sent it, for clock skew and counts.
        timestamp_ns: Nanoseconds since 1970-01-01 UTC; None where the sender gave no time.
        values: Finite numbers by channel name, NaN where the sender marked a value as missing.
        records: How many raw records it stands for; a bin of events stands for many.
    """

    source: str
    timestamp_ns: int | None
    values: Mapping[str, float]
    records: int = 1


def record_of(source: str, timestamp_ns: int | None, values: Mapping[str, Any]) -> Record:
    """A checked record.

    Raises:
        RecordError: If there is no value, too many, a name is unusable or a value is no finite number.
    """
    if not values:
        raise RecordError("the record holds no value", hint="send at least one number")
    if len(values) > MAXIMUM_VALUES:
        raise RecordError(f"the record holds {len(values)} values", hint=f"send at most {MAXIMUM_VALUES}")
    checked = {}
    for name, value in values.items():
        if not isinstance(name, str) or not name or len(name) > MAXIMUM_NAME or not name.isprintable():
            raise RecordError(f"channel name {str(name)[:40]!r} is unusable", hint="use printable names")
        if value is None:
            checked[name] = math.nan
            continue
        if isinstance(value, bool):
            checked[name] = float(value)
            continue
        if not isinstance(value, int | float) or abs(value) > 1e300 or math.isinf(value):
            raise RecordError(f"channel {name[:40]!r} holds {str(value)[:40]!r}", hint="send finite numbers")
        checked[name] = float(value)
    if all(math.isnan(value) for value in checked.values()):
        raise RecordError("every value of the record is missing", hint="send at least one number")
    return Record(source, timestamp_ns, checked)


class DeadLetters:
    """Keeps what could not be read: one JSON line a record with its time, source, reason and bytes.

    The bytes are escaped text, so that whatever was sent stays data. A file that is full is moved aside once
    (``.1``); counting never stops.

    Args:
        path: The file, created when the first record comes.
        clock: Returns nanoseconds since 1970-01-01 UTC.
    """

    def __init__(self, path: Path, clock: Callable[[], int]) -> None:
        self.path = path
        self._clock = clock
        self._lock = threading.Lock()
        self.kept = 0

    def keep(self, source: str, reason: str, raw: bytes | str) -> None:
        """Set one record aside.

        Raises:
            CollectorError: If the file cannot be written: losing records silently is worse than stopping.
        """
        text = raw if isinstance(raw, str) else raw.decode("utf-8", "backslashreplace")
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
        line = json.dumps(
            {
                "time_ns": str(self._clock()),
                "source": source,
                "reason": reason[:500],
                "raw": text[:MAXIMUM_KEPT_BYTES],
                "cut": len(text) > MAXIMUM_KEPT_BYTES,
            }
        )
        with self._lock:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                if self.path.exists() and self.path.stat().st_size > MAXIMUM_FILE_BYTES:
                    self.path.replace(self.path.with_name(self.path.name + ".1"))
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(line + "\n")
            except OSError as error:
                raise CollectorError(
                    f"cannot keep a dead letter in {self.path} ({error.strerror})",
                    hint="give a writable path",
                ) from error
            self.kept += 1
