"""The command tree. Only click is imported here, so that ``--help`` answers at once."""

import sys
from pathlib import Path

import click

from industriverse.physics.errors import IndustriverseError

__all__ = ["main"]

LOOPBACK_HOSTS = ("127.0.0.1", "localhost")


class _OneLineErrors(click.Group):
    """Turns every error that is raised on purpose into one line and exit code 1."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except IndustriverseError as error:
            raise click.ClickException(" ".join(str(error).split())) from error


def _version(context: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: ARG001
    if not value or context.resilient_parsing:
        return
    from industriverse.operations.version import platform_version

    click.echo(f"industriverse {platform_version()}")
    context.exit()


_home = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="INDUSTRIVERSE_HOME",
    help="Folder of the platform's state. Default: INDUSTRIVERSE_HOME or your user data folder.",
)
_toolsets = click.option(
    "--toolsets",
    default=None,
    help="Comma-separated toolsets to show, or 'all'. Default: the default surface.",
)
_read_only = click.option("--read-only", is_flag=True, help="Offer only operations that change nothing.")


@click.group(cls=_OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version."
)
def main() -> None:
    """Thermodynamic cybersecurity, driven through an MCP server.

    Telemetry becomes energy and entropy; attacks and faults show as disturbances of that field.
    """


@main.command()
@_home
@_toolsets
@_read_only
def mcp(home: Path | None, toolsets: str | None, read_only: bool) -> None:
    """Serve MCP over standard input and output, for a local MCP client."""
    from industriverse.cli.serving import serve_stdio

    serve_stdio(home=home, toolsets=toolsets, read_only=read_only)


@main.command()
@_home
@_toolsets
@_read_only
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    type=click.Choice(LOOPBACK_HOSTS),
    help="Loopback only: this version has no authentication to offer beyond it.",
)
@click.option("--port", default=8765, show_default=True, type=click.IntRange(1, 65535))
def serve(home: Path | None, toolsets: str | None, read_only: bool, host: str, port: int) -> None:
    """Serve MCP at /mcp, REST at /v1, /healthz and /metrics over HTTP."""
    from industriverse.cli.serving import serve_http

    serve_http(home=home, toolsets=toolsets, read_only=read_only, host=host, port=port)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--clean-rows", type=click.IntRange(min=1), help="Learn from the first N rows.")
@click.option("--clean-until", metavar="TIME", help="Learn from the rows before an ISO 8601 time.")
@click.option(
    "--budget",
    default="1/day",
    show_default=True,
    metavar="N/day|N/hour|N/week",
    help="False tickets that you accept.",
)
@click.option("--time-column", metavar="NAME", help="Column that holds the time. Default: found by name.")
@click.option(
    "--channels", metavar="A,B,…", help="Columns to use. Default: all but the time and the ignored ones."
)
@click.option("--ignore", metavar="A,B,…", help="Columns to leave out, such as labels.")
@click.option(
    "--interval",
    "interval_s",
    type=click.FloatRange(min=1e-6, max=366 * 86_400.0),
    metavar="SECONDS",
    help="Seconds between rows of a file without a time column.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write scores, one row per input row, as .parquet or .csv.",
)
@click.option(
    "--format",
    "file_format",
    default="auto",
    show_default=True,
    type=click.Choice(("auto", "table", "zeek", "suricata", "lines")),
    help="A table of samples, or events: a Zeek log, Suricata eve.json, or lines of a time and a message.",
)
@click.option("--entity", default="host", show_default=True, help="Who wrote the lines of a plain log.")
@click.option("--json", "as_json", is_flag=True, help="Print tickets and summary as JSON lines.")
def watch(
    file: Path,
    clean_rows: int | None,
    clean_until: str | None,
    budget: str,
    time_column: str | None,
    channels: str | None,
    ignore: str | None,
    interval_s: float | None,
    out: Path | None,
    file_format: str,
    entity: str,
    as_json: bool,
) -> None:
    """Learn what is normal in FILE, then score every row and print tickets as they come.

    FILE is .csv, .parquet or .jsonl with one row per sample; or a log of events: Zeek conn.log, modbus.log and
    ICSNPP modbus_detailed.log, Suricata eve.json, or lines that begin with a time.
    """
    from industriverse.cli.watching import watch_file

    watch_file(
        file,
        clean_rows=clean_rows,
        clean_until=clean_until,
        budget=budget,
        time_column=time_column,
        channels=channels,
        ignore=ignore,
        interval_s=interval_s,
        out=out,
        file_format=file_format,
        entity=entity,
        as_json=as_json,
    )


@main.command()
@_home
@click.option("--no-attack", is_flag=True, help="Run the plant clean: there must be no ticket.")
@click.option("--no-response", is_flag=True, help="Let the attack run: the damage is shown.")
@click.option("--decline", is_flag=True, help="Refuse the plan when asked.")
@click.option("--seed", default=7, show_default=True, help="Seed of the simulated demands and sensors.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as one JSON document.")
def demo(
    home: Path | None, no_attack: bool, no_response: bool, decline: bool, seed: int, as_json: bool
) -> None:
    """Run the main job on a simulated water network: detect, explain, respond, prove, remember.

    An MCP client starts `industriverse mcp` and drives it, as an assistant would.
    """
    from industriverse.cli.demonstrating import run_demo

    sys.exit(
        run_demo(
            home, no_attack=no_attack, no_response=no_response, decline=decline, seed=seed, as_json=as_json
        )
    )


@main.group()
def proof() -> None:
    """Check certificates of equilibrium, offline."""


@proof.command("verify")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--key", required=True, type=click.Path(path_type=Path), help="Public key of the issuer, PEM.")
@click.option(
    "--evidence", type=click.Path(path_type=Path), help="The raw window that the certificate speaks of."
)
@click.option("--json", "as_json", is_flag=True, help="Print the verified statement as JSON.")
def proof_verify(file: Path, key: Path, evidence: Path | None, as_json: bool) -> None:
    """Verify the certificate in FILE with the issuer's public key alone."""
    from industriverse.cli.proving import verify_file

    verify_file(file, key, evidence=evidence, as_json=as_json)


@main.group()
def token() -> None:
    """Make, list and revoke the bearer tokens of a server; it may run meanwhile."""


@token.command("add")
@click.argument("name")
@_home
@click.option(
    "--role",
    default="viewer",
    show_default=True,
    type=click.Choice(["viewer", "operator", "responder", "admin"]),
    help="What the holder may do.",
)
@click.option(
    "--tenant", default="", help="Open the stores of this tenant instead of the installation's own."
)
@click.option("--days", type=click.FloatRange(min=0.001, max=3660.0), help="Days until it expires.")
def token_add(name: str, home: Path | None, role: str, tenant: str, days: float | None) -> None:
    """Print a new token for NAME; it is stored only as a hash."""
    from industriverse.cli.access import add_token

    add_token(home, name, role, tenant, days)


@token.command("list")
@_home
def token_list(home: Path | None) -> None:
    """List the tokens that were ever made."""
    from industriverse.cli.access import list_tokens

    list_tokens(home)


@token.command("revoke")
@click.argument("token_id")
@_home
def token_revoke(token_id: str, home: Path | None) -> None:
    """End the token with this id, from token list."""
    from industriverse.cli.access import revoke_token

    revoke_token(home, token_id)


@main.group()
def audit() -> None:
    """Check the audit log."""


@audit.command("verify")
@_home
def audit_verify(home: Path | None) -> None:
    """Recompute the hash chain of every call that was written down."""
    from industriverse.cli.access import verify_audit_log

    verify_audit_log(home)
