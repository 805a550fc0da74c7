"""Plants, attacks and clean runs of the closed-loop benchmark.

The kinds of attack are written down here; when and where each strikes, and how hard, is drawn from the seed of a run.
So nothing can be fitted to an attack of a seed that has not been run yet.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from industriverse.simulation import AttackSpec
from industriverse.simulation.catalogue import KINDS, PlantKind, plain_spec
from industriverse.simulation.cluster_layout import HOSTS
from industriverse.simulation.grid_layout import AREAS, GENERATOR_NAMES, LINE_NAMES
from industriverse.simulation.plant import PlantSpec
from industriverse.simulation.strikes import Strike
from industriverse.simulation.water_network import WaterNetworkSpec

__all__ = ["COURSES", "Course", "Draws", "Scenario", "scenarios_of", "spec_of"]

START_NS = 1_767_571_200 * 10**9
"""Monday, 5 January 2026, midnight UTC."""

Blow = tuple[str, str, float, float | None, float]
"""Kind, target, hours after the attack's start, hours after it at which it ends, amount."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One attack.

    Attributes:
        name: What happens.
        hour: Hours after the calm before it at which it begins.
        blows: What is done to the grid or the cluster.
        water: What is done to the water network: spoof, its metres, override, hours until it ends, level below which
            the intruder strikes.
    """

    name: str
    hour: float
    blows: tuple[Blow, ...] = ()
    water: tuple[str, float, str, float | None, float | None] | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """One plant with everything that is run on it.

    Attributes:
        kind: Which plant.
        interval_s: Seconds between samples.
        clean_hours: Telemetry to learn from.
        calm_before_hours: Hours watched after that, before anything happens: autonomy is earned by a record.
        watched_hours: Length of a run after an attack's start.
        calm_hours: Length of a clean run.
        pace_s: How often a playbook looks again.
    """

    kind: PlantKind
    interval_s: int
    clean_hours: float
    calm_before_hours: float
    watched_hours: float
    calm_hours: float
    pace_s: float

    @property
    def quiet_hours(self) -> float:
        """Hours before anything can happen."""
        return self.clean_hours + self.calm_before_hours

    def steps(self, hours: float) -> int:
        """Samples in some hours."""
        return round(hours * 3600 / self.interval_s)


class Draws:
    """What an intruder chooses by lot: when, where and how much.

    Args:
        kind: Which plant.
        seed: Seed of the choices.
    """

    def __init__(self, kind: PlantKind, seed: int) -> None:
        self._random = np.random.default_rng([seed, KINDS.index(kind)])

    def hour(self, first: float = 0.0, last: float = 24.0) -> float:
        """An hour within a range, to a quarter."""
        return float(self._random.integers(round(first * 4), round(last * 4))) / 4

    def amount(self, least: float, most: float) -> float:
        """An amount within a range, rounded to two places."""
        return round(float(self._random.uniform(least, most)), 2)

    def some(self, names: Sequence[str], count: int) -> list[str]:
        """Some of the names, none twice."""
        return [str(name) for name in self._random.choice(list(names), size=count, replace=False)]


def _water(draws: Draws) -> list[Scenario]:
    def case(
        name: str, spoof: str, metres: float, override: str, hours: float | None, below: float | None
    ) -> Scenario:
        return Scenario(name, draws.hour(), water=(spoof, metres, override, hours, below))

    high, less_high, low = draws.amount(1.2, 2.0), draws.amount(0.6, 1.1), draws.amount(1.0, 2.0)
    full, half = draws.amount(5.7, 6.5), draws.amount(2.5, 3.5)
    return [
        case("level frozen low, pump 335 closed", "freeze", 0.0, "closed", None, draws.amount(5.0, 5.5)),
        case("level frozen, pump 335 closed", "freeze", 0.0, "closed", None, None),
        case("pump 335 closed, nothing hidden", "none", 0.0, "closed", None, None),
        case("pump 335 closed for 30 h", "none", 0.0, "closed", 30.0, None),
        case(f"level reads {high} m too high", "offset", high, "none", None, None),
        case(f"level reads {less_high} m too high", "offset", less_high, "none", None, None),
        case(f"level reads {low} m too low", "offset", -low, "none", None, None),
        case(f"level reads {full} m for ever", "value", full, "none", None, None),
        case(f"level reads {half} m for ever", "value", half, "none", None, None),
        case(
            "yesterday's level replayed, pump 335 closed", "replay", 0.0, "closed", None,
            draws.amount(5.2, 5.6),
        ),
        case("pump 335 held running", "none", 0.0, "open", None, None),
        case("level frozen, pump 335 held running", "freeze", 0.0, "open", None, None),
    ]  # fmt: skip


def _grid(draws: Draws) -> list[Scenario]:
    lines, machines = list(LINE_NAMES.values()), list(GENERATOR_NAMES[1:])

    def case(name: str, *blows: Blow) -> Scenario:
        return Scenario(name, draws.hour(), blows)

    one, two, row = draws.some(lines, 1)[0], draws.some(lines, 2), draws.some(lines, 4)
    zero, zeros = draws.some(machines, 2), draws.some(machines, 3)
    sag, sags = draws.some(GENERATOR_NAMES, 1)[0], draws.some(GENERATOR_NAMES, 2)
    area, both = draws.some(list(AREAS), 2)
    raised, everywhere = draws.amount(0.4, 0.6), draws.amount(0.3, 0.4)
    bias, more = -draws.amount(0.4, 0.6), draws.amount(0.3, 0.5)
    return [
        case(f"breaker {one} opened", ("open_breaker", one, 0, None, 0)),
        case(
            f"breakers {' and '.join(two)} opened, a meter frozen",
            ("open_breaker", two[0], 0, None, 0),
            ("open_breaker", two[1], 0.5, None, 0),
            ("freeze_flow", two[1], 0, None, 0),
        ),
        case(
            f"breakers {', '.join(row)} opened one after another",
            *(("open_breaker", name, 2 * place, None, 0) for place, name in enumerate(row)),
        ),
        case(f"{' and '.join(zero)} ordered to zero", *(("set_point", name, 0, None, 0) for name in zero)),
        case(
            f"{', '.join(zeros)} ordered to zero one after another",
            *(("set_point", name, 3 * place, None, 0) for place, name in enumerate(zeros)),
        ),
        case(f"voltage of {sag} lowered", ("voltage", sag, 0, None, 0.9)),
        case(
            f"voltages of {' and '.join(sags)} lowered",
            *(("voltage", name, place, None, 0.9) for place, name in enumerate(sags)),
        ),
        case(f"load of {area} raised by {raised:.0%}", ("alter_load", area, 0, None, raised)),
        case(
            f"load of all areas raised by {everywhere:.0%} for 8 h",
            *(("alter_load", name, 0, 8, everywhere) for name in AREAS),
        ),
        case(f"the load's meter is {-bias:.0%} too low", ("bias_load", "dispatch", 0, None, bias)),
        case("the load's meter frozen", ("freeze_load", "dispatch", 0, None, 0)),
        case(
            f"load of {both} raised by {more:.0%} and {one} opened",
            ("alter_load", both, 0, None, more),
            ("open_breaker", one, 1, None, 0),
        ),
    ]


def _hosts(draws: Draws) -> list[Scenario]:
    def case(name: str, *blows: Blow) -> Scenario:
        return Scenario(name, draws.hour(), blows)

    first, stubborn, hidden, leaver, both = draws.some(HOSTS, 5)
    night, veiled = draws.some(HOSTS, 2)
    pair, leavers, miners, stopped = (draws.some(HOSTS, 2) for _ in range(4))
    rate, rates = draws.amount(30, 45), (draws.amount(20, 35), draws.amount(20, 35))
    mined, flood, veil = draws.amount(0.4, 0.7), draws.amount(120, 180), draws.amount(70, 110)
    return [
        case(f"encryptor from {first}", ("encrypt", first, 0, None, 0)),
        Scenario(f"encryptor from {night} at night", draws.hour(0, 5), (("encrypt", night, 0, None, 0),)),
        case(
            f"encryptor that cannot be suspended from {stubborn}", ("encrypt_stubborn", stubborn, 0, None, 0)
        ),
        case(
            f"encryptors from {' and '.join(pair)}",
            ("encrypt", pair[0], 0, None, 0),
            ("encrypt", pair[1], draws.hour(0.5, 2), None, 0),
        ),
        case(
            f"encryptor behind frozen telemetry in {hidden}",
            ("encrypt", hidden, 0, None, 0),
            ("freeze", hidden, 0, None, 0),
        ),
        case(f"{rate:.0f} MB/s leave {leaver}", ("exfiltrate", leaver, 0, None, rate)),
        case(
            f"data leave {' and '.join(leavers)}",
            *(("exfiltrate", name, 0, None, r) for name, r in zip(leavers, rates, strict=True)),
        ),
        case(f"mining on {' and '.join(miners)}", *(("mine", name, 0, None, mined) for name in miners)),
        case(
            f"services of {' and '.join(stopped)} stopped",
            ("stop_service", stopped[0], 0, None, 0),
            ("stop_service", stopped[1], 2, None, 0),
        ),
        case(f"flood of {flood:.0f} requests a second for 10 h", ("flood", "gateway", 0, 10, flood)),
        case(
            f"flood hides an encryptor in {veiled}",
            ("flood", "gateway", 0, None, veil),
            ("encrypt", veiled, 1, None, 0),
        ),
        case(
            f"data leave {both}, then it is encrypted",
            ("exfiltrate", both, 0, 4, rate),
            ("encrypt", both, 4, None, 0),
        ),
    ]


_ATTACKS: dict[PlantKind, Callable[[Draws], list[Scenario]]] = {
    "water": _water,
    "grid": _grid,
    "hosts": _hosts,
}


def scenarios_of(kind: PlantKind, seed: int) -> list[Scenario]:
    """Twelve attacks on a plant; the hour, the targets and the amounts of each are drawn from the seed."""
    return _ATTACKS[kind](Draws(kind, seed))


COURSES = (
    Course("water", 900, 24.0 * 30, 24.0 * 9, 96.0, 24.0 * 10, 3600.0),
    Course("grid", 900, 24.0 * 21, 24.0 * 4, 36.0, 24.0 * 7, 900.0),
    Course("hosts", 300, 24.0 * 8, 24.0 * 2, 24.0, 24.0 * 3, 300.0),
)


def spec_of(course: Course, seed: int, scenario: Scenario | None) -> PlantSpec:
    """The plant of a course with one attack, or clean."""
    begin = 0 if scenario is None else course.steps(course.quiet_hours + scenario.hour)

    def step(hours: float) -> int:
        return begin + course.steps(hours)

    if course.kind != "water":
        blows = () if scenario is None else scenario.blows
        strikes = [
            Strike(kind, target, step(start), None if stop is None else step(stop), amount)
            for kind, target, start, stop, amount in blows
        ]
        return plain_spec(course.kind, seed, START_NS, course.interval_s, strikes)
    attack = None
    if scenario is not None and scenario.water is not None:
        spoof, metres, override, stop, below = scenario.water
        attack = AttackSpec(
            begin,
            None if stop is None else step(stop),
            spoof,  # type: ignore[arg-type]
            metres,
            override,  # type: ignore[arg-type]
            below,
        )
    return WaterNetworkSpec(seed, START_NS, attack, course.interval_s)
