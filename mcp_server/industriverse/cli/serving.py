"""Start the platform behind standard input and output or behind HTTP."""

import logging
from pathlib import Path

import click

from industriverse.operations.home import Home, default_home

__all__ = ["serve_http", "serve_stdio"]


def _selected(toolsets: str | None) -> frozenset[str] | None:
    if toolsets is None:
        return None
    return frozenset(name.strip() for name in toolsets.split(",") if name.strip())


def serve_stdio(*, home: Path | None, toolsets: str | None, read_only: bool) -> None:
    """Serve MCP over stdio until the client goes away."""
    logging.basicConfig(level=logging.WARNING)
    with Home(home or default_home()) as opened:
        from industriverse.mcp_server.composition import compose

        with compose(opened, read_only=read_only) as platform:
            from industriverse.mcp_server.app import create_mcp_server

            create_mcp_server(platform, toolsets=_selected(toolsets)).run("stdio")


def serve_http(*, home: Path | None, toolsets: str | None, read_only: bool, host: str, port: int) -> None:
    """Serve MCP and REST over HTTP on the loopback interface until interrupted."""
    with Home(home or default_home()) as opened:
        import uvicorn

        from industriverse.mcp_server.app import create_web_application
        from industriverse.mcp_server.composition import compose

        with compose(opened, read_only=read_only) as platform:
            app = create_web_application(platform, toolsets=_selected(toolsets))
            click.echo(f"MCP   http://{host}:{port}/mcp", err=True)
            click.echo(f"REST  http://{host}:{port}/docs", err=True)
            click.echo(f"home  {opened.paths.folder}", err=True)
            uvicorn.run(app, host=host, port=port, log_level="warning")
