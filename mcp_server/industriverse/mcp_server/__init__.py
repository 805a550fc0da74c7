"""The MCP server and the Bridge API (REST): every face of the operation registry."""
