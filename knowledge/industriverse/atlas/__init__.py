"""Energy Atlas: the graph of energy states and its object store."""
