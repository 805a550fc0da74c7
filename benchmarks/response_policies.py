"""The rules that the response is compared with: a playbook as a practitioner writes it, on two kinds of alarm.

The playbook names, for the channel that stands out, the usual first measure: read a doubted sensor by its wire, take
a driven machine by hand, contain a host that writes ciphertext, block what carries data out, keep a stopped service
up. It may use every command that can be undone, the same that the planner may use alone; a later order replaces an
earlier one of its kind on the same asset, and after a calm day (24 paces) all are taken back, as standing orders say.

"Static playbook": at each ticket of the platform, the orders for the three channels that lead its evidence, as security
orchestration does it. It gets the detection for nothing, so that what is compared is the planning. "Repeated": the same
orders, given anew at every pace of the plant while the platform's alarm lasts, for the channels that lead then; ours is
compared with whichever of the two loses less on a plant. "Limits": the alarm
of a control room, limits on every channel (the clean range widened by MARGIN, two samples in a row; at this margin the
clean data that they were set on raise no alarm), and people who, while it lasts, look again at every pace of the plant
and give the orders for the channel farthest out.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from industriverse.operations.live import LiveStream
from industriverse.signals import Frame
from industriverse.simulation import Command
from industriverse.simulation.journaled_plant import JournaledPlant

__all__ = ["PLAYBOOKS", "LimitAlarms", "Playbook", "leading_channels"]

MARGIN = 0.15
ROWS_IN_ALARM = 2
LEADING = 3
"""Channels looked at, the strongest first: the first of them with an entry counts."""

CALM_PACES = 24

Order = tuple[str, str, str | None]
"""Verb, target, value."""


def _water(channel: str, high: bool) -> list[Order]:
    entity = channel.partition(".")[0]
    if channel.startswith("tank-1.level"):
        return [("switch_sensor_link", "tank-1", None)]
    if entity in ("pump-335", "plc-1", "valve-330"):
        return [("switch_sensor_link", "tank-1", None), ("force_pump", "pump-335", "open")]
    if entity == "pump-10":
        return [("force_pump", "pump-10", "open")]
    if entity.startswith(("tank", "junction")):
        # Too little water: run the pump by hand. Too much: stop it by hand.
        return [("force_pump", "pump-335", "closed" if high else "open")]
    return []


_REGULATOR = {"bus-8": "gen-2", "bus-19": "gen-22", "bus-26": "gen-27", "bus-30": "gen-27"}
_RESERVES = ("gen-2", "gen-22", "gen-27")


def _grid(channel: str, high: bool) -> list[Order]:
    entity, _, quantity = channel.partition(".")
    if entity.startswith("line"):
        return [("hold_breaker", entity, None)] if quantity == "closed" or not high else []
    if quantity == "voltage":
        return [("local_voltage", _REGULATOR.get(entity, entity), None)]
    if entity.startswith("gen") and entity != "gen-1":
        return [("hold_schedule", entity, None)]
    if entity == "gen-1" and high:
        return [("raise_reserve", name, None) for name in _RESERVES]
    if entity.startswith("area"):
        return [("curtail_devices", entity, None)] if high else []
    if channel == "dispatch.load":
        return [("estimate_load", "dispatch", None)]
    if channel == "dispatch.shed":
        return [("raise_reserve", name, None) for name in _RESERVES]
    return []


def _hosts(channel: str, high: bool) -> list[Order]:
    entity, _, quantity = channel.partition(".")
    if entity == "gateway":
        return [("limit_rate", "gateway", None)] if quantity == "requests" and high else []
    if quantity in ("write_entropy", "disk_write") and high:
        return [("isolate_host", entity, None)]
    if quantity == "outbound" and high:
        return [("block_outbound", entity, None)]
    if quantity == "cpu" and high:
        return [("suspend_process", entity, None)]
    if quantity in ("cpu", "disk_write", "outbound"):
        return [("guard_service", entity, None)]
    return []


PLAYBOOKS: dict[str, Callable[[str, bool], list[Order]]] = {"water": _water, "grid": _grid, "hosts": _hosts}


def leading_channels(live: LiveStream) -> list[tuple[str, bool]]:
    """Channels with the largest share of the latest sample's score, and whether each lies above expectation."""
    return [(item.channel, item.actual >= item.expected) for item in live.evidence()[:LEADING]]


@dataclass
class Playbook:
    """Standing orders carried out on one plant.

    Attributes:
        rules: Channel and direction -> orders.
        plant: The plant.
        pace_samples: Samples between two looks during an alarm.
        given: How many orders were given.
    """

    rules: Callable[[str, bool], list[Order]]
    plant: JournaledPlant
    pace_samples: int
    given: int = 0
    _in_force: dict[tuple[str, str], tuple[Order, str]] = field(default_factory=dict)
    _since_look: int = 0
    _calm: int = 0

    def answer(self, leading: list[tuple[str, bool]]) -> None:
        """Give the orders for every channel that leads a ticket."""
        for channel, high in leading:
            for order in self.rules(channel, high):
                if not self._holds(order):
                    self._give(order)

    def look(self, *, alarm: bool, leading: Callable[[], list[tuple[str, bool]]]) -> None:
        """Do what the rules say of this sample."""
        if not alarm:
            self._calm += 1
            self._since_look = 0
            if self._in_force and self._calm >= CALM_PACES * self.pace_samples:
                self._take_back()
            return
        self._calm = 0
        if self._since_look % self.pace_samples == 0:
            self._act(leading())
        self._since_look += 1

    def _act(self, leading: list[tuple[str, bool]]) -> None:
        for channel, high in leading:
            orders = [order for order in self.rules(channel, high) if not self._holds(order)]
            for order in orders:
                self._give(order)
            if orders:
                return

    def _holds(self, order: Order) -> bool:
        kept = self._in_force.get(order[:2])
        return kept is not None and kept[0] == order

    def _give(self, order: Order) -> None:
        """Give an order in place of an earlier one of the same kind on the same asset."""
        self.given += 1
        name = f"playbook-{self.given}"
        before = self._in_force.get(order[:2])
        self.plant.apply(Command(name, *order))
        if before is not None:
            self.plant.revert(before[1])
        self._in_force[order[:2]] = (order, name)

    def _take_back(self) -> None:
        for _, name in self._in_force.values():
            self.plant.revert(name)
        self._in_force.clear()


class LimitAlarms:
    """Fixed limits on every channel, from the range of clean telemetry.

    Args:
        clean: Clean telemetry.
    """

    def __init__(self, clean: Frame) -> None:
        low, high = clean.values.min(axis=0), clean.values.max(axis=0)
        spread = np.where(high > low, high - low, 1.0)
        self._low, self._high, self._spread = low - MARGIN * spread, high + MARGIN * spread, spread
        self._rows = 0
        self._names = clean.names
        self._latest = clean.values[-1]

    def feed(self, frame: Frame) -> bool:
        """Whether the limits have been broken in the last samples in a row."""
        for row in frame.values:
            broken = bool(((row < self._low) | (row > self._high)).any())
            self._rows = self._rows + 1 if broken else 0
            self._latest = row
        return self._rows >= ROWS_IN_ALARM

    def leading(self) -> list[tuple[str, bool]]:
        """Channels farthest beyond their limits, in units of their range."""
        above = (self._latest - self._high) / self._spread
        below = (self._low - self._latest) / self._spread
        beyond = np.maximum(above, below)
        order = np.argsort(-beyond)[:LEADING]
        return [(self._names[i], bool(above[i] > below[i])) for i in order if beyond[i] > 0]
