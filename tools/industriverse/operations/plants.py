"""Simulated plants of one installation, each replayed from its journal when first used."""

from pathlib import Path

from industriverse.operations.errors import NotFoundError
from industriverse.simulation.journal import JournalEntry, PlantJournal
from industriverse.simulation.journaled_plant import JournaledPlant
from industriverse.simulation.plant import PlantSpec

__all__ = ["Plants"]


class Plants:
    """Opens plants and keeps them open.

    Args:
        journal: SQLite file of the journal.
    """

    def __init__(self, journal: Path) -> None:
        self._journal = PlantJournal(journal)
        self._open: dict[str, JournaledPlant] = {}

    def create(self, plant_id: str, spec: PlantSpec) -> JournaledPlant:
        """A plant with this specification; the one that exists if it is the same.

        Raises:
            JournalError: If the id belongs to a plant of another specification.
        """
        if plant_id not in self._open:
            self._open[plant_id] = self._journal.create(plant_id, spec)
        elif self._open[plant_id].spec != spec:
            self._journal.create(plant_id, spec)
        return self._open[plant_id]

    def find(self, plant_id: str) -> JournaledPlant:
        """A plant by its id.

        Raises:
            NotFoundError: If there is none.
        """
        if plant_id not in self._open:
            if not self.exists(plant_id):
                known = ", ".join(entry.plant_id for entry in self.entries()) or "none yet"
                raise NotFoundError(
                    f"no simulated plant {plant_id[:80]!r}",
                    hint=f"create it with sim_run; plants are: {known}",
                )
            self._open[plant_id] = self._journal.open(plant_id)
        return self._open[plant_id]

    def exists(self, plant_id: str) -> bool:
        """Whether there is such a plant."""
        return any(entry.plant_id == plant_id for entry in self.entries())

    def entries(self) -> tuple[JournalEntry, ...]:
        """Every plant, oldest first."""
        return self._journal.plants()

    def close(self) -> None:
        """Free the solvers and close the journal."""
        for plant in self._open.values():
            plant.close()
        self._journal.close()
