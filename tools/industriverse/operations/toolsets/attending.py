"""``eil_attention`` and ``eil_reflect``: where to look, and how far one's own expectations can be trusted."""

from pydantic import BaseModel, Field

from industriverse.operations.attending import attend, reflect
from industriverse.operations.context import OperationContext
from industriverse.operations.examples import eil as examples
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.times import time_text

__all__ = [
    "AttentionInput",
    "AttentionOutput",
    "Driver",
    "ReflectInput",
    "ReflectOutput",
    "Share",
    "eil_attention",
    "eil_reflect",
]

MOST_SHARES = 12


class AttentionInput(OperationInput):
    """Which stream."""

    stream: str = Field(description="Name of a stream with a reference")
    alpha: float = Field(default=0.05, gt=0, lt=1, description="Chance of naming even one false driver")
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="Of the surrogates")


class Share(BaseModel):
    """A channel's part of the free-energy excess."""

    channel: str
    entity: str
    share: float
    free_energy_kt: float


class Driver(BaseModel):
    """A channel whose past tells about another's next sample."""

    source: str
    target: str
    transfer_entropy_nats: float
    p_value: float


class AttentionOutput(BaseModel):
    """Where to look: channels by share, trend, and what drives what."""

    stream: str
    time: str
    alarm: bool
    free_energy_kt: float
    trend_per_hour: float = Field(description="Slope of log(1 + excess): positive is away from equilibrium")
    hours_in_state: float
    shares: list[Share]
    drivers: list[Driver]

    def __str__(self) -> str:
        state = "in alarm" if self.alarm else "calm"
        shown = ", ".join(f"{share.channel} {share.share:.0%}" for share in self.shares[:3])
        drives = "; ".join(f"{driver.source} drives {driver.target}" for driver in self.drivers[:3])
        text = f"{self.stream} at {self.time}: {state} for {self.hours_in_state:.1f} h. Most of it: {shown}."
        return f"{text} {drives}." if drives else text


class ReflectInput(OperationInput):
    """Which stream, and how far ahead."""

    stream: str = Field(description="Name of a stream with a reference")
    horizon_hours: float = Field(default=6.0, gt=0, le=48, description="How far ahead was expected, hours")


class ReflectOutput(BaseModel):
    """How earlier expectations of the stream's free energy turned out."""

    stream: str
    forecasts: int
    coverage: float
    brier: float
    brier_of_base_rate: float
    may_act: bool
    reason: str

    def __str__(self) -> str:
        return f"{self.stream}: {'may' if self.may_act else 'may not'} act without a person: {self.reason}"


@operation(
    "eil_attention",
    toolset="eil",
    scope="read",
    title="Where to look",
    read_only=True,
    examples=examples.ATTENTION,
)
async def eil_attention(request: AttentionInput, context: OperationContext) -> AttentionOutput:
    """Tell which channels hold the free-energy excess of a stream, whether it grows, and what drives what.

    Raises:
        NotFoundError: If there is no such stream or nothing was learned from it.
    """
    found = await context.platform.run(
        attend, context.platform.services, request.stream, alpha=request.alpha, seed=request.seed
    )
    return AttentionOutput(
        stream=request.stream,
        time=time_text(found.timestamp_ns),
        alarm=found.alarm,
        free_energy_kt=found.free_energy_kt,
        trend_per_hour=found.trend_per_hour,
        hours_in_state=found.hours_in_state,
        shares=[
            Share(
                channel=share.channel,
                entity=share.entity,
                share=share.share,
                free_energy_kt=share.free_energy_kt,
            )
            for share in found.shares[:MOST_SHARES]
        ],
        drivers=[
            Driver(
                source=transfer.source,
                target=transfer.target,
                transfer_entropy_nats=transfer.nats,
                p_value=transfer.p_value,
            )
            for transfer in found.transfers
        ],
    )


@operation(
    "eil_reflect",
    toolset="eil",
    scope="read",
    title="Record of one's own expectations",
    read_only=True,
    examples=examples.REFLECT,
)
async def eil_reflect(request: ReflectInput, context: OperationContext) -> ReflectOutput:
    """Compare earlier expectations of a stream with what came: coverage, Brier score, and leave to act alone.

    Raises:
        NotFoundError: If there is no such stream or nothing was learned from it.
    """
    found = await context.platform.run(
        reflect, context.platform.services, request.stream, horizon_hours=request.horizon_hours
    )
    return ReflectOutput(
        stream=request.stream,
        forecasts=found.forecasts,
        coverage=found.coverage,
        brier=found.brier,
        brier_of_base_rate=found.brier_of_base_rate,
        may_act=found.may_act,
        reason=found.reason,
    )
