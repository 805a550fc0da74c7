"""Whether a plan that was carried out is worth keeping, judged by what came to be known since."""

from dataclasses import dataclass
from typing import Literal

from industriverse.operations.errors import OperationError
from industriverse.operations.incidents import incident_of
from industriverse.operations.planning import TwinForecast
from industriverse.operations.responding import plan_of
from industriverse.operations.services import Services
from industriverse.shield.plan import RolloutOutcome
from industriverse.shield.planner import PlannerWeights, improvement

__all__ = ["Review", "review_plan"]


@dataclass(frozen=True, slots=True)
class Review:
    """A plan beside its absence, from now on.

    Attributes:
        verdict: Whether keeping it helps.
        gain: Drop of the expected free energy that keeping it brings, nats.
        kept: What is expected with it in force.
        taken_back: What is expected without it.
    """

    verdict: Literal["helps", "no_difference", "worse"]
    gain: float
    kept: RolloutOutcome
    taken_back: RolloutOutcome


def review_plan(services: Services, signed_id: str) -> Review:
    """Forecast the plant with the commands in force, and without those of one plan.

    Raises:
        PlanNotFoundError: If there is no such plan.
        OperationError: If nothing of it is in force.
    """
    record = plan_of(services, signed_id)
    forecast = TwinForecast.of(services, incident_of(services, record.plan.incident).stream)
    own = {action.idempotency_key for action in record.actions}
    active = forecast.plant.active_commands()
    others = [command for command in active if command.id not in own]
    if len(others) == len(active):
        raise OperationError(
            f"nothing of plan {record.plan.id} is in force", hint="review plans that were carried out"
        )
    kept, taken_back = forecast.under(active), forecast.under(others)
    weights = PlannerWeights()
    live = services.streams.watched(forecast.plant_id)
    gain = improvement(taken_back, kept, weights, ordinary_excess_kt=live.daily_work_limit_kt)
    verdict: Literal["helps", "no_difference", "worse"] = "no_difference"
    if abs(gain) >= weights.minimum_gain:
        verdict = "helps" if gain > 0 else "worse"
    return Review(verdict, gain, kept, taken_back)
