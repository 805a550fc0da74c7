"""The eil toolset: how a stream stands, and proof that it stands in equilibrium."""

import numpy as np
from pydantic import BaseModel, Field

from industriverse.eil.quarantine import RegimeShift
from industriverse.operations.amounts import account_of
from industriverse.operations.context import OperationContext
from industriverse.operations.costs import count_steps
from industriverse.operations.errors import InvalidArgumentsError, OperationError
from industriverse.operations.examples import eil as examples
from industriverse.operations.live import LiveStream
from industriverse.operations.recording import record_proof
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.services import Services
from industriverse.operations.streams import reference_of
from industriverse.operations.times import NANOSECONDS_PER_HOUR, parse_time, time_text

__all__ = [
    "FeedbackItem",
    "ProveInput",
    "ProveOutput",
    "RegimeInput",
    "RegimeOutput",
    "ShiftItem",
    "eil_prove",
    "eil_regime",
]

SHOWN_SHIFTS = 5


class RegimeInput(OperationInput):
    """Which stream, and when."""

    stream: str = Field(description="Name of the stream")
    at: str | None = Field(default=None, description="ISO 8601 time; the latest sample if absent")


class ShiftItem(BaseModel):
    """A change of regime: not an anomaly, and no equilibrium either until it is admitted."""

    id: str
    state: str = Field(description="collecting, quarantined, admitted, refused or passed")
    since: str = Field(description="Most likely time of the change")
    detected: str
    channel: str = Field(description="Channel that leads the change")
    departure_sd: float = Field(
        description="Of that channel from its clean centre, clean standard deviations"
    )
    evidence_nats: float
    decided_by: str
    candidate_alarm_share: float | None = Field(description="Of a waiting regime: how often it is in alarm")


class FeedbackItem(BaseModel):
    """A verdict that holds."""

    ticket: str
    verdict: str
    component: str
    expires: str


class RegimeOutput(BaseModel):
    """The thermodynamic state of a stream at one sample, in kT and nats of its reference."""

    stream: str
    time: str
    alarm: bool
    alarm_since: str | None
    regime: int
    score_nats: float
    p_value: float
    energy_kt: float
    innovation_energy_kt: float
    temperature: float
    entropy_change_nats: float
    free_energy_kt: float
    free_energy_limit_kt: float = Field(description="What clean samples exceed once in a thousand")
    work_kt: float
    heat_kt: float
    structure_kt: float
    entropy_production_nats: float
    promised_false_tickets_per_day: float
    realised_tickets_per_day: float
    absorbed_samples: int = Field(
        description="Samples that only the slow adaptation of the alarm excuses; many mean that the stream drifted away"
    )
    regimes_admitted: int
    shifts: list[ShiftItem] = Field(description="Latest changes of regime; the ones that wait need a word")
    admitted_without_a_person: str = Field(description="The published conditions")
    feedback: list[FeedbackItem] = Field(description="Verdicts that hold at the latest sample")
    not_taken: list[str] = Field(description="Words of people that could not be taken again after a restart")
    proof_window_hours: float
    plant_id: str | None
    plant_hours: float | None
    plant_pace_hours: float | None = Field(
        description="How long a simulated plant takes to show what a command did"
    )

    def __str__(self) -> str:
        state = f"in alarm since {self.alarm_since}" if self.alarm else "calm"
        return (
            f"{self.stream} at {self.time}: {state}. Free-energy excess {self.free_energy_kt:.2f} kT "
            f"(work {self.work_kt:.2f}, heat {self.heat_kt:.2f}, structure {self.structure_kt:.2f}), "
            f"temperature {self.temperature:.2f}, p = {self.p_value:.2g}"
            + "".join(
                f". Regime shift {shift.id} since {shift.since}, led by {shift.channel} "
                f"({shift.departure_sd:+.1f} sd): {shift.state}, not adopted; say what it is with eil_feedback"
                for shift in self.shifts
                if shift.state in ("collecting", "quarantined")
            )
        )


class ProveInput(OperationInput):
    """Which window to certify."""

    stream: str = Field(description="Name of the stream")
    at: str | None = Field(
        default=None, description="ISO 8601 time of the window's last sample; latest if absent"
    )
    alpha: float = Field(default=0.05, gt=0, lt=1, description="Chance of refusing a clean window")
    nonce: str | None = Field(default=None, description="Your challenge, hexadecimal, to be signed along")


class ProveOutput(BaseModel):
    """An issued certificate."""

    certificate_id: str
    stream: str
    window_start: str
    window_end: str
    samples: int
    p_values: dict[str, float]
    could_not_run: dict[str, str]
    answering_channels: list[str] = Field(
        description="Channels that answered the keyed challenge, if one was on"
    )
    previous_certificate: str | None = Field(description="The stream's certificate that this one follows")
    limitation: str
    evidence_sha256: str
    certificate_file: str
    public_key_file: str
    evidence_file: str

    def __str__(self) -> str:
        checks = ", ".join(f"{name} p = {p:.2g}" for name, p in self.p_values.items())
        return (
            f"certificate {self.certificate_id[:16]}: {self.stream}, {self.samples} samples to {self.window_end}. "
            f"{checks}. {self.limitation} Verify offline: industriverse proof verify {self.certificate_file} "
            f"--key {self.public_key_file}"
        )


def _row_at(timestamps_ns: "np.ndarray[tuple[int], np.dtype[np.int64]]", at: str | None) -> int:
    if at is None:
        return len(timestamps_ns) - 1
    row = int(np.searchsorted(timestamps_ns, parse_time(at, "at"), side="right")) - 1
    if row < 0:
        raise InvalidArgumentsError(f"at: {at} is before the first scored sample", hint="give a later time")
    return row


def _shift_item(live: LiveStream, shift: RegimeShift) -> ShiftItem:
    candidate = live.candidate
    waits = candidate is not None and candidate.shift.id == shift.id and candidate.watched > 0
    return ShiftItem(
        id=shift.id,
        state=str(shift.state),
        since=time_text(shift.change_ns),
        detected=time_text(shift.detected_ns),
        channel=shift.leading,
        departure_sd=shift.departure_sd,
        evidence_nats=shift.log_likelihood_ratio,
        decided_by=shift.decided_by,
        candidate_alarm_share=candidate.alarms / candidate.watched if waits and candidate else None,
    )


def _published(live: LiveStream) -> str:
    missing = [name for name in live.reference.names if name not in live.conditions.limits]
    if missing:
        return (
            "none: a new regime needs a person or a work order, since "
            f"{len(missing)} of {len(live.reference.names)} channels have no absolute limits"
        )
    days = live.conditions.probation_s / 86_400.0
    return f"{days:g} days with every channel within its absolute limits and the regime seldom in alarm"


def _regime(services: Services, request: RegimeInput) -> RegimeOutput:
    live = services.streams.watched(request.stream)
    readings = live.readings
    if readings is None:
        raise OperationError(
            f"stream {request.stream!r} has no sample after its clean rows", hint="send more samples"
        )
    row = _row_at(readings.timestamps_ns, request.at)
    reading, summary = readings[row], live.summary()
    calm_rows = np.flatnonzero(~readings.alarm[: row + 1])
    onset = int(calm_rows[-1]) + 1 if calm_rows.size else 0
    equilibrium = services.streams.equilibrium(request.stream)
    plant = services.plants.find(request.stream) if services.plants.exists(request.stream) else None
    hours = None
    if plant is not None:
        hours = (reading.timestamp_ns - plant.spec.start_ns) / NANOSECONDS_PER_HOUR + plant.interval_s / 3600
    return RegimeOutput(
        stream=request.stream,
        time=time_text(reading.timestamp_ns),
        alarm=reading.alarm,
        alarm_since=time_text(int(readings.timestamps_ns[onset])) if reading.alarm else None,
        regime=reading.regime,
        score_nats=reading.score,
        p_value=reading.p_value,
        energy_kt=reading.energy,
        innovation_energy_kt=reading.innovation_energy,
        temperature=reading.temperature,
        entropy_change_nats=reading.entropy,
        free_energy_kt=reading.free_energy,
        free_energy_limit_kt=live.free_energy_limit_kt,
        work_kt=reading.work,
        heat_kt=reading.heat,
        structure_kt=reading.structure,
        entropy_production_nats=reading.entropy_production,
        promised_false_tickets_per_day=summary.promised_per_day,
        realised_tickets_per_day=summary.realised_per_day,
        absorbed_samples=summary.absorbed_rows,
        regimes_admitted=live.regimes,
        shifts=[_shift_item(live, shift) for shift in live.shifts[-SHOWN_SHIFTS:]],
        admitted_without_a_person=_published(live),
        feedback=[
            FeedbackItem(
                ticket=entry.ticket,
                verdict=str(entry.verdict),
                component=entry.component,
                expires=time_text(entry.expires_ns),
            )
            for entry in live.feedback
        ],
        not_taken=list(live.not_taken),
        proof_window_hours=0.0 if equilibrium is None else equilibrium.window * equilibrium.interval_s / 3600,
        plant_id=None if plant is None else request.stream,
        plant_hours=hours,
        plant_pace_hours=None if plant is None else plant.pace_s / 3600,
    )


@operation(
    "eil_regime",
    toolset="eil",
    scope="read",
    title="State of a stream",
    read_only=True,
    default_on=True,
    examples=examples.REGIME,
)
async def eil_regime(request: RegimeInput, context: OperationContext) -> RegimeOutput:
    """Tell whether a stream is in equilibrium, and its energy, entropy and free-energy excess at one sample.

    Raises:
        NotFoundError: If there is no such stream or nothing was learned from it.
    """
    platform = context.platform

    async def read() -> RegimeOutput:
        return await platform.run(_regime, platform.services, request)

    try:
        # Learning anew is the one change of a stream that no database knows of.
        learned = reference_of(platform.home.paths.streams, request.stream).stat()
    except (OSError, ValueError):
        return await read()
    key = (request.stream, request.at, learned.st_ino, learned.st_mtime_ns, learned.st_size)
    return await platform.stream_reads.get(key, RegimeOutput, read)


def _nonce(text: str | None) -> bytes | None:
    try:
        return None if text is None else bytes.fromhex(text)
    except ValueError:
        raise InvalidArgumentsError(
            f"nonce: {text!r:.40} is not hexadecimal", hint="give an even number of 0-9, a-f"
        ) from None


def _prove(services: Services, request: ProveInput, owner: str) -> ProveOutput:
    live = services.streams.watched(request.stream)
    reference = services.streams.equilibrium(request.stream)
    if reference is None:
        raise OperationError(
            f"stream {request.stream!r} has no proof reference: "
            f"{services.streams.no_proof_because(request.stream)}",
            hint="learn again from more clean samples",
        )
    frame = services.streams.store.frame(request.stream)
    stop = _row_at(frame.timestamps_ns, request.at) + 1
    if stop < reference.window:
        raise OperationError(
            f"{stop} samples until then are fewer than the window of {reference.window}",
            hint="send more samples",
        )
    window = frame.rows(stop - reference.window, stop)
    if int(window.timestamps_ns[0]) <= live.reference.clean_stop_ns:
        # A model agrees with what it was learned from; that proves nothing.
        raise OperationError(
            f"the window of {reference.window} samples until then reaches into the clean rows of the reference",
            hint="prove a window of later samples",
        )
    # Each sample is looked at by each of the five checks.
    count_steps(5 * len(window))
    issued = services.certificates.issue(
        window,
        reference,
        stream=request.stream,
        alpha=request.alpha,
        nonce=_nonce(request.nonce),
        owner=owner,
        watermark=services.challenges.watermark(request.stream, window),
    )
    record_proof(services, issued)
    predicate = issued.verified.predicate
    return ProveOutput(
        certificate_id=issued.certificate_id,
        stream=predicate.stream,
        window_start=predicate.start,
        window_end=predicate.end,
        samples=predicate.samples,
        p_values={str(check.name): check.p_value for check in predicate.checks},
        could_not_run={str(skipped.name): skipped.reason for skipped in predicate.could_not_run},
        answering_channels=predicate.freshness.answering_channels if predicate.freshness else [],
        previous_certificate=predicate.previous_sha256,
        limitation=predicate.limitation,
        evidence_sha256=predicate.evidence_sha256,
        certificate_file=issued.path,
        public_key_file=str(services.home.paths.public_key),
        evidence_file=issued.evidence_path,
    )


@operation(
    "eil_prove",
    toolset="eil",
    scope="prove",
    title="Prove equilibrium",
    task=True,
    idempotent=True,
    cost=1_000,
    default_on=True,
    examples=examples.PROVE,
)
async def eil_prove(request: ProveInput, context: OperationContext) -> ProveOutput:
    """Certify that a window of a stream is consistent with equilibrium, or refuse and say which check failed.

    The certificate is signed and can be verified offline with the public key alone. A window that has a
    certificate gets the same one again. Where eil_challenge was on, freshness is the fifth check.
    Whoever obtained it first may mint.

    Raises:
        NotFoundError: If there is no such stream or nothing was learned from it.
        NotInEquilibriumError: If a check fails.
    """
    owner = account_of(context.principal)
    return await context.platform.run(_prove, context.platform.services, request, owner)
