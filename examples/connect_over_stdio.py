"""Connect to the platform over stdio with the MCP SDK, list its tools and call one.

Run it with ``python examples/connect_over_stdio.py``; it uses a temporary home and leaves nothing behind.
"""

import asyncio
import os
import sys
import tempfile

from mcp import Client, StdioServerParameters


async def main(home: str) -> None:
    """Print the default tool surface and the platform's status."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "industriverse.cli", "mcp", "--home", home],
        env=dict(os.environ),
    )
    async with Client(server) as client:
        for tool in (await client.list_tools()).tools:
            print(f"{tool.name:20} {tool.description}")
        status = await client.call_tool("platform_status", {})
        print(status.content[0].text if status.content[0].type == "text" else status.content[0])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(folder))
