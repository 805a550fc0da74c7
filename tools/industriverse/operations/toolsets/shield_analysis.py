"""Verbs that look: a window under all phases, and what belongs together across layers."""

from pydantic import BaseModel, Field

from industriverse.operations.context import OperationContext
from industriverse.operations.costs import Cost, count_steps
from industriverse.operations.examples import shield as examples
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.services import Services
from industriverse.operations.times import time_text

__all__ = [
    "AnalyzeInput",
    "AnalyzeOutput",
    "CorrelateInput",
    "CorrelateOutput",
    "shield_analyze",
    "shield_correlate",
]

MOST_ROWS = 20_000
SHOWN_RELATIONS = 10


class AnalyzeInput(OperationInput):
    """Which window."""

    stream: str = Field(description="Name of a stream with a reference")
    rows: int = Field(default=500, ge=2, le=MOST_ROWS, description="How many of its latest rows to look at")


class AccusedItem(BaseModel):
    """A channel under suspicion."""

    channel: str
    ground: str = Field(
        description="copy: it repeats earlier readings beyond chance; contradiction: the others deny it"
    )
    strength: float = Field(description="Nats for a copy, times what is ordinary for a contradiction")
    last_value: float | None
    rebuilt_value: float | None = Field(description="What the other channels say it should read")
    rebuilt_low: float | None
    rebuilt_high: float | None


class RelationItem(BaseModel):
    """Something that clean operation keeps."""

    relation: str
    residual: float = Field(description="Mean absolute residual over the window, in clean spreads")


class AnalyzeOutput(BaseModel):
    """What the phases say."""

    stream: str
    from_time: str
    until_time: str
    rows: int
    criticality: float = Field(description="Largest criticality index of the window, 0 to 100")
    band: str
    alarm_rows: int
    most_agreeing: int = Field(
        description="Most of the seven witnesses that spoke against equilibrium at once"
    )
    quorum_rows: int = Field(description="Rows in which at least four of the seven agreed")
    system: str
    system_reason: str
    noise: dict[str, str]
    relations: list[RelationItem]
    accused: list[AccusedItem]
    promise: str

    def __str__(self) -> str:
        names = ", ".join(f"{item.channel} ({item.ground})" for item in self.accused) or "nobody"
        return (
            f"{self.stream}: criticality {self.criticality:.0f} ({self.band}), {self.alarm_rows} of {self.rows} rows "
            f"in alarm, at most {self.most_agreeing} of 7 witnesses agree; under suspicion: {names}. "
            f"Behaves like: {self.system}."
        )


def _number(value: float) -> float | None:
    return None if value != value else float(value)


@operation(
    "shield_analyze",
    toolset="shield",
    scope="read",
    title="Analyse a window",
    read_only=True,
    cost=Cost(base=1, field="rows", per_unit=3.0),
    examples=examples.ANALYZE,
)
async def shield_analyze(request: AnalyzeInput, context: OperationContext) -> AnalyzeOutput:
    """Look at a window through every phase: noise, invariants, copies, who lies and what it should read.

    Raises:
        NotFoundError: If there is no such stream or nothing was learned from it.
        AnalysisError: If its clean rows are too few for the shield.
    """

    def look(services: Services) -> AnalyzeOutput:
        from industriverse.operations.analysing import analyse
        from industriverse.shield.fusion import band_of

        found = analyse(services, request.stream, request.rows)
        count_steps(3 * len(found.window))
        index = float(found.readings.index.max())
        accused = []
        for entry in found.accused:
            j = found.window.names.index(entry.channel)
            rebuilt = found.rebuilt
            inside = rebuilt is not None and any(name == entry.channel for name, _ in rebuilt.methods)
            accused.append(
                AccusedItem(
                    channel=entry.channel,
                    ground=entry.ground,
                    strength=entry.strength,
                    last_value=_number(found.window.values[-1, j]),
                    rebuilt_value=float(rebuilt.values[-1, j]) if rebuilt is not None and inside else None,
                    rebuilt_low=float(rebuilt.low[-1, j]) if rebuilt is not None and inside else None,
                    rebuilt_high=float(rebuilt.high[-1, j]) if rebuilt is not None and inside else None,
                )
            )
        return AnalyzeOutput(
            stream=request.stream,
            from_time=time_text(int(found.window.timestamps_ns[0])),
            until_time=time_text(int(found.window.timestamps_ns[-1])),
            rows=len(found.window),
            criticality=round(index, 1),
            band=band_of(index),
            alarm_rows=int(found.readings.alarm.sum()),
            most_agreeing=int(found.readings.agreeing.max()),
            quorum_rows=int(found.readings.quorum.sum()),
            system="unknown" if found.system is None else found.system.system,
            system_reason="the window is short or has gaps" if found.system is None else found.system.reason,
            noise={name: f"{match.profile}: {match.reason}" for name, match in found.noise.items()},
            relations=[
                RelationItem(relation=text, residual=size) for text, size in found.relations[:SHOWN_RELATIONS]
            ],
            accused=accused,
            promise=services.streams.watched(request.stream).reference.calibration.statement(),
        )

    return await context.platform.run(look, context.platform.services)


class CorrelateInput(OperationInput):
    """How to join."""

    window_hours: float = Field(default=1.0, gt=0, le=168, description="Longest silence within one incident")
    serves: dict[str, str] = Field(
        default_factory=dict, description="Which asset a machine serves, e.g. {'plc-3': 'pump-3'}"
    )


class CrossItem(BaseModel):
    """Incidents that belong together."""

    id: str
    incidents: list[str]
    entities: list[str]
    layers: list[str]
    opened: str
    patterns: list[str] = Field(description="Cross-layer patterns that it shows, most severe first")
    criticality: float


class CorrelateOutput(BaseModel):
    """Joined incidents, newest first."""

    joined: list[CrossItem]

    def __str__(self) -> str:
        if not self.joined:
            return "no incidents to join"
        return "\n".join(
            f"{item.id}: {', '.join(item.incidents)} on {', '.join(item.layers)}"
            f"{'; ' + ', '.join(item.patterns) if item.patterns else ''}"
            for item in self.joined
        )


@operation(
    "shield_correlate",
    toolset="shield",
    scope="read",
    title="Join incidents across layers",
    read_only=True,
    examples=examples.CORRELATE,
)
async def shield_correlate(request: CorrelateInput, context: OperationContext) -> CorrelateOutput:
    """Join cyber, physical and energy incidents by asset and time, and name the cross-layer patterns they show."""

    def join(services: Services) -> CorrelateOutput:
        from industriverse.operations.sightings import sightings_of
        from industriverse.shield.hybrid import join_sightings, match_patterns

        joined = join_sightings(
            sightings_of(services), serves=request.serves, window_s=3600.0 * request.window_hours
        )
        items = []
        for cross in joined[::-1]:
            matches = match_patterns(cross)
            items.append(
                CrossItem(
                    id=cross.id,
                    incidents=[sighting.id for sighting in cross.sightings],
                    entities=sorted(cross.entities),
                    layers=sorted(cross.layers),
                    opened=time_text(cross.sightings[0].start_ns),
                    patterns=[f"{match.pattern.name}: {match.pattern.meaning}" for match in matches],
                    criticality=max([s.index for s in cross.sightings] + [m.index for m in matches]),
                )
            )
        return CorrelateOutput(joined=items)

    return await context.platform.run(join, context.platform.services)
