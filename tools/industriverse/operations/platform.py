"""The stores and services of one installation, opened when first used and by one thread."""

import asyncio
import contextvars
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from prometheus_client import Gauge, Histogram

from industriverse.operations.agents import GraphRuns
from industriverse.operations.asking import Answers
from industriverse.operations.auditing import AuditLog
from industriverse.operations.changes import Changes
from industriverse.operations.context import OWNERS
from industriverse.operations.errors import NotAllowedError
from industriverse.operations.home import Home, ledger_is_a_file, ledger_of
from industriverse.operations.kept_reads import KeptReads
from industriverse.operations.metering import Meter, read_budgets
from industriverse.operations.services import Services
from industriverse.storage import CommitWatch

if TYPE_CHECKING:
    from industriverse.economy.ledger import Ledger

__all__ = ["Platform"]

_STORE_WAIT = Histogram(
    "industriverse_store_wait_seconds", "Time that work waits for the thread of the stores"
)
_STORE_CALLS = Gauge("industriverse_store_calls", "Work that waits for the stores or runs on them")

P = ParamSpec("P")
T = TypeVar("T")


class Platform:
    """What every operation works on.

    All stores are touched by one worker thread, in the order of the calls: an installation has one owner and
    its writes have one order.

    Args:
        home: The folder of the installation; the caller closes it.
        read_only: Refuse every operation that changes something.
        connect_graphs: Makes the runner of the graphs when it is first used.
        connect_answers: Makes what answers questions when it is first used.
        clock: Returns the present time in nanoseconds since 1970-01-01 UTC.
        tenant: Whose stores these are; empty for the installation's own.
    """

    def __init__(
        self,
        home: Home,
        *,
        read_only: bool = False,
        connect_graphs: Callable[["Platform"], GraphRuns],
        connect_answers: Callable[["Platform"], Answers],
        clock: Callable[[], int] = time.time_ns,
        tenant: str = "",
    ) -> None:
        self.home = home
        self.read_only = read_only
        self.clock = clock
        self.tenant = tenant
        self.changed = Changes()
        self._connect_graphs = connect_graphs
        self._connect_answers = connect_answers
        self._tenants: dict[str, Platform] = {}
        self._watches: tuple[CommitWatch, ...] = ()
        self._reads: tuple[KeptReads, ...] = ()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="industriverse-stores")

    @cached_property
    def services(self) -> Services:
        """The stores; only for functions that run through :meth:`run`."""
        return Services(self.home, clock=self.clock, tenant=self.tenant)

    @cached_property
    def meter(self) -> Meter:
        """Who may spend how much, and what was spent; for any thread."""
        return Meter(
            self.home.paths.charges,
            self._open_ledger,
            # Owners are metered, and never starved.
            budgets=read_budgets(self.home.paths.budgets, () if self.tenant else OWNERS),
            clock=self.clock,
            book=not self.read_only,
        )

    def _open_ledger(self) -> "Ledger":
        from industriverse.economy.ledger import Ledger

        return Ledger(ledger_of(self.home.paths.folder, self.tenant))

    @cached_property
    def graphs(self) -> GraphRuns:
        """Runs of the graphs."""
        return self._connect_graphs(self)

    @cached_property
    def answers(self) -> Answers:
        """What answers questions, with the conversations that it remembers."""
        return self._connect_answers(self)

    @cached_property
    def ledger_reads(self) -> KeptReads:
        """What was read of the ledger since it last changed; nothing where the books are in a database."""
        if not ledger_is_a_file():
            # A file that was used before the books moved says nothing about them.
            return KeptReads(lambda: None, self.clock)
        return self._kept(self.home.paths.ledger)

    @cached_property
    def shield_reads(self) -> KeptReads:
        """What was read of tickets, incidents and their handling since they last changed."""
        return self._kept(self.home.paths.shield)

    @cached_property
    def stream_reads(self) -> KeptReads:
        """What was read of streams and plants since they last changed; who reads a reference names its file, too."""
        streams = self.home.paths.streams
        return self._kept(streams / "samples.sqlite", streams / "journal.sqlite", self.home.paths.plants)

    def _kept(self, *files: Path) -> KeptReads:
        """Answers that hold as long as nothing was committed to any of some files."""
        watches = tuple(CommitWatch(path) for path in files)
        self._watches += watches

        def version() -> tuple[tuple[int, int], ...] | None:
            found = tuple(watch.version() for watch in watches)
            known = tuple(one for one in found if one is not None)
            return known if len(known) == len(found) else None

        kept = KeptReads(version, self.clock)
        self._reads += (kept,)
        return kept

    @cached_property
    def audit(self) -> AuditLog:
        """Every call of an operation on these stores."""
        return AuditLog(self.home.paths.audit)

    def of_tenant(self, tenant: str) -> "Platform":
        """The platform of a tenant: a folder, stores, keys and an audit log of its own, opened on first use.

        Raises:
            NotAllowedError: If this platform belongs to another tenant.
        """
        if tenant == self.tenant:
            return self
        if self.tenant:
            raise NotAllowedError(
                "these stores belong to another tenant", hint="call the server with your own token"
            )
        if tenant not in self._tenants:
            home = Home(self.home.paths.tenant(tenant))
            self._tenants[tenant] = Platform(
                home,
                read_only=self.read_only,
                connect_graphs=self._connect_graphs,
                connect_answers=self._connect_answers,
                clock=self.clock,
                tenant=tenant,
            )
        return self._tenants[tenant]

    def tenants(self) -> tuple["Platform", ...]:
        """This platform and those of the tenants that were opened."""
        return (self, *self._tenants.values())

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking function on the thread that owns the stores."""
        loop = asyncio.get_running_loop()
        # The caller's context goes along, so that steps counted there are those of this call.
        caller = contextvars.copy_context()
        asked = time.perf_counter()

        def work() -> T:
            _STORE_WAIT.observe(time.perf_counter() - asked)
            return caller.run(function, *args, **kwargs)

        _STORE_CALLS.inc()
        try:
            return await loop.run_in_executor(self._worker, work)
        finally:
            _STORE_CALLS.dec()

    def close(self) -> None:
        """Finish what runs and close the stores."""
        if "meter" in self.__dict__:
            self.meter.close()
        for tenant in self._tenants.values():
            tenant.close()
            tenant.home.close()
        self._tenants.clear()
        if "services" in self.__dict__:
            self._worker.submit(self.services.close).result()
        self._worker.shutdown(wait=True)
        for kept in self._reads:
            kept.forget_all()
        for watch in self._watches:
            watch.close()
        if "audit" in self.__dict__:
            self.audit.close()

    def __enter__(self) -> "Platform":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
