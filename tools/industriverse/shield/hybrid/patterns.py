"""Cross-layer patterns as declarations: what must be seen where, in which order and how loud.

A rule is data. It names conditions, each satisfied by one sighting; conditions of one rule are satisfied by
different sightings. Adding a pattern adds a row and a test.
"""

from dataclasses import dataclass

from industriverse.shield.hybrid.joining import CrossLayerIncident, Layer, Sighting

__all__ = ["PATTERNS", "Condition", "Pattern", "PatternMatch", "match_patterns"]


@dataclass(frozen=True, slots=True)
class Condition:
    """What one sighting must be.

    Attributes:
        layer: Its layer.
        any_label: At least one of these labels; empty for any.
        least_index: Its criticality index, at least.
        most_index: Its criticality index, at most.
    """

    layer: Layer
    any_label: frozenset[str] = frozenset()
    least_index: float = 0.0
    most_index: float = 100.0

    def holds(self, sighting: Sighting) -> bool:
        """Whether a sighting satisfies it."""
        return (
            sighting.layer is self.layer
            and self.least_index <= sighting.index <= self.most_index
            and (not self.any_label or bool(self.any_label & sighting.labels))
        )


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern.

    Attributes:
        name: Its name.
        conditions: All must be satisfied, each by a sighting of its own.
        ordered: Whether the sightings must begin in the order of the conditions.
        severity: Criticality index that the pattern stands for by itself.
        meaning: What it says, for a person.
    """

    name: str
    conditions: tuple[Condition, ...]
    ordered: bool
    severity: float
    meaning: str


@dataclass(frozen=True, slots=True)
class PatternMatch:
    """A pattern that an incident shows.

    Attributes:
        pattern: Which one.
        sightings: Ids of the sightings that satisfy it, in the order of its conditions.
        index: The larger of the pattern's severity and the sightings' own index.
    """

    pattern: Pattern
    sightings: tuple[str, ...]
    index: float


_QUIET = 40.0
PATTERNS: tuple[Pattern, ...] = (
    Pattern(
        "coordinated",
        (Condition(Layer.CYBER, least_index=20.0), Condition(Layer.PHYSICAL, least_index=20.0)),
        ordered=True,
        severity=80.0,
        meaning="intrusion first, process disturbance after it: one hand on both layers",
    ),
    Pattern(
        "energy_drain",
        (
            Condition(Layer.ENERGY, frozenset({"phantom_heat", "power_excess"})),
            Condition(Layer.CYBER, frozenset({"new_process", "outbound", "load_excess", "new_symbol"})),
        ),
        ordered=False,
        severity=60.0,
        meaning="energy is spent that no known work accounts for, beside unusual activity of the host",
    ),
    Pattern(
        "stealth_intrusion",
        (
            Condition(Layer.CYBER, most_index=_QUIET),
            Condition(Layer.PHYSICAL, frozenset({"copy", "frozen", "cold"})),
        ),
        ordered=False,
        severity=80.0,
        meaning="little on the network, and readings that repeat or are too calm: somebody hides what happens",
    ),
    Pattern(
        "physics_violation",
        (Condition(Layer.PHYSICAL, frozenset({"invariant_broken", "balance_broken"}), least_index=40.0),),
        ordered=False,
        severity=60.0,
        meaning="readings that no state of the plant can produce: at least one of them is false",
    ),
)


def match_patterns(
    incident: CrossLayerIncident, patterns: tuple[Pattern, ...] = PATTERNS
) -> tuple[PatternMatch, ...]:
    """Patterns that an incident shows, most severe first."""
    found = []
    for pattern in patterns:
        chosen = _satisfy(pattern.conditions, incident.sightings, pattern.ordered)
        if chosen is not None:
            loudest = max(sighting.index for sighting in chosen)
            found.append(PatternMatch(pattern, tuple(s.id for s in chosen), max(pattern.severity, loudest)))
    return tuple(sorted(found, key=lambda match: (-match.index, match.pattern.name)))


def _satisfy(
    conditions: tuple[Condition, ...], sightings: tuple[Sighting, ...], ordered: bool
) -> tuple[Sighting, ...] | None:
    """Distinct sightings for the conditions, or None; a search, since one sighting may fit several of them."""
    if not conditions:
        return ()
    for position, sighting in enumerate(sightings):
        if not conditions[0].holds(sighting):
            continue
        if ordered:
            rest = tuple(s for s in sightings if s.start_ns >= sighting.start_ns and s.id != sighting.id)
        else:
            rest = sightings[:position] + sightings[position + 1 :]
        found = _satisfy(conditions[1:], rest, ordered)
        if found is not None:
            return (sighting, *found)
    return None
