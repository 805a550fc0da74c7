"""``industriverse ledger``: verify, sign and prove the books; a running server may stay up meanwhile."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from industriverse.economy.ledger import Ledger
    from industriverse.operations.books import ProofItem

__all__ = ["ledger"]

_home = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="INDUSTRIVERSE_HOME",
    help="Folder of the platform's state. Default: INDUSTRIVERSE_HOME or your user data folder.",
)
_database = click.option(
    "--database", metavar="URL", help="A ledger elsewhere: a SQLite file or a PostgreSQL URL."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print the outcome as one JSON document.")


def _folder(home: Path | None) -> Path:
    from industriverse.operations.home import default_home

    return home or default_home()


@contextmanager
def _opened(home: Path | None, database: str | None) -> "Iterator[Ledger]":
    from industriverse.economy.errors import LedgerError
    from industriverse.economy.ledger import Ledger
    from industriverse.operations.home import ledger_of

    place: str | Path = database or ledger_of(_folder(home))
    path = Path(str(place).removeprefix("sqlite:///"))
    # Whoever checks a ledger does not want a new one.
    if not str(place).startswith("postgresql") and not path.exists():
        raise LedgerError(f"there is no ledger {path}", hint="name the home or the database of one")
    with Ledger(place) as opened:
        yield opened


def _key_file(home: Path | None, given: Path | None, name: str) -> Path:
    from industriverse.economy.errors import CheckpointError

    path = given or _folder(home) / "keys" / name
    if not path.exists():
        raise CheckpointError(f"there is no key {path}", hint="name one, or let the server make its own")
    return path


def _note(path: Path, key: Path) -> Any:
    from industriverse.economy.checkpoints import open_note
    from industriverse.economy.errors import CheckpointError
    from industriverse.eil.proof.keys import load_public_key

    try:
        text = path.read_text()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}", hint="give a signed note") from error
    return open_note(text, load_public_key(key.read_bytes()))


@click.group()
def ledger() -> None:
    """Verify, sign and prove the ledger; a running server may stay up meanwhile."""


@ledger.command()
@_home
@_database
@click.option(
    "--from",
    "checkpoint",
    type=click.Path(path_type=Path),
    help="Start behind this signed checkpoint that you kept.",
)
@click.option(
    "--key", type=click.Path(path_type=Path), help="Public key of the checkpoint. Default: the home's."
)
@_json
def verify(
    home: Path | None, database: str | None, checkpoint: Path | None, key: Path | None, as_json: bool
) -> None:
    """Recompute every hash, balance, supply and contract, and name the first entry that is wrong."""
    start = None if checkpoint is None else _note(checkpoint, _key_file(home, key, "public-key.pem"))
    with _opened(home, database) as opened:
        report = opened.verify(from_checkpoint=start)
    supply = {asset.value: amount for asset, amount in report.supply.items()}
    if as_json:
        document = {
            "ok": report.ok,
            "fault": None if report.fault is None else str(report.fault),
            "sequence": None if report.fault is None else report.fault.sequence,
            "transactions": report.transactions,
            "taken_from_checkpoint": report.start,
            "head": report.head,
            "root": report.root.hex(),
            "supply_micro": supply,
        }
        click.echo(json.dumps(document))
    elif report.ok:
        click.echo(
            f"{report.transactions} transactions are in order, {report.start} of them by the checkpoint"
        )
        click.echo(f"head {report.head}\nroot {report.root.hex()}")
        click.echo("supply " + ", ".join(f"{amount / 1e6:.6f} {asset}" for asset, amount in supply.items()))
    if not report.ok:
        if not as_json:
            click.echo(f"the ledger is NOT in order: {report.fault}", err=True)
        raise click.exceptions.Exit(1)


@ledger.command()
@_home
@_database
@click.option("--key", type=click.Path(path_type=Path), help="Signing key. Default: the home's.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the note to this file.")
def checkpoint(home: Path | None, database: str | None, key: Path | None, out: Path | None) -> None:
    """Sign what the ledger is now; keep the note where the ledger's owner cannot change it."""
    from industriverse.economy.transparency import TransparencyLog
    from industriverse.eil.proof.keys import key_id, load_signing_key

    signer = load_signing_key(_key_file(home, key, "signing-key.pem"))
    origin = f"industriverse/{key_id(signer.public_key())[:16]}/ledger"
    with _opened(home, database) as opened:
        note = TransparencyLog(opened, origin).checkpoint(signer)
    if out is None:
        click.echo(note, nl=False)
    else:
        out.write_text(note)
        click.echo(f"wrote {out}")


@ledger.command()
@click.argument("sequence", type=click.IntRange(min=1))
@_home
@_database
@click.option("--since", type=click.IntRange(min=1), help="Also prove that the log grew from this size.")
def proof(sequence: int, home: Path | None, database: str | None, since: int | None) -> None:
    """Print the proof that transaction SEQUENCE is in the log, as JSON for a stranger."""
    from industriverse.operations.books import proof_of

    with _opened(home, database) as opened:
        click.echo(proof_of(opened, sequence, since).model_dump_json())


@ledger.command("check-proof")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--key", required=True, type=click.Path(path_type=Path), help="Public key of the log, PEM.")
@click.option("--since", "earlier", type=click.Path(path_type=Path), help="A checkpoint that you kept.")
def check_proof(file: Path, key: Path, earlier: Path | None) -> None:
    """Check a proof offline: the signature of its checkpoint, its path, and growth from one that you kept."""
    from industriverse.economy.checkpoints import open_note
    from industriverse.economy.errors import CheckpointError
    from industriverse.eil.proof.keys import load_public_key
    from industriverse.operations.books import ProofItem

    try:
        item = ProofItem.model_validate_json(file.read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{file} is no proof: {error}", hint="give the output of ledger proof"
        ) from error
    if item.checkpoint is None:
        raise CheckpointError("nobody signed this proof's root", hint="sign with ledger checkpoint first")
    signed = open_note(item.checkpoint, load_public_key(key.read_bytes()))
    kept = None if earlier is None else _note(earlier, key)
    problem = _proof_problem(item, signed, kept)
    if problem:
        raise CheckpointError(problem, hint="do not trust this ledger")
    click.echo(f"VALID: transaction {item.sequence} is among the first {signed.size} of {signed.origin}")
    if kept is not None:
        click.echo(f"the first {kept.size} are those of the checkpoint that you kept")


def _proof_problem(item: "ProofItem", signed: Any, kept: Any) -> str:
    from industriverse.economy.merkle import verify_consistency, verify_inclusion
    from industriverse.economy.tiles import leaf_of

    try:
        leaf, path = leaf_of(item.transaction_hash), [bytes.fromhex(node) for node in item.path]
        growth = [bytes.fromhex(node) for node in item.growth_path]
    except ValueError:
        return "a hash of the proof is not hexadecimal"
    if not verify_inclusion(item.sequence - 1, signed.size, leaf, path, signed.root):
        return f"transaction {item.sequence} is not proved under the signed root"
    if kept is None:
        return ""
    if kept.origin != signed.origin or item.grown_from != kept.size:
        return f"the proof does not speak of growth from size {kept.size} of {kept.origin}"
    if not verify_consistency(kept.size, signed.size, growth, kept.root, signed.root):
        return "the log is not the one of the checkpoint that you kept"
    return ""


@ledger.command()
@click.argument("account")
@click.argument("amount")
@click.argument("asset", type=click.Choice(["CEU", "MUNT"]))
@click.option("--once", "key", required=True, help="A name of this issue; the same name issues once.")
@_home
@_database
def issue(account: str, amount: str, asset: str, key: str, home: Path | None, database: str | None) -> None:
    """Bring AMOUNT of CEU or MUNT into being for ACCOUNT; only whoever owns the machine can."""
    from industriverse.economy.money import Asset
    from industriverse.operations.amounts import micro, units

    with _opened(home, database) as opened:
        done = opened.issue(
            key=f"issue:{key}", asset=Asset(asset), account=account, amount=micro(amount, "amount")
        )
        held = units(opened.balance(account, Asset(asset)))
    click.echo(f"{account} holds {held} {asset} (transaction {done.sequence})")


@ledger.command()
@click.option("--work", is_flag=True, help="Try what is due now.")
@click.option("--retry", "dead", metavar="PROOF", help="Take this dead letter back, with all its attempts.")
@_home
@_database
@_json
def proofs(work: bool, dead: str | None, home: Path | None, database: str | None, as_json: bool) -> None:
    """List the certificates on their way to the mint, the dead letters among them."""
    import time

    from industriverse.economy.validation import ProofQueue
    from industriverse.operations.books import queue_of
    from industriverse.operations.home import paths_of
    from industriverse.operations.minting import proof_mint

    with _opened(home, database) as opened:
        if work or dead is not None:
            key = _key_file(home, None, "public-key.pem").read_bytes()
            mint = proof_mint(opened, paths_of(_folder(home)).certificates, key, time.time_ns)
            queue = ProofQueue(mint)
            if dead is not None:
                queue.retry(dead)
            queue.run()
        found = queue_of(opened, None, 1_000)
    if as_json:
        click.echo(json.dumps([item.model_dump() for item in found]))
        return
    for item in found:
        told = f"transaction {item.ledger_sequence}" if item.ledger_sequence else item.reason
        click.echo(f"{item.proof_id}  {item.state}  {item.owner}  {item.attempts} attempts  {told}")
    if not found:
        click.echo("the queue is empty")
