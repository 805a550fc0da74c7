"""AI Shield v2: incidents, explanation, planning and response."""

from industriverse.shield.attack_techniques import TechniqueTag, tag_techniques
from industriverse.shield.errors import (
    ApprovalRequiredError,
    ExplanationError,
    PlanAlteredError,
    PlanBusyError,
    PlanExpiredError,
    PlannerError,
    PlanNotFoundError,
    PlanReplayedError,
    PlanStateError,
    PrincipalMismatchError,
    ShieldError,
    StoreError,
)
from industriverse.shield.explain import Explanation, SensorExplanation, explain
from industriverse.shield.incidents import close_incident, fuse_tickets, leading_entity
from industriverse.shield.openc2 import to_openc2
from industriverse.shield.plan import Action, CommandCandidate, Plan, RolloutOutcome
from industriverse.shield.planner import PlannerWeights, make_plan
from industriverse.shield.responder import (
    Actuator,
    ActuatorCommand,
    ExecutionReport,
    Responder,
    RevertReport,
)
from industriverse.shield.signing import PlanSigner, generate_plan_key, load_plan_key
from industriverse.shield.store import ActionRecord, ActionStatus, PlanRecord, PlanStatus, ShieldStore

__all__ = [
    "Action",
    "ActionRecord",
    "ActionStatus",
    "Actuator",
    "ActuatorCommand",
    "ApprovalRequiredError",
    "CommandCandidate",
    "ExecutionReport",
    "Explanation",
    "ExplanationError",
    "Plan",
    "PlanAlteredError",
    "PlanBusyError",
    "PlanExpiredError",
    "PlanNotFoundError",
    "PlanRecord",
    "PlanReplayedError",
    "PlanSigner",
    "PlanStateError",
    "PlanStatus",
    "PlannerError",
    "PlannerWeights",
    "PrincipalMismatchError",
    "Responder",
    "RevertReport",
    "RolloutOutcome",
    "SensorExplanation",
    "ShieldError",
    "ShieldStore",
    "StoreError",
    "TechniqueTag",
    "close_incident",
    "explain",
    "fuse_tickets",
    "generate_plan_key",
    "leading_entity",
    "load_plan_key",
    "make_plan",
    "tag_techniques",
    "to_openc2",
]
