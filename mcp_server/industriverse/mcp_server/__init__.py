"""The MCP server and the Bridge API."""
