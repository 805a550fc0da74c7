"""Tokens and the audit log from the command line; a running server may stay up meanwhile."""

import time
from pathlib import Path

import click

from industriverse.operations.auditing import verify_audit
from industriverse.operations.home import default_home, paths_of
from industriverse.operations.roles import ROLES
from industriverse.operations.times import time_text
from industriverse.operations.tokens import TokenStore

__all__ = ["add_token", "list_tokens", "revoke_token", "verify_audit_log"]

NANOSECONDS_PER_DAY = 86_400 * 10**9


def _store(home: Path | None) -> TokenStore:
    return TokenStore(paths_of(home or default_home()).tokens)


def add_token(home: Path | None, name: str, role: str, tenant: str, days: float | None) -> None:
    """Make a token and print it, once."""
    now_ns = time.time_ns()
    expires_ns = None if days is None else now_ns + round(days * NANOSECONDS_PER_DAY)
    issued = _store(home).add(name, role, now_ns=now_ns, tenant=tenant, expires_ns=expires_ns)
    click.echo(issued.text)
    scopes = ", ".join(sorted(ROLES[role]))
    click.echo(f"token {issued.record.id} of {name}, {role} ({scopes}); it is shown only now", err=True)


def list_tokens(home: Path | None) -> None:
    """Print what is known of every token."""
    now_ns = time.time_ns()
    for record in _store(home).records():
        state = "good" if record.good(now_ns) else "revoked" if record.revoked_ns is not None else "expired"
        until = "never expires" if record.expires_ns is None else f"until {time_text(record.expires_ns)}"
        tenant = f" tenant {record.tenant}" if record.tenant else ""
        click.echo(f"{record.id}  {record.role:9}  {state:7}  {record.name}{tenant}, {until}")


def revoke_token(home: Path | None, token_id: str) -> None:
    """End a token; servers refuse it from the next request on."""
    _store(home).revoke(token_id, now_ns=time.time_ns())
    click.echo(f"token {token_id} is revoked")


def verify_audit_log(home: Path | None) -> None:
    """Recompute the chain of the audit log and of those of all tenants."""
    folder = home or default_home()
    logs = [paths_of(folder).audit, *sorted((folder / "tenants").glob("*/audit.sqlite"))]
    for path in logs:
        count, head = verify_audit(path)
        click.echo(f"{path}: {count} entries hold together, the last hash is {head}")
