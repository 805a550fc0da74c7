"""The decision engine of the Energy Intelligence Layer under its stable import path."""

from industriverse.eil.decision import DecisionWeights, Option, Verdict
from industriverse.eil.optimizer import EILOptimizer

__all__ = ["DecisionWeights", "EILOptimizer", "Option", "Verdict"]
