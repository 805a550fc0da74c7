"""``industriverse collect``: one collector feeding one stream of this installation."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import click

from industriverse.operations.errors import InvalidArgumentsError
from industriverse.operations.home import Home, default_home
from industriverse.operations.incidents import keep_found_tickets, keep_tickets
from industriverse.operations.services import Services
from industriverse.shield.errors import CollectorError
from industriverse.shield.telemetry.collecting import Assembler
from industriverse.shield.telemetry.collecting import collect as run
from industriverse.shield.telemetry.host import HostSource
from industriverse.shield.telemetry.intake import Intake, UnskewedIntake
from industriverse.shield.telemetry.receivers import HttpReceiver, SyslogReceiver
from industriverse.shield.telemetry.records import DeadLetters
from industriverse.shield.telemetry.sources import (
    BusSource,
    EventLogSource,
    PrometheusSource,
    Source,
    TableTailSource,
    ZeekLines,
    suricata_line,
    syslog_line,
)
from industriverse.signals import Frame
from industriverse.signals.events.event import Event

__all__ = ["run_collector"]

RECORDED = ("file", "zeek", "suricata", "syslog-file", "bus")
"""Kinds whose times are history and not a clock that could be off."""


def run_collector(
    kind: str,
    target: str,
    *,
    home: Path | None,
    stream: str,
    interval_s: float,
    bin_s: float,
    topic: str,
    log: str,
    once: bool,
    seconds: float | None,
) -> None:
    """Run a collector until it ends, its time is over or it is interrupted; then print the counters.

    Raises:
        IndustriverseError: If the target cannot be used or another process owns the home.
    """
    stopped = False

    def interrupt(number: int, frame: object) -> None:
        nonlocal stopped
        del number, frame
        stopped = True

    with Home(home or default_home()) as owned:
        services = Services(owned, clock=time.time_ns)
        letters = DeadLetters(owned.paths.folder / "dead-letters" / f"{_safe(stream)}.jsonl", time.time_ns)
        intake = (UnskewedIntake if kind in RECORDED else Intake)(letters, time.time_ns)
        ends = None if seconds is None else time.monotonic() + seconds
        before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            source = _source(kind, target, intake, bin_s=bin_s, topic=topic, log=log)
            run(
                source,
                intake,
                _assembler(services, stream),
                _sink(services, stream),
                stop=lambda: stopped or (ends is not None and time.monotonic() >= ends),
                interval_s=interval_s,
                follow=not once,
                on_trouble=lambda error: click.echo(f"{error}; trying again", err=True),
            )
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            services.close()
    counts = intake.counts()
    click.echo(
        json.dumps(
            {
                "stream": stream,
                "received": counts.received,
                "scored": counts.scored,
                "dropped": counts.dropped,
                "waiting": counts.waiting,
                "balanced": counts.balanced,
                "corrected": counts.corrected,
                "reconnects": counts.reconnects,
                "dead_letters": str(letters.path) if letters.kept else None,
            }
        )
    )


def _safe(stream: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in stream)[:80] or "stream"


def _assembler(services: Services, stream: str) -> Assembler:
    store = services.streams.store
    if stream not in store.names():
        return Assembler()
    names = tuple(channel.name for channel in store.channels(stream))
    last = store.frame(stream, last=1)
    return Assembler(names, last_ns=int(last.timestamps_ns[-1]) if len(last) else None)


def _sink(services: Services, stream: str) -> Callable[[Frame], None]:
    def take(frame: Frame) -> None:
        known = services.streams.store
        if stream in known.names():
            # A stream may say more of its channels than a record does: unit, asset and quantity stay.
            frame = Frame(frame.timestamps_ns, frame.values, known.channels(stream))
        ingested = services.streams.ingest(stream, frame)
        keep_tickets(services, stream, ingested.tickets)
        for ticket in [*[t.id for t in ingested.tickets], *keep_found_tickets(services, stream)]:
            click.echo(f"ticket {ticket}", err=True)

    return take


def _source(kind: str, target: str, intake: Intake, *, bin_s: float, topic: str, log: str) -> Source:
    if kind == "host":
        return HostSource(entity=target or "host")
    if kind in ("http", "syslog"):
        host, port = _address(target)
        if kind == "http":
            receiver = HttpReceiver(intake, host=host, port=port)
            click.echo(f"listening on http://{host}:{receiver.port}/push and /v1/metrics", err=True)
            return receiver
        listener = SyslogReceiver(intake, time.time_ns, host=host, port=port, bin_s=bin_s)
        click.echo(f"listening on udp://{host}:{listener.port}", err=True)
        return listener
    if not target:
        raise InvalidArgumentsError(f"target: {kind} needs one", hint="give a path or an address")
    if kind == "prometheus":
        return PrometheusSource(target)
    path = Path(target)
    if kind == "bus":
        return BusSource(path, topic)
    if kind == "file":
        return TableTailSource(path)
    parsers: dict[str, Callable[[str], Event | None]] = {
        "zeek": ZeekLines(log),
        "suricata": suricata_line,
        "syslog-file": syslog_line(time.time_ns),
    }
    return EventLogSource(path, parsers[kind], bin_s=bin_s, kind=kind)


def _address(target: str) -> tuple[str, int]:
    host, _, port = target.rpartition(":")
    host = host or "127.0.0.1"
    if host not in ("127.0.0.1", "localhost"):
        raise CollectorError(
            f"{host} is not the loopback", hint="put a proxy with authentication in front of 127.0.0.1"
        )
    if port and not (port.isdigit() and int(port) < 65_536):
        raise InvalidArgumentsError(f"target: {port[:20]!r} is no port", hint="give 0 to 65535")
    return host, int(port or 0)
