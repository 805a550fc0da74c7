"""The 30-bus system as a plant: what is measured, what is driven, what its dispatcher can be told."""

from industriverse.signals import Channel, ChannelKind
from industriverse.simulation.grid_case import BRANCHES, BUSES, GENERATORS
from industriverse.simulation.plant import CommandSpec

__all__ = [
    "AREAS",
    "CHANNELS",
    "COMMANDS",
    "GENERATOR_NAMES",
    "LINE_NAMES",
    "REMOTE_LINES",
    "VOLTAGE_BUSES",
]

# Breakers with a remote control; all 41 branches have protection.
REMOTE_LINES = (0, 1, 4, 5, 6, 9, 14, 17, 26, 35)
LINE_NAMES = {position: f"line-{BRANCHES[position][0]}-{BRANCHES[position][1]}" for position in REMOTE_LINES}
GENERATOR_NAMES = tuple(f"gen-{row[0]}" for row in GENERATORS)
VOLTAGE_BUSES = (7, 18, 25, 29)
AREAS = {f"area-{area}": tuple(p for p, row in enumerate(BUSES) if row[4] == area) for area in (1, 2, 3)}


def _channels() -> tuple[Channel, ...]:
    gauge, state = ChannelKind.GAUGE, ChannelKind.CATEGORICAL
    channels = []
    for name in GENERATOR_NAMES:
        channels += [
            Channel(f"{name}.power", "MW", gauge, name, "power"),
            Channel(f"{name}.voltage", "1", gauge, name, "voltage"),
        ]
    for name in LINE_NAMES.values():
        channels += [
            Channel(f"{name}.flow", "MW", gauge, name, "flow"),
            Channel(f"{name}.closed", "1", state, name, "state"),
        ]
    channels += [Channel(f"{name}.load", "MW", gauge, name, "power") for name in AREAS]
    for position in VOLTAGE_BUSES:
        bus = f"bus-{BUSES[position][0]}"
        channels.append(Channel(f"{bus}.voltage", "1", gauge, bus, "voltage"))
    channels += [
        Channel("dispatch.load", "MW", gauge, "dispatch", "power"),
        Channel("dispatch.shed", "MW", gauge, "dispatch", "power"),
    ]
    return tuple(channels)


CHANNELS = _channels()


def _commands() -> tuple[CommandSpec, ...]:
    specs = [
        CommandSpec(
            "hold_breaker", name, "The switch on site holds the breaker closed against remote orders.",
            reversible=True, cost=3.0, entity=name, reversal="revert it: the breaker obeys remote orders again",
        )
        for name in LINE_NAMES.values()
    ]  # fmt: skip
    for name in GENERATOR_NAMES[1:]:
        specs += [
            CommandSpec(
                "hold_schedule", name, "The governor follows the day-ahead schedule instead of remote set-points.",
                reversible=True, cost=3.0, entity=name, reversal="revert it: remote set-points count again",
            ),
            CommandSpec(
                "raise_reserve", name, "Calls the generator's reserve: a quarter of its largest output on top.",
                reversible=True, cost=1.0, entity=name, reversal="revert it: the reserve stands by again",
            ),
        ]  # fmt: skip
    specs += [
        CommandSpec(
            "local_voltage", name, "The voltage regulator holds its own set-point of 1.0 instead of remote ones.",
            reversible=True, cost=2.0, entity=name, reversal="revert it: remote set-points count again",
        )
        for name in GENERATOR_NAMES
    ]  # fmt: skip
    specs += [
        CommandSpec(
            "curtail_devices", name, "Switches off the appliances that can be switched remotely, 5 % of the load.",
            reversible=True, cost=2.0, entity=name, reversal="revert it: they may run again",
        )
        for name in AREAS
    ]  # fmt: skip
    specs += [
        CommandSpec(
            "estimate_load", "dispatch", "The dispatch adds up the meters of generators instead of the load's own.",
            reversible=True, cost=1.0, entity="dispatch", reversal="revert it: the load's meter counts again",
        ),
        CommandSpec(
            "isolate_substations", "network", "Cuts all substations off remote control: schedules, own set-points.",
            reversible=False, cost=8.0, entity="network", reversal="a crew must reconnect each substation",
        ),
    ]  # fmt: skip
    return tuple(specs)


COMMANDS = _commands()
