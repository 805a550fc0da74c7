"""The demonstration: an MCP client that drives the platform through its main job on a simulated plant."""
