"""``industriverse watch``: learn from the clean rows of a file, score every row, print tickets as they come."""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import click
import numpy as np

from industriverse.cli.scores import check_scores_path, write_scores_in_input_order
from industriverse.cli.watching_events import event_format_of, watch_events
from industriverse.eil.quarantine import RegimeShift
from industriverse.eil.scoring import ScoredBlock, ScoringRun
from industriverse.operations.errors import InvalidArgumentsError
from industriverse.operations.times import parse_time, time_text
from industriverse.signals import NANOSECONDS_PER_SECOND, Frame, ThermoReadings, Ticket
from industriverse.signals.ingest import IngestResult, read_frame

__all__ = ["budget_per_day", "watch_file"]

_PER_DAY = {"hour": 24.0, "day": 1.0, "week": 1.0 / 7.0}
_SHOWN_CHANNELS = 3


def budget_per_day(text: str) -> float:
    """False tickets per day of a budget such as ``1/day``, ``0.5/hour`` or ``2/week``.

    Raises:
        InvalidArgumentsError: If the text is no such budget.
    """
    number, _, period = text.partition("/")
    try:
        value = float(number)
    except ValueError:
        value = float("nan")
    if period not in _PER_DAY or not 0.0 < value < float("inf"):
        raise InvalidArgumentsError(
            f"budget: {text[:40]!r} is no rate of tickets", hint="write it like 1/day, 0.5/hour or 2/week"
        )
    return value * _PER_DAY[period]


def _names(text: str | None) -> list[str]:
    return [] if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _spaced(file: Path, source: IngestResult, interval_s: float | None) -> IngestResult:
    """Rows without times of their own, taken as ``interval_s`` apart."""
    if source.time_column is not None:
        if interval_s is not None:
            raise InvalidArgumentsError(
                f"interval: {file} has the time column {source.time_column!r}",
                hint="leave --interval out, or ignore that column with --ignore",
            )
        return source
    if interval_s is None:
        note = "a budget per day means little if rows are not 1 s apart: give --interval SECONDS"
        return replace(source, notes=(*source.notes, note))
    times = np.round(np.arange(len(source.frame)) * interval_s * NANOSECONDS_PER_SECOND).astype(np.int64)
    frame = Frame(times, source.frame.values, source.frame.channels)
    note = f"there is no time column: rows are taken as {interval_s:g} s apart, as asked"
    kept = tuple(known for known in source.notes if "one second apart" not in known)
    return replace(source, frame=frame, notes=(*kept, note))


def _ticket_record(ticket: Ticket) -> dict[str, object]:
    return {
        "type": "ticket",
        "id": ticket.id,
        "time": time_text(ticket.onset_ns),
        "score": ticket.score,
        "p_value": ticket.p_value,
        "channels": [
            {"channel": evidence.channel, "share": evidence.share, "unit": evidence.unit}
            for evidence in ticket.evidence[:_SHOWN_CHANNELS]
        ],
    }


def _ticket_line(ticket: Ticket) -> str:
    causes = ", ".join(
        f"{evidence.channel} {100.0 * evidence.share / ticket.score:.0f} %"
        for evidence in ticket.evidence[:_SHOWN_CHANNELS]
    )
    return f"ticket {ticket.id}  {time_text(ticket.onset_ns)}  score {ticket.score:.2f} nats  {causes}"


def _shift_record(shift: RegimeShift) -> dict[str, object]:
    return {
        "type": "regime_shift",
        "id": shift.id,
        "state": str(shift.state),
        "since": time_text(shift.change_ns),
        "detected": time_text(shift.detected_ns),
        "channel": shift.leading,
        "departure_sd": shift.departure_sd,
        "evidence_nats": shift.log_likelihood_ratio,
    }


def _shift_line(shift: RegimeShift) -> str:
    adopted = "" if shift.decided_by else ", not adopted"
    return (
        f"regime shift {shift.id}  since {time_text(shift.change_ns)}  {shift.state}{adopted}  "
        f"led by {shift.leading} ({shift.departure_sd:+.1f} sd)  {shift.decided_by}".rstrip()
    )


def _with_progress(blocks: Iterable[ScoredBlock], total: int) -> Iterator[ScoredBlock]:
    """Pass blocks on under a progress bar on standard error; no bar where nobody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("scoring"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows"),
        TimeRemainingColumn(),
    )
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("scoring", total=total)
        for block in blocks:
            progress.update(task, completed=block.rows_done)
            yield block


def _report_source(file: Path, source: IngestResult) -> None:
    dropped = ", ".join(f"{count} {reason}" for reason, count in source.rows_dropped.items()) or "none"
    click.echo(
        f"{file}: {source.rows_in} rows in, {len(source.frame)} kept, dropped: {dropped}; "
        f"{len(source.frame.channels)} channels",
        err=True,
    )
    for note in source.notes:
        click.echo(f"note: {note}", err=True)


def watch_file(
    file: Path,
    *,
    clean_rows: int | None,
    clean_until: str | None,
    budget: str,
    time_column: str | None,
    channels: str | None,
    ignore: str | None,
    interval_s: float | None,
    out: Path | None,
    file_format: str,
    entity: str,
    as_json: bool,
    record: Path | None = None,
) -> None:
    """Score a recording or a log of events; arguments are those of the command.

    Raises:
        IndustriverseError: If an argument, the file or its content cannot be used.
    """
    allowed = budget_per_day(budget)
    event_format = event_format_of(file, file_format)
    if event_format is not None:
        given = {
            "time-column": time_column,
            "channels": channels,
            "ignore": ignore,
            "interval": interval_s,
            "out": out,
            "record": record,
        }
        for name, value in given.items():
            if value is not None:
                raise InvalidArgumentsError(
                    f"{name}: {file} is a log of events, which has none", hint=f"leave --{name} out"
                )
        watch_events(
            file,
            event_format,
            entity=entity,
            clean_rows=clean_rows,
            clean_until=clean_until,
            budget_per_day=allowed,
            as_json=as_json,
        )
        return
    until_ns = None if clean_until is None else parse_time(clean_until, "clean-until")
    if out is not None:
        check_scores_path(out)
    source = read_frame(
        file,
        time_column=time_column,
        channels=_names(channels) or None,
        ignore=_names(ignore),
        backward="sort",
    )
    source = _spaced(file, source, interval_s)
    run = ScoringRun(
        source.frame, clean_rows=clean_rows, clean_until_ns=until_ns, budget_per_day=allowed, stream=file.stem
    )
    # Only now: a file that cannot be scored gives one line, the error.
    _report_source(file, source)
    click.echo(f"learned from: {run.clean.reason}", err=True)
    readings: list[ThermoReadings] = []
    shifts: dict[str, RegimeShift] = {}
    for block in _with_progress(run.blocks(), len(source.frame)):
        readings.append(block.readings)
        for ticket in block.tickets:
            click.echo(json.dumps(_ticket_record(ticket)) if as_json else _ticket_line(ticket))
        for shift in block.shifts:
            shifts[shift.id] = shift
            click.echo(json.dumps(_shift_record(shift)) if as_json else _shift_line(shift))
    if out is not None:
        write_scores_in_input_order(out, source, readings)
    waiting = [shift.id for shift in shifts.values() if shift.pending]
    _report_summary(run, source, out, waiting, as_json=as_json)
    if record is not None:
        _keep(record, file.stem, run, allowed, as_json=as_json)


def _keep(home: Path, stream: str, run: ScoringRun, budget: float, *, as_json: bool) -> None:
    from industriverse.operations.home import Home
    from industriverse.operations.keeping import keep_recording
    from industriverse.operations.services import Services

    with Home(home) as owned:
        services = Services(owned, clock=time.time_ns)
        try:
            kept = keep_recording(
                services, stream, run.frame, clean_rows=run.clean.rows, budget_per_day=budget
            )
        finally:
            services.close()
    if as_json:
        click.echo(json.dumps({"type": "kept", "home": str(home), "stream": stream, **asdict(kept)}))
        return
    late = f"; waiting: {kept.waiting}" if kept.waiting else ""
    click.echo(
        f"kept in {home} as stream {stream}: {kept.samples} new samples, {kept.tickets} new tickets, "
        f"{kept.states} energy states{late}"
    )


def _report_summary(
    run: ScoringRun, source: IngestResult, out: Path | None, waiting: list[str], *, as_json: bool
) -> None:
    summary = run.summary()
    if as_json:
        record = {
            "type": "summary",
            "rows_in": source.rows_in,
            "rows_scored": len(source.frame),
            "clean_rows": run.clean.rows,
            "tickets": summary.tickets,
            "alarm_rows": summary.alarm_rows,
            "absorbed_rows": summary.absorbed_rows,
            "regime_shifts_waiting": waiting,
            "promised_per_day": summary.promised_per_day,
            "realised_per_day": summary.realised_per_day,
            "statement": summary.statement,
            "scores": None if out is None else str(out),
        }
        click.echo(json.dumps(record))
        return
    click.echo(
        f"{summary.tickets} tickets in {summary.watched_days:.2f} days watched "
        f"({summary.realised_per_day:.3g}/day, true and false together); {summary.alarm_rows} of {summary.rows} "
        f"watched rows in alarm"
    )
    click.echo(summary.statement)
    if waiting:
        click.echo(
            f"{len(waiting)} change of regime waits in quarantine and was not adopted: {', '.join(waiting)}"
        )
    if out is not None:
        click.echo(f"scores: {out} ({len(source.frame)} rows)")
