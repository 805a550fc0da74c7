"""Lines of a log file, plain or gzip, of any bytes, in bounded memory; every line is counted once."""

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from industriverse.signals._text import quoted
from industriverse.signals.events.errors import EventFormatError

__all__ = ["BLANK", "HEADER", "INVALID_JSON", "TRUNCATED", "LineSource", "clean_text"]

MAXIMUM_LINE_BYTES = 1 << 20  # a line of a log is far shorter; a longer one is dropped, not held
MAXIMUM_TEXT = 512  # characters kept of one value

BLANK = "blank line"
HEADER = "comment or header line"
TRUNCATED = "truncated last line"
INVALID_JSON = "not a JSON object"
TOO_LONG = "line over 1 MiB"

_GZIP_MAGIC = b"\x1f\x8b"
_UNDECODABLE = re.compile("[\udc80-\udcff]")


def clean_text(text: str) -> str:
    """Text that can be stored and printed: lone surrogates escaped, at most ``MAXIMUM_TEXT`` characters."""
    return text[:MAXIMUM_TEXT].encode("utf-8", "backslashreplace").decode("utf-8")


@dataclass
class LineSource:
    r"""A log file, read once.

    Bytes that are not UTF-8 are kept visibly as ``\xNN``. A compressed file that ends early yields what it
    holds. Iterating yields ``(line, complete)``; ``complete`` is false for a last line without line end.

    Attributes:
        path: The file.
        json_lines: Whether escapes must themselves be escaped to survive a JSON parser.
        lines: Lines seen so far.
        dropped: Lines that will be no event, by reason.
    """

    path: Path
    json_lines: bool = False
    lines: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    _escaped: int = 0
    _cut_short: bool = False

    def drop(self, reason: str) -> None:
        """Count the line in hand as no event."""
        self.dropped[reason] += 1

    def notes(self) -> tuple[str, ...]:
        """What was met on the way, one sentence each."""
        found = []
        if self._escaped:
            found.append(f"{self._escaped} line(s) hold bytes that are not UTF-8, kept as \\xNN")
        if self._cut_short:
            found.append("the compressed file ends early; what it holds was read")
        return tuple(found)

    def __iter__(self) -> Iterator[tuple[str, bool]]:
        """Yield lines without their end.

        Raises:
            EventFormatError: If the file cannot be opened or its compression is damaged.
        """
        try:
            with self.path.open("rb") as plain:
                compressed = plain.read(2) == _GZIP_MAGIC
                plain.seek(0)
                if compressed:
                    with gzip.GzipFile(fileobj=plain) as unpacked:
                        yield from self._lines(unpacked)
                else:
                    yield from self._lines(plain)
        except EOFError:
            self._cut_short = True
        except (OSError, zlib.error) as error:
            raise EventFormatError(
                f"{self.path} cannot be read at line {self.lines + 1}: {error}",
                hint="check the path and that the compressed file is whole",
            ) from error

    def _lines(self, stream: IO[bytes] | gzip.GzipFile) -> Iterator[tuple[str, bool]]:
        while raw := stream.readline(MAXIMUM_LINE_BYTES):
            self.lines += 1
            complete = raw.endswith(b"\n")
            if not complete and len(raw) == MAXIMUM_LINE_BYTES:
                self.drop(TOO_LONG)
                while (rest := stream.readline(MAXIMUM_LINE_BYTES)) and not rest.endswith(b"\n"):
                    pass
                continue
            line = self._text(raw.rstrip(b"\r\n"))
            if line.strip():
                yield line, complete
            else:
                self.drop(BLANK)

    def _text(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            self._escaped += 1
            slashes = "\\\\" if self.json_lines else "\\"
            return _UNDECODABLE.sub(
                lambda found: f"{slashes}x{ord(found[0]) - 0xDC00:02x}",
                raw.decode("utf-8", "surrogateescape"),
            )


def unknown_format(path: Path, line: str, expected: str) -> EventFormatError:
    """The error for a file that is of another kind altogether."""
    return EventFormatError(
        f"{path} is not {expected}: line 1 is {quoted(line)}", hint="name the right file or adapter"
    )
