"""What the plant's instruments report: solved hydraulics plus instrument noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industriverse.signals import Channel
from industriverse.simulation.hydraulics import HydraulicNetwork
from industriverse.simulation.net3 import BYPASS, STUBS

__all__ = ["NOISE_SD", "Actuators", "noise_sd", "read_instruments"]

# One standard deviation by quantity, in the unit of the channel: ultrasonic level 1 cm, magnetic flow meter 5
# m3/h on lines of up to 3,000, pressure transmitter 10 cm of water, power meter 1 kW. States are digital.
NOISE_SD = {"level": 0.01, "flow": 5.0, "pressure": 0.1, "power": 1.0, "state": 0.0, "command": 0.0}


@dataclass(frozen=True, slots=True)
class Actuators:
    """What the pumps and the bypass do at one step.

    Attributes:
        river_command: Whether the controller orders pump 335 to run.
        river_running: Whether pump 335 runs.
        bypass_open: Whether the bypass is open.
        lake_running: Whether pump 10 runs.
        lake_speed: Its speed as a fraction of nominal.
    """

    river_command: bool
    river_running: bool
    bypass_open: bool
    lake_running: bool
    lake_speed: float = 1.0


def noise_sd(channels: Sequence[Channel]) -> NDArray[np.float64]:
    """Standard deviation of each instrument, shape (channels,)."""
    return np.array([NOISE_SD[channel.quantity] for channel in channels])


def read_instruments(
    channels: Sequence[Channel], hydraulics: HydraulicNetwork, actuators: Actuators
) -> NDArray[np.float64]:
    """True values behind every channel at the solved state, shape (channels,)."""
    return np.array([_read(channel, hydraulics, actuators) for channel in channels])


def _read(channel: Channel, hydraulics: HydraulicNetwork, actuators: Actuators) -> float:
    asset, _, key = channel.entity.partition("-")
    if channel.quantity == "command":
        return float(actuators.river_command)
    if asset == "tank":
        stub = STUBS[key]
        if channel.quantity == "level":
            return hydraulics.level_m(key)
        if channel.quantity == "pressure":
            return hydraulics.pressure_m(stub.junction)
        return hydraulics.flow_m3_h(stub.pipe)
    if channel.quantity == "pressure":
        return hydraulics.pressure_m(key)
    if channel.quantity == "flow":
        return hydraulics.flow_m3_h(key)
    if channel.quantity == "power":
        return hydraulics.power_kw(key)
    if key == BYPASS:
        return float(actuators.bypass_open)
    return float(actuators.lake_running if key == "10" else actuators.river_running)
