"""Where the platform keeps its state, and the lock that makes one process its owner."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout
from platformdirs import user_data_path

from industriverse.operations.errors import HomeInUseError, OperationError
from industriverse.storage import write_whole

__all__ = ["Home", "default_home", "ledger_is_a_file", "ledger_of", "paths_of"]


def default_home() -> Path:
    """``INDUSTRIVERSE_HOME`` where it is set, else the platform's folder for user data."""
    configured = os.environ.get("INDUSTRIVERSE_HOME")
    return Path(configured).expanduser() if configured else user_data_path("industriverse", appauthor=False)


@dataclass(frozen=True, slots=True)
class _Paths:
    folder: Path

    @property
    def atlas(self) -> Path:
        return self.folder / "atlas"

    @property
    def objects(self) -> Path:
        return self.folder / "objects"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.sqlite"

    @property
    def outbox(self) -> Path:
        return self.folder / "outbox.sqlite"

    @property
    def charges(self) -> Path:
        return self.folder / "charges"

    @property
    def budgets(self) -> Path:
        return self.folder / "budgets.json"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints.sqlite"

    @property
    def plants(self) -> Path:
        return self.folder / "plants.sqlite"

    @property
    def challenges(self) -> Path:
        return self.folder / "challenges"

    @property
    def shield(self) -> Path:
        return self.folder / "shield.sqlite"

    @property
    def streams(self) -> Path:
        return self.folder / "streams"

    @property
    def certificates(self) -> Path:
        return self.folder / "certificates"

    @property
    def tokens(self) -> Path:
        return self.folder / "keys" / "tokens.sqlite"

    @property
    def audit(self) -> Path:
        return self.folder / "audit.sqlite"

    @property
    def tasks(self) -> Path:
        return self.folder / "tasks.sqlite"

    @property
    def requests(self) -> Path:
        return self.folder / "requests.sqlite"

    @property
    def bus(self) -> Path:
        return self.folder / "bus.sqlite"

    def tenant(self, name: str) -> Path:
        """Where the stores of a tenant live; names come from outside and mean nothing to the file system."""
        return self.folder / "tenants" / hashlib.sha256(name.encode()).hexdigest()[:32]

    @property
    def signing_key(self) -> Path:
        return self.folder / "keys" / "signing-key.pem"

    @property
    def public_key(self) -> Path:
        return self.folder / "keys" / "public-key.pem"

    @property
    def secret(self) -> Path:
        return self.folder / "keys" / "server-secret"


def paths_of(folder: Path) -> _Paths:
    """The paths of an installation that another process may own."""
    return _Paths(folder)


_LEDGER = "INDUSTRIVERSE_LEDGER"


def ledger_is_a_file() -> bool:
    """Whether the books of every installation of this process are in its folder."""
    return not os.environ.get(_LEDGER)


def ledger_of(folder: Path, tenant: str = "") -> str | Path:
    """Where an installation keeps its books: ``ledger.sqlite`` in its folder, or in PostgreSQL.

    ``INDUSTRIVERSE_LEDGER`` names the database, as in ``postgresql://user:password@host/name``. A tenant's books
    are in a schema of their own there, which is created when it is missing.

    Args:
        folder: The installation's or the tenant's own folder.
        tenant: Whose books; empty for the installation's own.

    Raises:
        LedgerError: If the variable names no PostgreSQL database, or the schema cannot be created.
    """
    url = os.environ.get(_LEDGER, "")
    if ledger_is_a_file():
        return _Paths(folder).ledger
    from industriverse.economy.database import in_schema

    return in_schema(url, f"tenant_{hashlib.sha256(tenant.encode()).hexdigest()[:32]}" if tenant else "")


class Home:
    """The folder of one platform, owned by this process while the object is open.

    Args:
        folder: Created with mode 0700 if missing.

    Raises:
        HomeInUseError: If another process owns the folder.
        OperationError: If the folder cannot be created or written.
    """

    def __init__(self, folder: Path) -> None:
        self.paths = _Paths(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = FileLock(folder / "owner.lock")
            self._lock.acquire(timeout=0)
        except Timeout:
            raise HomeInUseError(
                f"another process owns {folder}",
                hint="use its server, stop it, or set INDUSTRIVERSE_HOME to another folder",
            ) from None
        except OSError as error:
            raise OperationError(
                f"cannot use {folder} ({error.strerror})",
                hint="set INDUSTRIVERSE_HOME to a folder you can write",
            ) from None

    def secret(self) -> bytes:
        """The 32 secret bytes of this installation, created with mode 0600 on first use."""
        path = self.paths.secret
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(path, os.urandom(32), private=True)
        return path.read_bytes()

    def close(self) -> None:
        """Give the folder up."""
        self._lock.release()

    def __enter__(self) -> "Home":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
