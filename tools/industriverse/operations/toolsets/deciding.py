"""``eil_decide``: which of several actions leads back to equilibrium at the least expected free energy."""

from pydantic import BaseModel, Field

from industriverse.eil.decision import Judged, Option
from industriverse.operations.context import OperationContext
from industriverse.operations.deciding import Deliberation, OptionClaim, deliberate
from industriverse.operations.examples import eil as examples
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.times import time_text

__all__ = ["DecideInput", "DecideOutput", "OptionInput", "RankedOption", "eil_decide"]

LARGEST = 1e9


class OptionInput(OperationInput):
    """One thing that could be done, and what is expected of it."""

    name: str = Field(min_length=1, max_length=120, description="What it is called")
    relief: float = Field(
        default=0.0, ge=0, le=1, description="Share of the expected excess that it takes away"
    )
    relief_sd: float = Field(default=0.0, ge=0, le=1, description="Standard deviation of that share")
    free_energy_kt: float | None = Field(
        default=None,
        ge=0,
        le=LARGEST,
        description="Free-energy excess expected at the horizon, kT, instead of relief",
    )
    free_energy_sd_kt: float = Field(default=0.0, ge=0, le=LARGEST, description="Its standard deviation, kT")
    loss: float = Field(default=0.0, ge=0, le=LARGEST, description="Service lost until the horizon")
    cost: float = Field(
        default=1.0, ge=0, le=LARGEST, description="Effort relative to a change of set-point, which costs 1"
    )
    reversible: bool = Field(default=True, description="Whether it can be undone")
    information_nats: float = Field(
        default=0.0, ge=0, le=100, description="Uncertainty about the cause that it resolves, nats"
    )


class DecideInput(OperationInput):
    """For which stream, and among what."""

    stream: str = Field(description="Name of a stream with a reference")
    options: list[OptionInput] = Field(
        default=[],
        max_length=50,
        description="What could be done; the commands of its simulated plant if absent (takes seconds)",
    )
    horizon_hours: float = Field(default=6.0, gt=0, le=48, description="When the outcome counts, hours ahead")
    loss_scale: float = Field(
        default=1.0, gt=0, le=LARGEST, description="Loss that weighs as much as one e-fold of free energy"
    )


class RankedOption(BaseModel):
    """An option with the terms of its expected free energy in nats; they add up."""

    name: str
    expected_free_energy_nats: float
    risk_nats: float
    loss_nats: float
    information_nats: float
    cost_nats: float
    irreversibility_nats: float
    free_energy_kt: float
    free_energy_sd_kt: float
    loss: float
    reversible: bool
    probability_worse_than_nothing: float


class DecideOutput(BaseModel):
    """The ranking, doing nothing among it."""

    stream: str
    time: str
    free_energy_kt: float
    horizon_hours: float
    best: str
    margin_nats: float | None
    clear: bool = Field(description="Whether the best is told apart from the second")
    needs_approval: bool = Field(description="Whether the best cannot be undone, so that a person decides")
    options_from: str
    loss_unit: str
    ranking: list[RankedOption]

    def __str__(self) -> str:
        rows = [
            f"{row.name}: G {row.expected_free_energy_nats:.3f} nats (leaves {row.free_energy_kt:.3g} kT"
            f"{'' if row.reversible else ', CANNOT be undone'})"
            for row in self.ranking[:5]
        ]
        unclear = "" if self.clear else " The first two are not told apart: look for more evidence."
        return f"{self.stream} at {self.time}: best is {self.best}.{unclear}\n" + "\n".join(rows)


def _ranked(judged: Judged) -> RankedOption:
    option = judged.option
    return RankedOption(
        name=option.name,
        expected_free_energy_nats=judged.expected_free_energy,
        risk_nats=judged.risk,
        loss_nats=judged.loss,
        information_nats=judged.information,
        cost_nats=judged.cost,
        irreversibility_nats=judged.irreversibility,
        free_energy_kt=option.free_energy_kt,
        free_energy_sd_kt=option.free_energy_sd_kt,
        loss=option.loss,
        reversible=option.reversible,
        probability_worse_than_nothing=judged.worse_than_nothing,
    )


def _output(request: DecideInput, thought: Deliberation) -> DecideOutput:
    verdict = thought.verdict
    return DecideOutput(
        stream=request.stream,
        time=time_text(thought.timestamp_ns),
        free_energy_kt=thought.free_energy_kt,
        horizon_hours=request.horizon_hours,
        best=verdict.best.option.name,
        margin_nats=verdict.margin if len(verdict.ranking) > 1 else None,
        clear=verdict.clear,
        needs_approval=not verdict.best.option.reversible,
        options_from=thought.source,
        loss_unit=thought.loss_unit,
        ranking=[_ranked(judged) for judged in verdict.ranking],
    )


def _claim(given: OptionInput) -> OptionClaim:
    option = Option(
        name=given.name,
        free_energy_kt=given.free_energy_kt or 0.0,
        free_energy_sd_kt=given.free_energy_sd_kt,
        loss=given.loss,
        cost=given.cost,
        reversible=given.reversible,
        information_nats=given.information_nats,
    )
    return OptionClaim(option, given.relief, given.relief_sd, given.free_energy_kt is not None)


@operation(
    "eil_decide",
    toolset="eil",
    scope="read",
    title="Choose among actions",
    read_only=True,
    default_on=True,
    examples=examples.DECIDE,
)
async def eil_decide(request: DecideInput, context: OperationContext) -> DecideOutput:
    """Rank options for a stream, doing nothing among them, by expected free energy, irreversibility and cost.

    It only advises: shield_plan and agent_run act.

    Raises:
        NotFoundError: If there is no such stream or nothing was learned from it.
        DecisionError: If a name occurs twice.
    """
    claims = tuple(_claim(given) for given in request.options)
    thought = await context.platform.run(
        deliberate,
        context.platform.services,
        request.stream,
        request.horizon_hours,
        claims,
        loss_scale=request.loss_scale,
    )
    return _output(request, thought)
