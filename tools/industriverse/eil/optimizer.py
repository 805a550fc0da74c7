"""A decision with its weights fixed once: the decision engine as an object."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from industriverse.eil.decision import DecisionWeights, Option, Verdict, decide

__all__ = ["EILOptimizer"]


@dataclass(frozen=True, slots=True)
class EILOptimizer:
    """Chooses among options by expected free energy, irreversibility and cost.

    Attributes:
        weights: What counts; see :class:`industriverse.eil.decision.DecisionWeights`.
    """

    weights: DecisionWeights = field(default_factory=DecisionWeights)

    def optimize(self, options: Sequence[Option], nothing: Option) -> Verdict:
        """Rank options, doing nothing among them, the best first.

        Args:
            options: What could be done; energies in kT, losses in the unit of ``weights.loss_scale``.
            nothing: What is expected if nothing is done.

        Raises:
            DecisionError: If a name occurs twice or a number cannot be weighed.
        """
        return decide(options, nothing, self.weights)
