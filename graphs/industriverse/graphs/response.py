"""The threat-response graph: sense, assess, forecast, reflect, plan, approve, act, verify, prove, record."""

from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from industriverse.graphs import response_nodes as nodes
from industriverse.graphs.state import GraphContext, ResponseState

__all__ = ["build_response_graph"]


def build_response_graph(
    checkpointer: BaseCheckpointSaver[Any] | None,
) -> CompiledStateGraph[ResponseState, GraphContext, ResponseState, ResponseState]:
    """Compile the graph on a durable checkpointer.

    The run stops at ``approve`` with an interrupt whose value holds ``plan_id`` and ``question``; it is
    resumed with ``{"approved": bool, "reason": str}``.
    """
    graph = StateGraph(ResponseState, context_schema=GraphContext)
    graph.add_node("sense", nodes.sense)
    graph.add_node("assess", nodes.assess)
    graph.add_node("forecast", nodes.forecast)
    graph.add_node("reflect", nodes.reflect)
    graph.add_node("plan", nodes.plan)
    graph.add_node("approve", nodes.approve)
    graph.add_node("act", nodes.act)
    graph.add_node("verify", nodes.verify)
    graph.add_node("review", nodes.review)
    graph.add_node("revert", nodes.revert)
    graph.add_node("prove", nodes.prove)
    graph.add_node("record", nodes.record)
    graph.add_edge(START, "sense")
    graph.add_edge("sense", "assess")
    graph.add_edge("assess", "forecast")
    graph.add_edge("reflect", "plan")
    graph.add_edge("revert", END)
    graph.add_edge("prove", "record")
    graph.add_edge("record", END)
    return graph.compile(checkpointer=checkpointer, name="threat_response")
