"""LangGraph graphs: the threat-response loop and its durable runtime."""
