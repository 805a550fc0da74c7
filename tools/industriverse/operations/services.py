"""The stores of one installation. Used only from the thread that owns them."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from industriverse.operations.home import Home, ledger_of

if TYPE_CHECKING:
    from industriverse.atlas.graph import GraphAtlas
    from industriverse.atlas.objects import ObjectStore
    from industriverse.economy.ledger import Ledger
    from industriverse.operations.announcing import Announcements
    from industriverse.operations.certificates import CertificateStore
    from industriverse.operations.challenging import Challenges
    from industriverse.operations.eventing import EventStreams
    from industriverse.operations.memory import AtlasMemory
    from industriverse.operations.plants import Plants
    from industriverse.operations.streams import Streams
    from industriverse.operations.timeline import Timeline
    from industriverse.shield.store import ShieldStore
    from industriverse.shield.triage import TriageStore

__all__ = ["Services"]


class Services:
    """Opens each store when it is first asked for.

    Args:
        home: The folder of the installation.
        clock: Returns the present time in nanoseconds since 1970-01-01 UTC.
        tenant: Whose stores these are; empty for the installation's own.
    """

    def __init__(self, home: Home, *, clock: Callable[[], int], tenant: str = "") -> None:
        self.home = home
        self.clock = clock
        self.tenant = tenant
        self.timelines: dict[str, Timeline] = {}
        self.evidence_keys: dict[tuple[str, int], str] = {}

    @cached_property
    def memory(self) -> "AtlasMemory":
        """The Energy Atlas, and the outbox through which everything reaches it."""
        from industriverse.operations.memory import AtlasMemory, environment_of

        paths, environment = self.home.paths, environment_of(self.tenant)
        return AtlasMemory(
            paths.atlas, paths.objects, paths.outbox, clock=self.clock, environment=environment
        )

    @property
    def atlas(self) -> "GraphAtlas":
        """The graph of energy states."""
        return self.memory.atlas

    @property
    def objects(self) -> "ObjectStore":
        """Readings and certificates by the hash of their bytes."""
        return self.memory.objects

    @cached_property
    def streams(self) -> "Streams":
        """Telemetry, references and live detectors."""
        from industriverse.operations.streams import Streams
        from industriverse.operations.telemetry import TelemetryStore

        return Streams(TelemetryStore(self.home.paths.streams / "samples.sqlite"), self.home.paths.streams)

    @cached_property
    def events(self) -> "EventStreams":
        """Events, the habits of their streams and live detectors."""
        from industriverse.operations.eventing import EventStreams

        return EventStreams(self.home.paths.streams / "events")

    @cached_property
    def announcements(self) -> "Announcements":
        """What other programs are told."""
        from industriverse.operations.announcing import Announcements

        return Announcements(self.home.paths.bus)

    @cached_property
    def plants(self) -> "Plants":
        """Simulated plants."""
        from industriverse.operations.plants import Plants

        return Plants(self.home.paths.plants)

    @cached_property
    def challenges(self) -> "Challenges":
        """Keyed excitations of actuators."""
        from industriverse.operations.challenging import Challenges

        return Challenges(self.home.paths.challenges, self.plants.find, self.home.secret())

    @cached_property
    def shield(self) -> "ShieldStore":
        """Tickets, incidents and plans."""
        from industriverse.shield.store import ShieldStore

        return ShieldStore(self.home.paths.shield)

    @cached_property
    def triage(self) -> "TriageStore":
        """Handling of incidents, suppressions and the mode, in the file of the shield."""
        from industriverse.shield.triage import TriageStore

        assert self.shield is not None  # it lays the file out first
        return TriageStore(self.home.paths.shield)

    @cached_property
    def ledger(self) -> "Ledger":
        """Accounts and entries."""
        from industriverse.economy.ledger import Ledger

        return Ledger(ledger_of(self.home.paths.folder, self.tenant))

    @cached_property
    def certificates(self) -> "CertificateStore":
        """Issued certificates and the key that signs them."""
        from industriverse.operations.certificates import CertificateStore
        from industriverse.operations.memory import PromisedObjects

        return CertificateStore(self.home, PromisedObjects(self.memory), clock=self.clock)

    def close(self) -> None:
        """Close what was opened."""
        for name in ("memory", "events", "announcements", "challenges", "plants", "ledger"):
            if name in self.__dict__:
                getattr(self, name).close()
        if "streams" in self.__dict__:
            self.streams.close()
