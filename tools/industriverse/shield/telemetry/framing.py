"""Where one syslog message ends in a TCP stream and the next begins (RFC 6587, section 3.4).

Both methods are told apart by the first octet, as the standard advises: a digit other than zero begins a count of
octets ("octet counting", 3.4.1), anything else a message that a line feed ends ("non-transparent framing", 3.4.2).
"""

from industriverse.shield.errors import RecordError

__all__ = ["LONGEST_MESSAGE", "FramingError", "SyslogFramer"]

LONGEST_MESSAGE = 65_536
_LONGEST_COUNT = len(str(LONGEST_MESSAGE))
_DIGITS = frozenset(b"0123456789")


class SyslogFramer:
    """Cuts the bytes of one connection into messages, however the network cut them."""

    def __init__(self) -> None:
        self._waiting = b""

    def feed(self, received: bytes) -> list[bytes]:
        """Messages that these bytes complete.

        Raises:
            FramingError: If a message is too long or a count is not followed by a space: where the next message
                begins can then no longer be told, so the connection is of no more use. Messages completed before
                are in the error's ``completed``.
        """
        self._waiting += received
        completed: list[bytes] = []
        while self._waiting:
            message = self._next(completed)
            if message is None:
                break
            if message:
                completed.append(message)
        return completed

    def finish(self) -> bytes:
        """What was begun and never ended, empty if nothing was."""
        rest, self._waiting = self._waiting, b""
        return rest

    def _next(self, completed: list[bytes]) -> bytes | None:
        counted = self._waiting[0] in _DIGITS and self._waiting[0] != ord("0")
        return self._counted(completed) if counted else self._ended(completed)

    def _counted(self, completed: list[bytes]) -> bytes | None:
        count, space, rest = self._waiting.partition(b" ")
        if not set(count) <= _DIGITS or len(count) > _LONGEST_COUNT:
            raise FramingError("a count of octets is not followed by a space", completed)
        if not space:
            return None
        length = int(count)
        if length > LONGEST_MESSAGE:
            raise FramingError(f"a message of {length} octets is announced", completed)
        if len(rest) < length:
            return None
        self._waiting = rest[length:]
        return rest[:length]

    def _ended(self, completed: list[bytes]) -> bytes | None:
        line, feed, rest = self._waiting.partition(b"\n")
        if len(line) > LONGEST_MESSAGE:
            raise FramingError(f"a line of more than {LONGEST_MESSAGE} octets", completed)
        if not feed:
            return None
        self._waiting = rest
        return line.rstrip(b"\r\x00")


class FramingError(RecordError):
    """A stream in which messages can no longer be told apart.

    Attributes:
        completed: Messages that were whole before.
    """

    def __init__(self, message: str, completed: list[bytes]) -> None:
        super().__init__(message, hint="frame messages as RFC 6587 says, at most 64 KiB each")
        self.completed = completed
