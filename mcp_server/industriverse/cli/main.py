"""The command tree. Only click is imported here, so that ``--help`` answers at once."""

import sys
from pathlib import Path
from typing import Any

import click

from industriverse.cli.ask_command import ask
from industriverse.cli.atlas import atlas
from industriverse.cli.ledger import ledger
from industriverse.cli.room import keep_to_one_thread
from industriverse.physics.errors import IndustriverseError

__all__ = ["main"]


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
    keep_to_one_thread()


_tools = click.option("--tools", default=None, help="Comma-separated tools to show beside those.")
_exclude = click.option("--exclude", default=None, help="Comma-separated tools never to show.")
_log_format = click.option(
    "--log-format",
    default="text",
    show_default=True,
    type=click.Choice(["text", "json"]),
    help="How logs are written to standard error.",
)


@main.command()
@_home
@_toolsets
@_tools
@_exclude
@_read_only
@_log_format
def mcp(
    home: Path | None,
    toolsets: str | None,
    tools: str | None,
    exclude: str | None,
    read_only: bool,
    log_format: str,
) -> None:
    """Serve MCP over standard input and output, for a local MCP client."""
    from industriverse.cli.serving import SurfaceOptions, serve_stdio

    serve_stdio(home=home, surface=SurfaceOptions(toolsets, tools, exclude, read_only), log_format=log_format)


@main.command()
@_home
@_toolsets
@_tools
@_exclude
@_read_only
@_log_format
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--auth",
    default="none",
    show_default=True,
    type=click.Choice(["none", "token", "oauth"]),
    help="Who may call: anyone on this machine, holders of a token, or of a token or JWT.",
)
@click.option("--public-name", multiple=True, help="Host name by which clients reach the server; repeatable.")
@click.option("--issuer", help="Authorization server whose JWTs are taken.")
@click.option("--resource", help="Public URL of this server's /mcp, which JWTs must name as audience.")
@click.option("--jwks", help="File or URL of the issuer's keys.")
@click.option("--stateless", is_flag=True, help="Keep no sessions of older MCP clients.")
def serve(
    home: Path | None,
    toolsets: str | None,
    tools: str | None,
    exclude: str | None,
    read_only: bool,
    log_format: str,
    host: str,
    port: int,
    auth: str,
    public_name: tuple[str, ...],
    issuer: str | None,
    resource: str | None,
    jwks: str | None,
    stateless: bool,
) -> None:
    """Serve MCP at /mcp, REST and events at /v1, /healthz, /readyz and /metrics over HTTP."""
    from industriverse.cli.serving import HttpOptions, SurfaceOptions, serve_http

    serve_http(
        home=home,
        surface=SurfaceOptions(toolsets, tools, exclude, read_only),
        http=HttpOptions(host, port, auth, public_name, issuer, resource, jwks, stateless),
        log_format=log_format,
    )


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
@click.option(
    "--record",
    metavar="HOME",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep samples, tickets, incidents and energy states in this home, as stream FILE without its suffix.",
)
@click.option("--json", "as_json", is_flag=True, help="Print tickets and summary as JSON lines.")
def watch(file: Path, **options: Any) -> None:
    """Learn what is normal in FILE, then score every row and print tickets as they come.

    FILE is .csv, .parquet or .jsonl with one row per sample; or a log of events: Zeek conn.log, modbus.log and
    ICSNPP modbus_detailed.log, Suricata eve.json, or lines that begin with a time.
    """
    from industriverse.cli.watching import watch_file

    watch_file(file, **options)


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


@main.command()
@click.argument(
    "kind",
    type=click.Choice(
        ["file", "zeek", "suricata", "syslog-file", "syslog", "http", "prometheus", "host", "bus"]
    ),
)
@click.argument("target", default="")
@_home
@click.option("--stream", required=True, help="Stream that the records go to; made if it is new.")
@click.option(
    "--interval", "interval_s", default=1.0, show_default=True, type=click.FloatRange(0.01, 86_400.0)
)
@click.option("--bin", "bin_s", default=10.0, show_default=True, type=click.FloatRange(0.1, 86_400.0))
@click.option("--topic", default="sense", show_default=True, help="Topic of a bus.")
@click.option("--log", default="conn", show_default=True, help="Which Zeek log it is.")
@click.option("--once", is_flag=True, help="Read what is there and stop, instead of following.")
@click.option("--seconds", type=click.FloatRange(min=0.1), help="Stop after so many seconds.")
def collect(
    kind: str,
    target: str,
    home: Path | None,
    stream: str,
    interval_s: float,
    bin_s: float,
    topic: str,
    log: str,
    once: bool,
    seconds: float | None,
) -> None:
    """Feed a stream from KIND: a file, a log, a scrape, a port, this host or a bus.

    TARGET is a path, an address, or a port to listen on. Malformed records go to a dead-letter file and are
    counted; they never stop the stream.
    """
    from industriverse.cli.collecting import run_collector

    run_collector(
        kind,
        target,
        home=home,
        stream=stream,
        interval_s=interval_s,
        bin_s=bin_s,
        topic=topic,
        log=log,
        once=once,
        seconds=seconds,
    )


@main.group()
def incident() -> None:
    """Hand incidents on to other tools, and check what was handed on."""


@incident.command("export")
@click.argument("incident_id")
@_home
@click.option(
    "--form",
    default="bundle",
    show_default=True,
    type=click.Choice(["ocsf", "stix", "ecs", "cef", "syslog", "bundle"]),
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="File; standard output if absent."
)
def incident_export(incident_id: str, home: Path | None, form: str, out: Path | None) -> None:
    """Write an incident in a standard form, or all forms as one signed bundle."""
    from industriverse.cli.exporting import export_to_file

    export_to_file(incident_id, home=home, form=form, out=out)


@incident.command("verify")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--key", required=True, type=click.Path(path_type=Path), help="Public key of the issuer, PEM.")
def incident_verify(file: Path, key: Path) -> None:
    """Verify a signed bundle with the issuer's public key alone."""
    from industriverse.cli.exporting import verify_file

    verify_file(file, key)


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


@main.group()
def nvp() -> None:
    """Train predictors of fields and look at them."""


@nvp.command("train")
@click.option("--domain", required=True, help="vorticity, burgers or cahn_hilliard.")
@click.option(
    "--budget-s", required=True, type=click.FloatRange(min=1.0), help="Processor seconds for everything."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 10_000))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("predictor.safetensors"),
    show_default=True,
    help="Weights; the model card goes beside them as .json.",
)
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of data and checkpoint. Default: beside the weights, ending in .training.",
)
@click.option(
    "--trajectories", default=40, show_default=True, type=click.IntRange(min=2), help="To train on."
)
@click.option("--held-out", default=16, show_default=True, type=click.IntRange(min=2), help="For the gate.")
@click.option("--updates", type=click.IntRange(min=1), help="Fixed number of updates: reproducible weights.")
def nvp_train(
    domain: str,
    budget_s: float,
    seed: int,
    out: Path,
    work: Path | None,
    trajectories: int,
    held_out: int,
    updates: int | None,
) -> None:
    """Train the learned flux of a domain; run the same command again to go on after a kill."""
    from industriverse.cli.predicting import train_predictor

    train_predictor(
        domain=domain,
        budget_s=budget_s,
        seed=seed,
        out=out,
        work=work,
        trajectories=trajectories,
        held_out=held_out,
        updates=updates,
    )


@nvp.command("card")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def nvp_card(path: Path) -> None:
    """Print the model card inside a weights file."""
    from industriverse.cli.predicting import show_card

    show_card(path)


@main.group()
def agent() -> None:
    """Look at runs of the graphs, and answer what they ask a person."""


@agent.command("runs")
@_home
def agent_runs(home: Path | None) -> None:
    """List runs, newest first, with the question that each waits for."""
    from industriverse.cli.approving import show_runs

    show_runs(home)


@agent.command("approve")
@click.argument("thread_id")
@_home
@click.option("--reason", default="", help="Why, for the record.")
def agent_approve(thread_id: str, home: Path | None, reason: str) -> None:
    """Approve the plan that run THREAD_ID waits for, and go on with it."""
    from industriverse.cli.approving import answer_run

    answer_run(home, thread_id, approved=True, reason=reason)


@agent.command("decline")
@click.argument("thread_id")
@_home
@click.option("--reason", default="", help="Why, for the record.")
def agent_decline(thread_id: str, home: Path | None, reason: str) -> None:
    """Decline the plan that run THREAD_ID waits for."""
    from industriverse.cli.approving import answer_run

    answer_run(home, thread_id, approved=False, reason=reason)


for _further in (ask, atlas, ledger):
    main.add_command(_further)
