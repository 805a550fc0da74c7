"""The Energy Atlas of one installation: its engine, its objects, and the outbox that feeds both.

Whoever has something to remember promises it to the outbox, which is on the disk when that returns, and goes
on; a thread carries it over. So a graph or an object store that is away or slow holds nobody up.
"""

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import Counter

from industriverse.atlas.applying import Applier, ApplyReport, Pump
from industriverse.atlas.bolt_settings import BoltSettings
from industriverse.atlas.errors import AtlasUnreachableError, OutboxFullError
from industriverse.atlas.outbox import Outbox
from industriverse.operations.errors import InvalidArgumentsError

if TYPE_CHECKING:
    from industriverse.atlas import Record, Transition
    from industriverse.atlas.archive import Archive
    from industriverse.atlas.checkpoints import Checkpoints
    from industriverse.atlas.graph import GraphAtlas
    from industriverse.atlas.history import History
    from industriverse.atlas.objects import ObjectStore

__all__ = ["AtlasMemory", "PromisedObjects", "environment_of"]

logger = logging.getLogger(__name__)

_PUT_OFF = Counter("industriverse_atlas_put_off", "Times that the outbox was full and a stream had to wait")

CAPACITY = 100_000
"""Entries that may wait: at regime granularity, years of an outage; it bounds the disk and the memory."""

KEPT_STATES = 50_000
"""States that the embedded graph holds in memory; older ones are archived. ``INDUSTRIVERSE_ATLAS_STATES``.

A transaction that removes states works on a copy of the graph, so the memory of this many is needed twice.
"""

ARCHIVE_EVERY = 5_000
"""Entries carried over between two looks at whether states must be archived."""

KEPT_WEIGHTS = 5
"""Versions of a model of which the weights are kept, looked after when states are archived."""

KEPT_DAYS = 30
"""Days for which entries that were carried over stay, to repair the graph and the objects from."""

NANOSECONDS_PER_DAY = 86_400 * 10**9


def environment_of(tenant: str, environment: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """What the environment says about the stores of a tenant.

    Tenants never share a graph: on the server there is one for the installation, theirs are embedded in their
    own folders. In a bucket each has a folder of its own.
    """
    if not tenant:
        return environment
    own = {name: value for name, value in environment.items() if not name.startswith("INDUSTRIVERSE_NEO4J_")}
    folder = hashlib.sha256(tenant.encode()).hexdigest()[:32]
    prefix = environment.get("INDUSTRIVERSE_S3_PREFIX", "").rstrip("/")
    return {**own, "INDUSTRIVERSE_S3_PREFIX": f"{prefix}/tenants/{folder}".lstrip("/")}


class PromisedObjects:
    """Takes objects as the object store does, without waiting for it."""

    def __init__(self, memory: "AtlasMemory", stream: str = "") -> None:
        self._memory, self._stream = memory, stream

    def put_bytes(self, content: bytes) -> str:
        """Promise an object and return its key.

        Raises:
            OutboxFullError: If too much waits.
        """
        self._memory.promise(self._stream, objects=[content])
        return hashlib.sha256(content).hexdigest()


class AtlasMemory:
    """Opens each store when it is first needed, in whichever thread that is.

    Args:
        graph_folder: Where the embedded graph lives.
        objects_folder: Where local objects live.
        outbox: SQLite database of the outbox.
        clock: Returns the present time in nanoseconds since 1970-01-01 UTC.
        environment: ``INDUSTRIVERSE_NEO4J_…`` puts the graph on a server, ``INDUSTRIVERSE_S3_…`` the objects.
        capacity: Entries that may wait at most.
    """

    def __init__(
        self,
        graph_folder: Path,
        objects_folder: Path,
        outbox: Path,
        *,
        clock: Callable[[], int],
        environment: Mapping[str, str] = os.environ,
        capacity: int = CAPACITY,
    ) -> None:
        self._graph_folder, self._objects_folder = graph_folder, objects_folder
        self._clock, self._environment = clock, environment
        self._opening = threading.RLock()
        self._graph: GraphAtlas | None = None
        self._objects: ObjectStore | None = None
        self._pump: Pump | None = None
        self._since_archived = 0
        self.outbox = Outbox(outbox, capacity=capacity, clock=clock)

    @property
    def atlas(self) -> "GraphAtlas":
        """The graph: on the server that the environment names, else embedded.

        Raises:
            AtlasError: If it cannot be opened.
        """
        with self._opening:
            if self._graph is None:
                self._graph = self._open_graph()
            return self._graph

    @property
    def objects(self) -> "ObjectStore":
        """The objects: in the bucket that the environment names, else in a folder."""
        with self._opening:
            if self._objects is None:
                self._objects = self._open_objects()
            return self._objects

    @cached_property
    def archive(self) -> "Archive":
        """States that left the graph."""
        from industriverse.atlas.archive import Archive

        return Archive(self.atlas, self.objects)

    @cached_property
    def checkpoints(self) -> "Checkpoints":
        """What models consist of, such as the references that streams were learned to."""
        from industriverse.atlas.checkpoints import Checkpoints

        return Checkpoints(self.atlas, self.objects, clock=self._clock)

    @cached_property
    def history(self) -> "History":
        """Graph and archive as one, for searching."""
        from industriverse.atlas.history import History

        return History(self.atlas, self.archive)

    @cached_property
    def kept_states(self) -> int | None:
        """States that the graph may hold, None for all of them.

        Raises:
            InvalidArgumentsError: If the environment gives no such number.
        """
        text = self._environment.get("INDUSTRIVERSE_ATLAS_STATES")
        if text is None:
            return KEPT_STATES if BoltSettings.from_environment(self._environment) is None else None
        if not text.isascii() or not text.isdigit() or int(text) < 1:
            raise InvalidArgumentsError(
                f"INDUSTRIVERSE_ATLAS_STATES is {text[:40]!r}", hint="give a number of states, 1 or more"
            )
        return int(text)

    @property
    def waiting(self) -> str:
        """Why promises wait, empty if they do not."""
        return "" if self._pump is None else self._pump.last.waiting

    def promise(
        self,
        stream: str,
        records: "Sequence[Record | Transition]" = (),
        *,
        objects: Sequence[bytes] = (),
        states: Sequence[str] = (),
        mark: str | None = None,
        key: str = "",
    ) -> None:
        """Have something remembered; it is on the disk when this returns, and nothing is waited for.

        A promise under a ``key`` that was made before is not made again.

        Raises:
            OutboxFullError: If too much waits.
        """
        try:
            self.outbox.append(stream, records, objects=objects, states=states, mark=mark, key=key)
        except OutboxFullError:
            _PUT_OFF.inc()
            raise
        self._running_pump().wake()

    def node_counts(self) -> dict[str, int]:
        """How many nodes of each kind the graph holds; nothing where it is away."""
        self.settle(1.0)
        try:
            return {kind.value: number for kind, number in self.atlas.counts().nodes.items()}
        except AtlasUnreachableError as error:
            logger.warning("the graph cannot be counted: %s", error)
            return {}

    def settle(self, timeout_s: float = 5.0) -> bool:
        """Wait until what was promised can be read, or until it is known that a store is away."""
        return self._running_pump().flush(timeout_s)

    def close(self) -> None:
        """Carry over what can be, and let go."""
        if self._pump is not None:
            self._pump.close()
        if self._graph is not None:
            self._graph.close()
        self.outbox.close()

    def _running_pump(self) -> Pump:
        with self._opening:
            if self._pump is None:
                self._pump = Pump(self._applier, after=self._upkeep)
            return self._pump

    def _applier(self) -> Applier:
        self.outbox.prune(self._clock() - KEPT_DAYS * NANOSECONDS_PER_DAY)
        return Applier(self.outbox, self.atlas, self.objects)

    def _upkeep(self, report: ApplyReport) -> None:
        self._since_archived += report.applied
        if self.kept_states is not None and self._since_archived >= ARCHIVE_EVERY:
            self._since_archived = 0
            self.archive.keep_newest(self.kept_states)
            self.checkpoints.keep_newest_of_each(KEPT_WEIGHTS)

    def _open_graph(self) -> "GraphAtlas":
        settings = BoltSettings.from_environment(self._environment)
        if settings is not None:
            from industriverse.atlas.bolt import open_bolt_atlas

            return open_bolt_atlas(settings)
        from industriverse.atlas.embedded import open_atlas

        return open_atlas(self._graph_folder)

    def _open_objects(self) -> "ObjectStore":
        from industriverse.atlas.s3 import S3ObjectStore, S3Settings

        settings = S3Settings.from_environment(self._environment)
        if settings is not None:
            return S3ObjectStore(settings)
        from industriverse.atlas.objects import ObjectStore

        return ObjectStore(self._objects_folder)
