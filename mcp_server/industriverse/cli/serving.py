"""Start the platform behind standard input and output or behind HTTP."""

import logging
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from industriverse.cli.room import make_room_for_libraries
from industriverse.operations.home import Home, default_home

if TYPE_CHECKING:
    from types import FrameType

    from industriverse.mcp_server.surface import Surface
    from industriverse.mcp_server.web import WebSettings

__all__ = ["HttpOptions", "SurfaceOptions", "serve_http", "serve_stdio"]

SHUTDOWN_S = 30


@dataclass(frozen=True, slots=True)
class SurfaceOptions:
    """Which tools to show, as comma-separated names."""

    toolsets: str | None
    tools: str | None
    exclude: str | None
    read_only: bool

    def surface(self) -> "Surface":
        """The choice that they make; operations must be declared before.

        Raises:
            UnknownOperationError: If a toolset or a tool does not exist.
        """
        from industriverse.mcp_server.surface import Surface, names_in

        return Surface(
            names_in(self.toolsets),
            names_in(self.tools) or frozenset(),
            names_in(self.exclude) or frozenset(),
            self.read_only,
        )


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """Where to listen, and who may call."""

    host: str
    port: int
    auth: str
    public: tuple[str, ...]
    issuer: str | None
    resource: str | None
    jwks: str | None
    stateless: bool

    def settings(self) -> "WebSettings":
        """What they ask for, checked.

        Raises:
            AuthenticationSettingsError: If the server would be reachable from elsewhere without authentication.
        """
        from industriverse.mcp_server.authentication import OAuthSettings
        from industriverse.mcp_server.errors import AuthenticationSettingsError
        from industriverse.mcp_server.web import LOOPBACK_NAMES, WebSettings, names_of

        oauth = None
        if self.auth == "oauth":
            if self.issuer is None or self.resource is None or self.jwks is None:
                raise AuthenticationSettingsError(
                    "--auth oauth needs --issuer, --resource and --jwks",
                    hint="they name the authorization server, this server and the keys",
                )
            oauth = OAuthSettings(self.issuer, self.resource, self.jwks)
        elsewhere = self.host not in LOOPBACK_NAMES
        if elsewhere and self.auth == "none":
            raise AuthenticationSettingsError(
                f"without authentication the server listens on the loopback interface alone, not on {self.host}",
                hint="add --auth token, or --auth oauth with --issuer, --resource and --jwks",
            )
        public = (*self.public, *((self.resource,) if self.resource else ()))
        if elsewhere and not public:
            raise AuthenticationSettingsError(
                "a server that is reached from elsewhere must know its own name",
                hint="add --public-name with the host name that clients use",
            )
        return WebSettings(names_of(public), self.auth == "token", oauth, stateless=self.stateless)


def serve_stdio(*, home: Path | None, surface: SurfaceOptions, log_format: str = "text") -> None:
    """Serve MCP over stdio until the client goes away."""
    make_room_for_libraries()
    _log(logging.WARNING, log_format)
    with Home(home or default_home()) as opened:
        from industriverse.mcp_server.composition import compose

        with compose(opened, read_only=surface.read_only) as platform:
            from industriverse.mcp_server.app import create_mcp_server

            create_mcp_server(platform, surface=surface.surface()).run("stdio")


def serve_http(
    *, home: Path | None, surface: SurfaceOptions, http: HttpOptions, log_format: str = "text"
) -> None:
    """Serve MCP and REST over HTTP until interrupted; then finish what runs and park what takes longer."""
    make_room_for_libraries()
    settings = http.settings()
    _log(logging.INFO if log_format == "json" else logging.WARNING, log_format)
    with Home(home or default_home()) as opened:
        import uvicorn

        from industriverse.mcp_server.app import create_web_application
        from industriverse.mcp_server.composition import compose
        from industriverse.mcp_server.live import MESSAGE_LIMIT
        from industriverse.mcp_server.tracing_export import export_traces

        export_traces()
        with compose(opened, read_only=surface.read_only) as platform:
            app = create_web_application(platform, surface=surface.surface(), settings=settings)
            click.echo(f"MCP   http://{http.host}:{http.port}/mcp", err=True)
            click.echo(f"REST  http://{http.host}:{http.port}/docs", err=True)
            click.echo(f"home  {opened.paths.folder}", err=True)
            config = uvicorn.Config(
                app,
                host=http.host,
                port=http.port,
                log_config=None,
                access_log=False,
                server_header=False,
                ws_max_size=MESSAGE_LIMIT,
                h11_max_incomplete_event_size=65_536,
                timeout_keep_alive=15,
                timeout_graceful_shutdown=SHUTDOWN_S,
            )
            server = uvicorn.Server(config)
            leave = server.handle_exit

            def told_to_stop(number: int, frame: "FrameType | None") -> None:
                app.state.shutdown.begin()
                leave(number, frame)

            server.handle_exit = told_to_stop  # type: ignore[method-assign, assignment]
            with suppress(KeyboardInterrupt):
                server.run()
            if not server.started:
                raise click.ClickException(
                    f"could not listen on {http.host}:{http.port}; choose another --port"
                )


def _log(level: int, log_format: str) -> None:
    from industriverse.mcp_server.logs import set_up_logs

    set_up_logs(level, log_format)
