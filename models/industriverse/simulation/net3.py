"""EPANET's example network 3 as a plant: what is measured, what is driven, what is told.

Two sources feed a town: a river station (pump 335, with a gravity bypass 330 that opens when the pump rests)
and a lake pump (10) that runs by day. Three tanks ride on the network. The file's own controls are the logic
kept here: pump 335 starts when tank 1 falls below 17.1 ft and stops above 19.1 ft; pump 10 runs from 01:00 to
15:00.
"""

from dataclasses import dataclass
from functools import lru_cache

from industriverse.signals import Channel, ChannelKind
from industriverse.simulation.network_file import FOOT_M, NetworkFile, shipped_network
from industriverse.simulation.plant import CommandSpec

__all__ = [
    "BYPASS",
    "CHANNELS",
    "COMMANDS",
    "CONTROL_TANK",
    "LAKE_HOURS",
    "LAKE_PUMP",
    "RIVER_PUMP",
    "SPILLING_TANKS",
    "START_BELOW_M",
    "STOP_ABOVE_M",
    "STUBS",
    "TANKS",
    "Stub",
    "net3",
]

RIVER_PUMP, LAKE_PUMP, BYPASS, CONTROL_TANK = "335", "10", "330", "1"
TANKS = ("1", "2", "3")
# Tank 3 fills to the brim on most days and has an altitude valve that shuts; the others would spill.
SPILLING_TANKS = ("1", "2")
START_BELOW_M, STOP_ABOVE_M = 17.1 * FOOT_M, 19.1 * FOOT_M
LAKE_HOURS = (1, 15)
# 20 psi, the least pressure at a customer under all conditions in the Ten States Standards (2022), 8.2.1.
_REQUIRED_PRESSURE_M = 20 / 0.4333 * FOOT_M
_PRESSURE_JUNCTIONS = ("15", "35", "101", "113", "123", "149", "203", "219", "237", "253")


@dataclass(frozen=True, slots=True)
class Stub:
    """The pipe between a tank and the network, which carries a flow meter and a pressure gauge.

    Attributes:
        pipe: EPANET's name; its flow is positive out of the tank.
        junction: Its end on the network side, at the elevation of the tank's floor.
        diameter_inch: Diameter, inches.
        roughness: Hazen-Williams coefficient.
        length_m: Length, m.
    """

    pipe: str
    junction: str
    diameter_inch: float
    roughness: float
    length_m: float

    def head_loss_m(self, flow_m3_h: float) -> float:
        """Head lost from tank to junction, m: Hazen-Williams, h = 10.667 C^-1.852 d^-4.871 L Q^1.852, SI."""
        flow = abs(flow_m3_h) / 3600
        diameter = self.diameter_inch * 0.0254
        loss = 10.667 * self.roughness**-1.852 * diameter**-4.871 * self.length_m * flow**1.852
        return float(loss) if flow_m3_h >= 0 else -float(loss)


# The file's stubs are 99 inches wide. EPANET shuts the outlet of an empty tank only where the head lost
# exceeds its tolerance of 0.0005 ft; such stubs lose less, so an empty tank would deliver water that it does
# not have. These widths keep the tanks honest; over a nominal day they move no reported pressure by more than
# 0.9 m.
STUBS = {
    "1": Stub("40", "40", 16.0, 130.0, 99 * FOOT_M),
    "2": Stub("50", "50", 12.0, 130.0, 99 * FOOT_M),
    "3": Stub("20", "20", 20.0, 130.0, 99 * FOOT_M),
}


@lru_cache(maxsize=1)
def net3() -> NetworkFile:
    """The prepared network file."""
    return shipped_network(
        "Net3",
        required_pressure_m=_REQUIRED_PRESSURE_M,
        pipes_inch={stub.pipe: (stub.diameter_inch, stub.roughness) for stub in STUBS.values()},
    )


def _channels() -> tuple[Channel, ...]:
    gauge, state = ChannelKind.GAUGE, ChannelKind.CATEGORICAL
    channels = []
    for tank in TANKS:
        entity = f"tank-{tank}"
        channels += [
            Channel(f"{entity}.level", "m", gauge, entity, "level"),
            Channel(f"{entity}.base_pressure", "m[H2O]", gauge, entity, "pressure"),
            Channel(f"{entity}.outflow", "m3/h", gauge, entity, "flow"),
        ]
    for pump in (RIVER_PUMP, LAKE_PUMP):
        entity = f"pump-{pump}"
        channels += [
            Channel(f"{entity}.flow", "m3/h", gauge, entity, "flow"),
            Channel(f"{entity}.power", "kW", gauge, entity, "power"),
            Channel(f"{entity}.running", "1", state, entity, "state"),
        ]
    channels += [
        Channel(f"valve-{BYPASS}.flow", "m3/h", gauge, f"valve-{BYPASS}", "flow"),
        Channel(f"valve-{BYPASS}.open", "1", state, f"valve-{BYPASS}", "state"),
        Channel(f"plc-1.pump-{RIVER_PUMP}.command", "1", state, "plc-1", "command"),
    ]
    channels += [
        Channel(f"junction-{key}.pressure", "m[H2O]", gauge, f"junction-{key}", "pressure")
        for key in _PRESSURE_JUNCTIONS
    ]
    return tuple(channels)


CHANNELS = _channels()

# Costs are relative to a change of set-point from the control room (1); sending somebody to a pump is 3,
# cutting a controller off, which needs a site visit to undo, is 5.
COMMANDS = (
    CommandSpec(
        "use_estimated_level",
        f"tank-{CONTROL_TANK}",
        "The controller drives pump 335 by a level estimated from the tank's flow meter and base pressure.",
        reversible=True,
        cost=1.0,
        entity=f"tank-{CONTROL_TANK}",
        reversal="revert it: the controller reads the level sensor again",
    ),
    CommandSpec(
        "switch_sensor_link",
        f"tank-{CONTROL_TANK}",
        "Reads the level sensor over its wired line instead of radio, for controller and telemetry.",
        reversible=True,
        cost=2.0,
        entity=f"tank-{CONTROL_TANK}",
        reversal="revert it: the level comes over radio again",
    ),
    *(
        CommandSpec(
            "force_pump",
            f"pump-{pump}",
            f"The hand switch at pump {pump} holds it open (running) or closed against remote orders.",
            reversible=True,
            cost=3.0,
            entity=f"pump-{pump}",
            values=("open", "closed"),
            reversal="revert it: the hand switch goes back to automatic",
        )
        for pump in (RIVER_PUMP, LAKE_PUMP)
    ),
    CommandSpec(
        "isolate_controller",
        "plc-1",
        "Cuts the river station's controller off the network, so that no remote order reaches its pump.",
        reversible=False,
        cost=5.0,
        entity="plc-1",
        reversal="a technician must reconnect the controller on site",
    ),
    CommandSpec(
        "throttle_pump",
        f"pump-{LAKE_PUMP}",
        "Runs the lake pump at a fraction of its speed while its schedule has it on.",
        reversible=True,
        cost=1.0,
        entity=f"pump-{LAKE_PUMP}",
        minimum=0.5,
        maximum=1.0,
        reversal="revert it: full speed again",
    ),
)
