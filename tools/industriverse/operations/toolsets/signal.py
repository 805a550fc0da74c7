"""The signal toolset: telemetry becomes a thermodynamic signal by learning what equilibrium is."""

from pydantic import BaseModel, Field

from industriverse.operations.context import OperationContext
from industriverse.operations.examples import agents as examples
from industriverse.operations.incidents import keep_found_tickets
from industriverse.operations.journal import ConditionsEntry
from industriverse.operations.recording import record_reference
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.services import Services
from industriverse.operations.streams import Learned
from industriverse.operations.times import time_text

__all__ = ["CompileInput", "CompileOutput", "signal_compile"]


class CompileInput(OperationInput):
    """What to learn from."""

    stream: str = Field(min_length=1, max_length=80, description="Name of a stream that holds samples")
    clean_rows: int | None = Field(
        default=None,
        ge=100,
        description="The first rows, known to be free of attack and fault; all if absent",
    )
    budget_per_day: float = Field(default=1.0, gt=0, le=1000, description="False tickets accepted per day")
    limits: dict[str, tuple[float, float]] | None = Field(
        default=None,
        description="Absolute limits (low, high) by channel. With one for every channel, a new regime that keeps "
        "all of them for probation_days is admitted without a person; without them never",
    )
    probation_days: float = Field(default=7.0, gt=0, le=366, description="See limits")


class CompileOutput(BaseModel):
    """The reference that was learned."""

    stream: str
    channels: int
    clean_rows: int
    clean_from: str
    clean_until: str
    interval_s: float
    reference_digest: str
    budget_per_day: float
    promised_per_day: float
    lowest_certifiable_per_day: float
    budget_certified: bool
    proof_window_samples: int | None
    carried_over: list[str] = Field(description="Limits, announced work and verdicts that still hold")
    dropped: list[str] = Field(description="What was said of the stream and no longer holds, with the reason")
    note: str

    def __str__(self) -> str:
        lines = [
            f"{self.stream}: learned {self.channels} channels from {self.clean_rows} clean rows. {self.note}"
        ]
        lines += [f"carried over: {sentence}" for sentence in self.carried_over]
        lines += [f"dropped: {sentence}" for sentence in self.dropped]
        return "\n".join(lines)


def _output(stream: str, learned: Learned) -> CompileOutput:
    reference, calibration = learned.reference, learned.reference.calibration
    note = calibration.statement()
    if learned.no_proof_because:
        note += f" No proof of equilibrium can be issued: {learned.no_proof_because}."
    if not learned.relearned:
        note = "This reference was there already. " + note
    return CompileOutput(
        stream=stream,
        channels=len(reference.channels),
        clean_rows=reference.clean_rows,
        clean_from=time_text(reference.clean_start_ns),
        clean_until=time_text(reference.clean_stop_ns),
        interval_s=reference.interval_s,
        reference_digest=reference.digest,
        budget_per_day=calibration.budget_per_day,
        promised_per_day=calibration.promised_per_day,
        lowest_certifiable_per_day=calibration.lowest_certifiable_per_day,
        budget_certified=calibration.certified,
        proof_window_samples=None if learned.equilibrium is None else learned.equilibrium.window,
        carried_over=list(learned.carried_over),
        dropped=list(learned.dropped),
        note=note,
    )


def _learn(services: Services, request: CompileInput, principal: str) -> CompileOutput:
    learned = services.streams.learn(request.stream, request.clean_rows, request.budget_per_day)
    if request.limits is not None:
        services.streams.tell(
            request.stream,
            ConditionsEntry(
                limits=request.limits, probation_s=request.probation_days * 86_400.0, by=principal
            ),
        )
    record_reference(services, request.stream)
    # Samples beyond the clean rows are scored at once; what they raise must not be lost.
    keep_found_tickets(services, request.stream)
    return _output(request.stream, learned)


@operation(
    "signal_compile",
    toolset="signal",
    scope="learn",
    title="Learn the reference of a stream",
    task=True,
    idempotent=True,
    examples=examples.COMPILE,
    cost=10_000,
)
async def signal_compile(request: CompileInput, context: OperationContext) -> CompileOutput:
    """Learn what equilibrium is for a stream from clean samples; from then on every sample is scored.

    Learning again from the same rows at the same budget changes nothing.

    Raises:
        NotFoundError: If there is no such stream.
        OperationError: If it holds fewer rows than asked for.
        FitError: If the rows are too few or hold no value.
    """
    await context.progress(0.0, 1.0, "learning the reference (the first time compiles the kernel)")
    return await context.platform.run(_learn, context.platform.services, request, context.principal.name)
