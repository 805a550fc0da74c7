"""The eil toolset, freshness: keyed challenges on actuators, and the chain of a stream's certificates."""

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import BaseModel, Field

from industriverse.operations.challenging import Session, find_actuator
from industriverse.operations.context import OperationContext
from industriverse.operations.errors import InvalidArgumentsError, OperationError
from industriverse.operations.examples.eil import CERTIFICATES, CHALLENGE
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.services import Services
from industriverse.operations.times import time_text

if TYPE_CHECKING:
    from industriverse.eil.proof.watermark import WatermarkModel

__all__ = [
    "CertificateItem",
    "CertificatesInput",
    "CertificatesOutput",
    "ChallengeInput",
    "ChallengeOutput",
    "eil_certificates",
    "eil_challenge",
]

CHECKS = 5
USUAL_ALPHA = 0.05


class ChallengeInput(OperationInput):
    """What to do with the keyed challenge of a plant."""

    plant_id: str = Field(max_length=80, description="Plant whose actuator is excited")
    change: Literal["commission", "learn", "begin", "end", "show"] = Field(
        default="show",
        description="commission: excite, to learn the answer from; learn: fit the answer; begin: a challenge",
    )
    stream: str | None = Field(
        default=None,
        max_length=80,
        description="Stream that should show the answer; the plant's own if absent",
    )
    actuator: str | None = Field(
        default=None,
        max_length=80,
        description="Target of a command that takes a number; the only one if absent",
    )
    share: float = Field(
        default=0.1, gt=0, le=0.25, description="Amplitude as a share of the actuator's range"
    )
    nonce: str | None = Field(
        default=None,
        max_length=128,
        description="Hexadecimal, 8 bytes or more, never used before; drawn if absent",
    )


class ChallengeOutput(BaseModel):
    """How the challenge stands, and what it costs the plant."""

    plant_id: str
    stream: str
    state: str = Field(description="off, commissioning or challenged")
    actuator: str | None
    steady: float | None = Field(description="Setting around which it is excited, unit of the command")
    amplitude: float | None
    nonce: str | None
    since: str | None
    samples: int = Field(description="Samples of the plant under it so far")
    settings_sent: int = Field(description="Times that the actuator was moved")
    power_kw: float | None = Field(description="Mean electrical power of the actuator under it")
    lost_share: float = Field(description="Share of the service asked for since then that was not given")
    gain: float | None = Field(
        description="Learned answer on held-out samples, 1 as fitted; None if not learned"
    )
    samples_needed: int | None = Field(
        description="Window that tells 99 % of answers from a replay at alpha 0.05"
    )

    def __str__(self) -> str:
        if self.actuator is None:
            return f"{self.plant_id}: no challenge"
        cost = f"{self.settings_sent} settings"
        if self.power_kw is not None:
            cost += f", {self.power_kw:.1f} kW on average"
        learned = "answer not learned" if self.gain is None else f"answer learned, gain {self.gain:.2f}"
        return (
            f"{self.plant_id}: {self.state}, {self.actuator} at {self.steady:g} +- {self.amplitude:g} since "
            f"{self.since}, {self.samples} samples, nonce {self.nonce}; {learned}. Cost: {cost}, "
            f"{100 * self.lost_share:.3f} % of service lost"
        )


class CertificatesInput(OperationInput):
    """Whose certificates."""

    stream: str = Field(max_length=80, description="Name of the stream")


class CertificateItem(BaseModel):
    """One certificate of a chain."""

    id: str
    window_start: str
    window_end: str
    checks_run: int
    fresh: bool = Field(description="Whether it answers a keyed challenge")


class CertificatesOutput(BaseModel):
    """The certificates of a stream, each found to follow the one before."""

    stream: str
    certificates: list[CertificateItem]
    statement: str

    def __str__(self) -> str:
        lines = [f"{self.stream}: {self.statement}"]
        lines += [f"{c.id[:16]} {c.window_start} to {c.window_end}" for c in self.certificates]
        return "\n".join(lines)


def _learn(services: Services, request: ChallengeInput) -> None:
    wanted = [s for s in services.challenges.sessions(request.plant_id) if s.commissioning]
    if not wanted:
        raise OperationError(
            f"no actuator of {request.plant_id!r} was commissioned",
            hint="call with change commission, then run it",
        )
    session = wanted[-1]
    answer = services.streams.store.frame(session.stream, after_ns=session.start_ns - 1)
    if session.stop_ns is not None:
        answer = answer.rows(0, int(np.searchsorted(answer.timestamps_ns, session.stop_ns)))
    services.challenges.learn(session, answer)


def _begin(services: Services, request: ChallengeInput) -> None:
    challenges = services.challenges
    spec = find_actuator(services.plants.find(request.plant_id), request.actuator)
    commissioning = request.change == "commission"
    stream = request.stream or request.plant_id
    nonce = request.nonce or ""
    try:
        bytes.fromhex(nonce)
    except ValueError:
        raise InvalidArgumentsError(
            f"nonce: {nonce[:40]!r} is not hexadecimal", hint="give an even number of 0-9, a-f"
        ) from None
    if not commissioning:
        name = f"{spec.target} {spec.verb}"
        learned = [
            s for s in challenges.sessions(request.plant_id) if s.actuator.name == name and s.stream == stream
        ]
        if not learned or challenges.model(learned[-1]) is None:
            raise OperationError(
                f"how {stream!r} answers {spec.target} is not known",
                hint="call with change commission, run the plant for some weeks, then with change learn",
            )
    challenges.begin(
        request.plant_id, stream, spec, share=request.share, nonce=nonce.lower(), commissioning=commissioning
    )


def _power(services: Services, session: Session, start: int, stop: int) -> float | None:
    """Mean power of the excited asset between two samples of its plant, kW."""
    plant = services.plants.find(session.plant)
    column = next(
        (
            position
            for position, channel in enumerate(plant.channels)
            if channel.entity == session.target and channel.quantity == "power"
        ),
        None,
    )
    if column is None or not 0 <= start < stop:
        return None
    return float(plant.telemetry(start, stop).values[:, column].mean())


def _state(services: Services, request: ChallengeInput) -> ChallengeOutput:
    challenges, plant = services.challenges, services.plants.find(request.plant_id)
    known = challenges.sessions(request.plant_id)
    if not known:
        return ChallengeOutput(
            plant_id=request.plant_id, stream=request.stream or request.plant_id, state="off", actuator=None,
            steady=None, amplitude=None, nonce=None, since=None, samples=0, settings_sent=0, power_kw=None,
            lost_share=0.0, gain=None, samples_needed=None,
        )  # fmt: skip
    session = known[-1]
    stop = plant.step if session.stop_step is None else session.stop_step
    samples = stop - session.start_step
    moved = 0
    if samples:
        signs = challenges.challenge_of(session).excitation(0, samples)
        moved = 1 + int(np.count_nonzero(np.diff(signs)))
    model: WatermarkModel | None = challenges.model(session)
    state = "commissioning" if session.commissioning else "challenged"
    return ChallengeOutput(
        plant_id=request.plant_id,
        stream=session.stream,
        state="off" if session.stop_step is not None else state,
        actuator=session.target,
        steady=session.steady,
        amplitude=session.actuator.amplitude,
        nonce=session.nonce,
        since=time_text(session.start_ns),
        samples=samples,
        settings_sent=moved,
        power_kw=_power(services, session, session.start_step, stop),
        lost_share=plant.service(session.start_step).lost_share if samples else 0.0,
        gain=None if model is None else model.gain,
        samples_needed=None if model is None else model.samples_needed(USUAL_ALPHA / CHECKS),
    )


def _change(services: Services, request: ChallengeInput) -> ChallengeOutput:
    services.plants.find(request.plant_id)
    if request.change in ("commission", "begin"):
        _begin(services, request)
    elif request.change == "learn":
        _learn(services, request)
    elif request.change == "end":
        services.challenges.end(request.plant_id)
    return _state(services, request)


def _certificates(services: Services, request: CertificatesInput) -> CertificatesOutput:
    services.streams.store.channels(request.stream)
    chain = services.certificates.check_chain(request.stream)
    items = [
        CertificateItem(
            id=issued.certificate_id,
            window_start=issued.verified.predicate.start,
            window_end=issued.verified.predicate.end,
            checks_run=issued.verified.predicate.checks_run,
            fresh=issued.verified.predicate.freshness is not None,
        )
        for issued in chain
    ]
    statement = f"{len(items)} certificates, each valid and following the one before" if items else "none yet"
    return CertificatesOutput(stream=request.stream, certificates=items, statement=statement)


@operation("eil_challenge", toolset="eil", scope="act", title="Challenge an actuator", examples=CHALLENGE)
async def eil_challenge(request: ChallengeInput, context: OperationContext) -> ChallengeOutput:
    """Excite an actuator of a SIMULATED plant by a secret pattern, so that eil_prove tells live data from a replay.

    Commission first, run the plant, learn the answer; then begin with a fresh nonce and run it again.

    Raises:
        NotFoundError: If there is no such plant or no such actuator.
        ChallengeError: If amplitude or nonce are not allowed.
        WatermarkFitError: If the telemetry is too short or shows no answer.
    """
    return await context.platform.run(_change, context.platform.services, request)


@operation(
    "eil_certificates",
    toolset="eil",
    scope="read",
    title="Certificates of a stream",
    read_only=True,
    examples=CERTIFICATES,
)
async def eil_certificates(request: CertificatesInput, context: OperationContext) -> CertificatesOutput:
    """List a stream's certificates and check that each follows the one before: a gap or another order is refused.

    Raises:
        NotFoundError: If there is no such stream.
        ChainMismatchError: If a certificate is missing, altered or in another place.
    """
    return await context.platform.run(_certificates, context.platform.services, request)
