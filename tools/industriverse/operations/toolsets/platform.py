"""The platform toolset: what is here and how it stands."""

from pydantic import BaseModel

from industriverse.operations.context import OperationContext
from industriverse.operations.examples import platform as examples
from industriverse.operations.registry import OperationInput, operation, registry
from industriverse.operations.services import Services
from industriverse.operations.version import platform_version

__all__ = ["PlantItem", "StatusInput", "StatusOutput", "StreamItem", "platform_status"]


class StatusInput(OperationInput):
    """Nothing to say."""


class StreamItem(BaseModel):
    """A telemetry stream."""

    name: str
    samples: int
    channels: int
    learned: bool
    alarm: bool | None


class PlantItem(BaseModel):
    """A simulated plant."""

    plant_id: str
    samples: int
    seed: int


class StatusOutput(BaseModel):
    """What this installation holds."""

    version: str
    home: str
    read_only: bool
    streams: list[StreamItem]
    simulated_plants: list[PlantItem]
    open_incidents: int
    atlas_nodes: dict[str, int]
    toolsets: list[str]

    def __str__(self) -> str:
        lines = [f"industriverse {self.version} in {self.home}, {self.open_incidents} open incidents"]
        for stream in self.streams:
            state = "not learned" if not stream.learned else "in alarm" if stream.alarm else "calm"
            lines.append(
                f"stream {stream.name}: {stream.samples} samples, {stream.channels} channels, {state}"
            )
        lines += [
            f"simulated plant {plant.plant_id}: {plant.samples} samples" for plant in self.simulated_plants
        ]
        return "\n".join(lines)


def _stream(services: Services, name: str) -> StreamItem:
    live = services.streams.live(name)
    readings = None if live is None else live.readings
    return StreamItem(
        name=name,
        samples=services.streams.store.count(name),
        channels=len(services.streams.store.channels(name)),
        learned=live is not None,
        alarm=None if readings is None else bool(readings.alarm[-1]),
    )


@operation(
    "platform_status",
    toolset="platform",
    scope="read",
    title="Platform status",
    read_only=True,
    default_on=True,
    examples=examples.STATUS,
)
async def platform_status(request: StatusInput, context: OperationContext) -> StatusOutput:  # noqa: ARG001
    """List streams, simulated plants and open incidents of this installation."""

    def read(services: Services) -> StatusOutput:
        return StatusOutput(
            version=platform_version(),
            home=str(services.home.paths.folder),
            read_only=context.platform.read_only,
            streams=[_stream(services, name) for name in services.streams.store.names()],
            simulated_plants=[
                PlantItem(plant_id=entry.plant_id, samples=entry.step, seed=entry.spec.seed)
                for entry in services.plants.entries()
            ],
            open_incidents=len(services.shield.incidents(open_only=True)),
            atlas_nodes=services.memory.node_counts(),
            toolsets=list(registry.toolsets()),
        )

    return await context.platform.run(read, context.platform.services)
