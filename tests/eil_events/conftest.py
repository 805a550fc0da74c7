"""Event streams with known habits, shared by the tests of the event detectors."""

from collections.abc import Callable

import numpy as np
import pytest

from industriverse.eil.events import EventDetector
from industriverse.signals.events import Event

SECOND_NS = 10**9
DEVICES = 4
MakeEvents = Callable[..., list[Event]]


def polling(cycles: int, *, seed: int = 0, start_s: float = 0.0) -> list[Event]:
    """A master polls four devices every two seconds with three reads; now and then it writes a set point."""
    generator = np.random.default_rng(seed)
    events = []
    for cycle in range(cycles):
        for device in range(DEVICES):
            at_s = start_s + 2.0 * cycle + 0.1 * device + float(generator.normal(0.0, 0.003)) + 0.05
            commands = ["read coils", "read inputs", "read registers"]
            if generator.random() < 0.02:
                commands.append("write register")
            for place, command in enumerate(commands):
                fields: dict[str, str | int | float] = {
                    "src": "10.0.0.1",
                    "address": 16 * device,
                    "quantity": 8,
                }
                if command == "write register":
                    fields = {"src": "10.0.0.1", "address": 7, "quantity": 1}
                time_ns = round((at_s + 0.01 * place) * SECOND_NS)
                events.append(Event(time_ns, f"plc-{device}", command, fields))
    return events


@pytest.fixture(scope="session")
def make_events() -> MakeEvents:
    return polling


@pytest.fixture(scope="session")
def clean() -> list[Event]:
    return polling(1200)


@pytest.fixture(scope="session")
def fitted(clean: list[Event]) -> EventDetector:
    return EventDetector(budget_per_day=300.0, refractory_s=60.0).fit(clean)


@pytest.fixture
def detector(fitted: EventDetector) -> EventDetector:
    return EventDetector.from_reference(fitted.reference)
