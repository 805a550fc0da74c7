"""The stores of one installation. Used only from the thread that owns them."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from industriverse.operations.home import Home

if TYPE_CHECKING:
    from industriverse.atlas import AtlasStore
    from industriverse.atlas.objects import ObjectStore
    from industriverse.economy.ledger import Ledger
    from industriverse.operations.certificates import CertificateStore
    from industriverse.operations.eventing import EventStreams
    from industriverse.operations.plants import Plants
    from industriverse.operations.streams import Streams
    from industriverse.shield.store import ShieldStore

__all__ = ["Services"]


class Services:
    """Opens each store when it is first asked for.

    Args:
        home: The folder of the installation.
        clock: Returns the present time in nanoseconds since 1970-01-01 UTC.
    """

    def __init__(self, home: Home, *, clock: Callable[[], int]) -> None:
        self.home = home
        self.clock = clock

    @cached_property
    def atlas(self) -> "AtlasStore":
        """The graph of energy states."""
        from industriverse.atlas.embedded import open_atlas

        return open_atlas(self.home.paths.atlas)

    @cached_property
    def objects(self) -> "ObjectStore":
        """Readings and certificates by the hash of their bytes."""
        from industriverse.atlas.objects import ObjectStore

        return ObjectStore(self.home.paths.objects)

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
    def plants(self) -> "Plants":
        """Simulated plants."""
        from industriverse.operations.plants import Plants

        return Plants(self.home.paths.plants)

    @cached_property
    def shield(self) -> "ShieldStore":
        """Tickets, incidents and plans."""
        from industriverse.shield.store import ShieldStore

        return ShieldStore(self.home.paths.shield)

    @cached_property
    def ledger(self) -> "Ledger":
        """Accounts and entries."""
        from industriverse.economy.ledger import Ledger

        return Ledger(self.home.paths.ledger)

    @cached_property
    def certificates(self) -> "CertificateStore":
        """Issued certificates and the key that signs them."""
        from industriverse.operations.certificates import CertificateStore

        return CertificateStore(self.home, self.objects, clock=self.clock)

    def close(self) -> None:
        """Close what was opened."""
        for name in ("atlas", "events", "plants", "ledger"):
            if name in self.__dict__:
                getattr(self, name).close()
        if "streams" in self.__dict__:
            self.streams.close()
