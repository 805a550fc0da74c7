"""ACE as an object: questions a forecast through whatever calls the tools, without checkpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from industriverse.graphs.ace import build_ace_graph
from industriverse.graphs.ace_questions import Goals
from industriverse.graphs.state import CallTool, GraphContext

__all__ = ["ACEAgent", "AceVerdict"]


@dataclass(frozen=True, slots=True)
class AceVerdict:
    """What ACE gives out.

    Attributes:
        emitted: Whether the forecast met every goal.
        forecast: Output of ``nvp_ensemble``; empty where ACE abstained.
        reason: Why it abstained.
        rounds: Settings and answers of every measurement, oldest first.
        spent_steps: Evaluations spent; 1,000 are one CEU.
    """

    emitted: bool
    forecast: Mapping[str, Any]
    reason: str
    rounds: Sequence[Mapping[str, Any]]
    spent_steps: int


class ACEAgent:
    """Aspiration, calibration, execution.

    Args:
        call_tool: Calls a tool by name with its arguments and returns its structured result; any MCP client does.
        goals: What forecasts have to reach; never lowered.
    """

    def __init__(self, call_tool: CallTool, goals: Goals) -> None:
        self._call_tool = call_tool
        self.goals = goals

    async def forecast(self, question: Mapping[str, Any], *, may_infer: Sequence[str] = ()) -> AceVerdict:
        """Question a forecast until it meets the goals or nothing is left to refine.

        Args:
            question: ``field_id`` and ``horizon_frames``, or ``stream`` and ``horizon_hours``, and perhaps a
                decision as ``limit``; see ``nvp_ensemble``.
            may_infer: Coefficients that refinement may read from the frames of a field.

        Raises:
            GraphError: If the goals were changed during the run.
        """
        ended = await build_ace_graph(None).ainvoke(
            {"question": dict(question), "goals": asdict(self.goals), "may_infer": list(may_infer)},
            context=GraphContext(call_tool=self._call_tool),
        )
        return AceVerdict(
            emitted=ended["outcome"] == "emitted",
            forecast=ended["forecast"],
            reason=ended["reason"],
            rounds=ended["rounds"],
            spent_steps=ended["spent_steps"],
        )
