"""``shield_review``: whether a plan that was carried out is worth keeping, by what is known since."""

from typing import Literal

from pydantic import BaseModel, Field

from industriverse.operations.context import OperationContext
from industriverse.operations.examples import shield as examples
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.reviewing import review_plan

__all__ = ["ReviewInput", "ReviewOutput", "shield_review"]


class ReviewInput(OperationInput):
    """Which plan to look back on."""

    plan_id: str = Field(description="plan_id of a plan that was carried out")


class ReviewOutput(BaseModel):
    """What is expected from here on with the plan in force, and with it taken back."""

    plan_id: str
    verdict: Literal["helps", "no_difference", "worse"]
    gain: float = Field(
        description="Drop of expected free energy that keeping it brings, nats; below 0 it harms"
    )
    free_energy_with_kt: float
    free_energy_without_kt: float
    loss_with: float
    loss_without: float
    loss_unit: str

    def __str__(self) -> str:
        said = {"helps": "helps", "no_difference": "makes no difference", "worse": "makes things worse"}
        return (
            f"The plan {said[self.verdict]}: expected loss {self.loss_with:.4g} {self.loss_unit} with it, "
            f"{self.loss_without:.4g} {self.loss_unit} without; free-energy excess "
            f"{self.free_energy_with_kt:.4g} kT with it, {self.free_energy_without_kt:.4g} kT without"
        )


@operation(
    "shield_review",
    toolset="shield",
    scope="plan",
    title="Look back on a plan",
    read_only=True,
    cost=500,
    examples=examples.REVIEW,
)
async def shield_review(request: ReviewInput, context: OperationContext) -> ReviewOutput:
    """Compare, by the operator's model and the latest telemetry, keeping a plan with taking it back.

    Raises:
        ShieldError: If there is no such plan.
        OperationError: If nothing of it is in force.
    """
    review = await context.platform.run(review_plan, context.platform.services, request.plan_id)
    return ReviewOutput(
        plan_id=request.plan_id,
        verdict=review.verdict,
        gain=review.gain,
        free_energy_with_kt=review.kept.free_energy_excess_kt,
        free_energy_without_kt=review.taken_back.free_energy_excess_kt,
        loss_with=review.kept.loss,
        loss_without=review.taken_back.loss,
        loss_unit=review.kept.loss_unit,
    )
