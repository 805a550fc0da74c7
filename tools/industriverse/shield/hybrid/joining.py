"""Join what was seen on different layers: the same asset, or one that serves it, at about the same time."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from industriverse.shield.errors import ShieldError

__all__ = ["CrossLayerIncident", "Layer", "Sighting", "join_sightings"]

DEFAULT_WINDOW_S = 3600.0


class Layer(StrEnum):
    """Where something was seen."""

    CYBER = "cyber"
    PHYSICAL = "physical"
    ENERGY = "energy"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One piece of evidence.

    Attributes:
        id: Incident or ticket that it comes from.
        layer: Where it was seen.
        entity: Asset concerned.
        start_ns: Beginning, nanoseconds since 1970-01-01 UTC.
        end_ns: Latest time.
        index: Criticality index, 0 to 100.
        labels: What it is, such as ``copy``, ``invariant_broken``, ``phantom_heat``, ``scan``.
    """

    id: str
    layer: Layer
    entity: str
    start_ns: int
    end_ns: int
    index: float
    labels: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.end_ns < self.start_ns or not 0.0 <= self.index <= 100.0:
            raise ShieldError(
                f"sighting {self.id} ends before it begins or has index {self.index}", hint="check it"
            )


@dataclass(frozen=True, slots=True)
class CrossLayerIncident:
    """Sightings that belong together.

    Attributes:
        id: Derived from the earliest sighting alone, so later ones do not rename it.
        sightings: In the order of their beginning.
        layers: Layers on which it was seen.
        entities: Assets concerned.
    """

    id: str
    sightings: tuple[Sighting, ...]
    layers: frozenset[Layer]
    entities: frozenset[str]

    @property
    def labels(self) -> frozenset[str]:
        """Labels of all sightings."""
        return frozenset().union(*(sighting.labels for sighting in self.sightings))


def join_sightings(
    sightings: Iterable[Sighting],
    *,
    serves: Mapping[str, str] | None = None,
    window_s: float = DEFAULT_WINDOW_S,
) -> tuple[CrossLayerIncident, ...]:
    """Group sightings that share an asset and overlap in time up to a window. Independent of their order.

    Args:
        sightings: Evidence of any layer; one that occurs twice counts once.
        serves: Which asset a machine serves (``{"plc-3": "pump-3"}``), so that both count as one.
        window_s: Longest silence within one incident, seconds.

    Raises:
        ShieldError: If the window is not positive.
    """
    if not window_s > 0:
        raise ShieldError(f"window_s is {window_s}", hint="give seconds, for instance 3600")
    assets = dict(serves or {})
    gap_ns = window_s * 1e9
    ordered = sorted({s.id: s for s in sightings}.values(), key=lambda s: (s.start_ns, s.id))
    open_groups: dict[str, list[Sighting]] = {}
    finished: list[list[Sighting]] = []
    for sighting in ordered:
        asset = assets.get(sighting.entity, sighting.entity)
        group = open_groups.get(asset)
        if group is not None and sighting.start_ns - max(s.end_ns for s in group) <= gap_ns:
            group.append(sighting)
            continue
        if group is not None:
            finished.append(group)
        open_groups[asset] = [sighting]
    groups = sorted([*finished, *open_groups.values()], key=lambda group: (group[0].start_ns, group[0].id))
    return tuple(
        CrossLayerIncident(
            id="cross-" + hashlib.sha256(group[0].id.encode()).hexdigest()[:16],
            sightings=tuple(group),
            layers=frozenset(s.layer for s in group),
            entities=frozenset(s.entity for s in group),
        )
        for group in groups
    )
