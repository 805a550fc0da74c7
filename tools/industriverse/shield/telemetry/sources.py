"""Sources that are read: files and their tails, event logs, scrapes, host sensors and a bus topic.

Each is a small object with ``poll(intake)``: read what is there, offer it, and say whether there was anything.
What cannot be read goes to the intake's dead letters; a source that cannot be reached raises ``CollectorError``
and is tried again by the runner.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

from industriverse.shield.errors import CollectorError, RecordError
from industriverse.shield.telemetry.binning import EventBins
from industriverse.shield.telemetry.bus import BusTopic
from industriverse.shield.telemetry.intake import Intake
from industriverse.shield.telemetry.parsing import (
    parse_csv_row,
    parse_json_record,
    parse_prometheus,
    parse_syslog,
)
from industriverse.shield.telemetry.records import Record
from industriverse.signals.events.event import Event

__all__ = [
    "BusSource",
    "EventLogSource",
    "PrometheusSource",
    "Source",
    "TableTailSource",
    "ZeekLines",
    "suricata_line",
    "syslog_line",
]

MAXIMUM_LINE_BYTES = 1 << 20
MAXIMUM_SCRAPE_BYTES = 16 << 20
BLOCK_LINES = 2000
HEADER = "header, comment or blank line"


class Source(Protocol):
    """Something that records can be read from."""

    name: str

    def poll(self, intake: Intake) -> bool:
        """Offer what is there; True if there was anything.

        Raises:
            CollectorError: If the source cannot be reached now.
        """
        ...

    def finish(self, intake: Intake) -> None:
        """Offer what was held back when no more will come."""
        ...


class LineTail:
    """Whole lines of a file as it grows; a file that was replaced or cut is read from its beginning.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None
        self._identity: tuple[int, int] | None = None
        self._rest = b""
        self.restarted = False

    def lines(self, room: int) -> list[bytes]:
        """The next whole lines, at most a block of them and no more than there is room for.

        Raises:
            CollectorError: If the file is not there.
        """
        self._open()
        assert self._file is not None
        found: list[bytes] = []
        while len(found) < min(BLOCK_LINES, room):
            chunk = self._file.readline(MAXIMUM_LINE_BYTES)
            if not chunk:
                break
            self._rest += chunk
            if self._rest.endswith(b"\n") or len(self._rest) >= MAXIMUM_LINE_BYTES:
                found.append(self._rest)
                self._rest = b""
        return found

    def rest(self) -> list[bytes]:
        """A last line without line end."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []

    def _open(self) -> None:
        try:
            status = self.path.stat()
        except OSError as error:
            self.close()
            raise CollectorError(
                f"cannot read {self.path} ({error.strerror})", hint="check the path"
            ) from None
        identity = (status.st_dev, status.st_ino)
        self.restarted = False
        cut = self._file is not None and status.st_size < self._file.tell()
        if self._file is None or identity != self._identity or cut:
            self.restarted = self._identity is not None
            self.close()
            try:
                self._file = self.path.open("rb")
            except OSError as error:
                raise CollectorError(
                    f"cannot read {self.path} ({error.strerror})", hint="check its mode"
                ) from None
            self._identity, self._rest = identity, b""

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


class TableTailSource:
    """Rows of a CSV file or a JSON-lines file, followed as it grows.

    Args:
        path: ``.csv``, or anything else for JSON lines.
    """

    def __init__(self, path: Path) -> None:
        self.name = f"file:{path.name}"
        self._tail = LineTail(path)
        self._is_csv = path.suffix.lower() == ".csv"
        self._header: list[str] | None = None

    def poll(self, intake: Intake) -> bool:
        """Read the lines that are there."""
        lines = self._tail.lines(intake.room)
        if self._tail.restarted:
            self._header = None
            intake.reconnected()
        for line in lines:
            self._line(line, intake)
        return bool(lines)

    def finish(self, intake: Intake) -> None:
        """Read a last line without line end."""
        for line in self._tail.rest():
            self._line(line, intake)
        self._tail.close()

    def _line(self, raw: bytes, intake: Intake) -> None:
        try:
            text = raw.decode("utf-8").strip("\r\n\ufeff")
        except UnicodeDecodeError:
            intake.refuse(self.name, "not UTF-8", raw)
            return
        if not text.strip():
            intake.drop(self.name, HEADER)
            return
        if self._is_csv and self._header is None:
            self._header = [cell.strip().strip('"') for cell in text.split(",")]
            intake.drop(self.name, HEADER)
            return
        try:
            record = (
                parse_csv_row(text, self._header, self.name)
                if self._header is not None
                else parse_json_record(text, self.name)
            )
        except RecordError as error:
            intake.refuse(self.name, str(error), raw)
            return
        intake.offer(record)


class EventLogSource:
    """Lines of a Zeek, Suricata or syslog file as counted bins.

    Args:
        path: The file.
        parse: Turns a line into an event, None for a header; raises ``RecordError`` for anything else.
        bin_s: Length of a bin, seconds.
        kind: Name of the kind of log.
    """

    def __init__(
        self, path: Path, parse: Callable[[str], Event | None], *, bin_s: float = 10.0, kind: str = "log"
    ) -> None:
        self.name = f"{kind}:{path.name}"
        self._tail = LineTail(path)
        self._parse = parse
        self._bins = EventBins(self.name, bin_s)

    def poll(self, intake: Intake) -> bool:
        """Read the lines that are there."""
        lines = self._tail.lines(intake.room)
        if self._tail.restarted:
            intake.reconnected()
        for line in lines:
            self._line(line, intake)
        return bool(lines)

    def finish(self, intake: Intake) -> None:
        """Read a last line without line end and give the last bin."""
        for line in self._tail.rest():
            self._line(line, intake)
        for record in self._bins.flush():
            intake.offer(record)
        self._tail.close()

    def _line(self, raw: bytes, intake: Intake) -> None:
        text = raw.decode("utf-8", "backslashreplace").rstrip("\r\n")
        if not text.strip():
            intake.drop(self.name, HEADER)
            return
        try:
            event = self._parse(text)
        except RecordError as error:
            intake.refuse(self.name, str(error), raw)
            return
        if event is None:
            intake.drop(self.name, HEADER)
            return
        for record in self._bins.add(event):
            intake.offer(record)


class PrometheusSource:
    """A metrics endpoint, scraped once a poll.

    Args:
        url: ``http://`` or ``https://`` address of the exposition.
        timeout_s: Seconds to wait for an answer.
    """

    def __init__(self, url: str, *, timeout_s: float = 10.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise CollectorError(f"{url[:80]!r} is no HTTP address", hint="give http://host:port/metrics")
        self.name = f"prometheus:{url}"
        self._url = url
        self._timeout_s = timeout_s
        self._lost = False

    def poll(self, intake: Intake) -> bool:
        """Scrape once."""
        try:
            with urllib.request.urlopen(self._url, timeout=self._timeout_s) as answer:  # noqa: S310 (checked above)
                body = answer.read(MAXIMUM_SCRAPE_BYTES + 1)
        except (OSError, urllib.error.URLError, ValueError) as error:
            self._lost = True
            raise CollectorError(
                f"cannot scrape {self._url} ({error})", hint="check address and network"
            ) from None
        if self._lost:
            self._lost = False
            intake.reconnected()
        if len(body) > MAXIMUM_SCRAPE_BYTES:
            intake.refuse(self.name, "exposition over 16 MiB", body[:1024])
            return True
        try:
            record = parse_prometheus(body.decode("utf-8", "backslashreplace"), self.name)
        except RecordError as error:
            intake.refuse(self.name, str(error), body)
            return True
        intake.offer(record)
        return True

    def finish(self, intake: Intake) -> None:
        """Nothing is held back."""
        del intake


class BusSource:
    """A topic of the SQLite bus, read from where this consumer stood.

    Args:
        path: File of the bus.
        topic: Name of the topic.
        consumer: Under this name the position is kept.
    """

    def __init__(self, path: Path, topic: str, *, consumer: str = "shield") -> None:
        self.name = f"bus:{topic}"
        self._bus = BusTopic(path, topic)
        self._consumer = consumer

    def poll(self, intake: Intake) -> bool:
        """Read what was published since; the position moves on only after the records were offered."""
        messages = self._bus.read(self._consumer, most=min(BLOCK_LINES, max(intake.room, 1)))
        for _, payload in messages:
            try:
                record: Record = parse_json_record(payload.decode("utf-8"), self.name)
            except (RecordError, UnicodeDecodeError) as error:
                intake.refuse(self.name, str(error), payload)
                continue
            intake.offer(record)
        if messages:
            self._bus.commit(self._consumer, messages[-1][0])
        return bool(messages)

    def finish(self, intake: Intake) -> None:
        """Close the bus."""
        del intake
        self._bus.close()


def suricata_line(line: str) -> Event | None:
    """One line of Suricata's ``eve.json`` as an event.

    Raises:
        RecordError: If it is no such line.
    """
    from industriverse.signals.events import suricata

    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"not JSON: {str(error)[:120]}", hint="give eve.json") from None
    outcome = suricata.suricata_event(record) if isinstance(record, dict) else "not a JSON object"
    if isinstance(outcome, str):
        if outcome == suricata.OTHER_TYPE:
            return None  # a kind of event without adapter, such as stats: skipped on purpose
        raise RecordError(outcome, hint="give eve.json of flow, alert, dns or modbus")
    return outcome


def syslog_line(clock: Callable[[], int]) -> Callable[[str], Event | None]:
    """A parser of syslog lines that takes times of reception from a clock."""
    return lambda line: parse_syslog(line, clock())


class ZeekLines:
    """Parser of one Zeek log: it remembers the ``#fields`` header, JSON lines need none."""

    def __init__(self, log: str) -> None:
        self._log = log
        self._fields: list[str] | None = None

    def __call__(self, line: str) -> Event | None:
        """One line as an event, None for a header.

        Raises:
            RecordError: If it is no line of the log.
        """
        from industriverse.signals.events.zeek import ZEEK_LOGS

        if line.startswith("#"):
            if line.startswith("#fields"):
                self._fields = line.rstrip("\n").split("\t")[1:]
            return None
        record = self._record(line)
        adapter = ZEEK_LOGS.get(self._log)
        if adapter is None:
            raise CollectorError(
                f"no adapter for {self._log}.log", hint=f"logs are {', '.join(sorted(ZEEK_LOGS))}"
            )
        timestamp_ns = time_of(record.get("ts"))
        if timestamp_ns is None:
            raise RecordError("no time", hint="give a Zeek log")
        outcome = adapter(timestamp_ns, record)
        if not isinstance(outcome, Event):
            raise RecordError(str(outcome), hint="give a complete Zeek log line")
        return outcome

    def _record(self, line: str) -> dict[str, object]:
        if line.lstrip().startswith("{"):
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise RecordError(f"not JSON: {str(error)[:120]}", hint="give a Zeek log") from None
            if not isinstance(record, dict):
                raise RecordError("not a JSON object", hint="give a Zeek log")
            identity = record.get("id")
            if isinstance(identity, dict):
                record |= {f"id.{name}": value for name, value in identity.items()}
            return record
        cells = line.split("\t")
        if self._fields is None or len(cells) != len(self._fields):
            raise RecordError("wrong number of columns", hint="give a Zeek log with its #fields header")
        return {
            name: cell for name, cell in zip(self._fields, cells, strict=True) if cell not in ("-", "(empty)")
        }


def time_of(value: object) -> int | None:
    """Time of a Zeek field."""
    from industriverse.shield.telemetry.parsing import time_ns_of

    return time_ns_of(value)
