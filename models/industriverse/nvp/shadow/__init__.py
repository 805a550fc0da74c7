"""Shadow ensemble: several forecasters, some of which may lie, and one answer or none."""

from industriverse.nvp.shadow.aggregation import geometric_median
from industriverse.nvp.shadow.council import Abstention, Council, Decision
from industriverse.nvp.shadow.votes import Round, Vote, cast

__all__ = ["Abstention", "Council", "Decision", "Round", "Vote", "cast", "geometric_median"]
