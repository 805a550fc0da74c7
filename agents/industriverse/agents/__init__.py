"""The AI subdomain: agents that drive the platform as MCP clients."""
