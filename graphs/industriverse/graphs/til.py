"""TIL: awareness, decision and metacognition over one stream."""

from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from industriverse.graphs import til_nodes as nodes
from industriverse.graphs.state import GraphContext, TilState

__all__ = ["build_til_graph"]


def build_til_graph(
    checkpointer: BaseCheckpointSaver[Any] | None,
) -> CompiledStateGraph[TilState, GraphContext, TilState, TilState]:
    """Attend, weigh, reflect, then advise or decline.

    The run begins with ``stream``, ``horizon_hours`` and ``options``, and ends with ``outcome`` ``advised`` or
    ``abstained``.
    """
    graph = StateGraph(TilState, context_schema=GraphContext)
    graph.add_node("attend", nodes.attend)
    graph.add_node("weigh", nodes.weigh)
    graph.add_node("reflect", nodes.reflect)
    graph.add_node("advise", nodes.advise)
    graph.add_node("decline", nodes.decline)
    graph.add_edge(START, "attend")
    graph.add_edge("attend", "weigh")
    graph.add_edge("advise", END)
    graph.add_edge("decline", END)
    return graph.compile(checkpointer=checkpointer, name="til")
