"""ACE: a forecast that is questioned until it meets its goals, or is not given."""

from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from industriverse.graphs import ace_nodes as nodes
from industriverse.graphs.state import AceState, GraphContext

__all__ = ["build_ace_graph"]


def build_ace_graph(
    checkpointer: BaseCheckpointSaver[Any] | None,
) -> CompiledStateGraph[AceState, GraphContext, AceState, AceState]:
    """Aspiration, calibration (measure, question, refine), execution (emit or abstain).

    The run begins with ``question`` (arguments of ``nvp_ensemble``), ``goals`` and ``may_infer``, and ends with
    ``outcome`` ``emitted`` or ``abstained``.
    """
    graph = StateGraph(AceState, context_schema=GraphContext)
    graph.add_node("aspire", nodes.aspire)
    graph.add_node("measure", nodes.measure)
    graph.add_node("question", nodes.question)
    graph.add_node("refine", nodes.refine)
    graph.add_node("emit", nodes.emit)
    graph.add_node("abstain", nodes.abstain)
    graph.add_edge(START, "aspire")
    graph.add_edge("aspire", "measure")
    graph.add_edge("emit", END)
    graph.add_edge("abstain", END)
    return graph.compile(checkpointer=checkpointer, name="ace")
