"""Plants, attacks and clean runs of the closed-loop benchmark; fixed here, before any policy is run on them."""

from dataclasses import dataclass

from industriverse.simulation import AttackSpec
from industriverse.simulation.catalogue import PlantKind, plain_spec
from industriverse.simulation.plant import PlantSpec
from industriverse.simulation.strikes import Strike
from industriverse.simulation.water_network import WaterNetworkSpec

__all__ = ["COURSES", "Course", "Scenario", "spec_of"]

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
        scenarios: The attacks.
    """

    kind: PlantKind
    interval_s: int
    clean_hours: float
    calm_before_hours: float
    watched_hours: float
    calm_hours: float
    pace_s: float
    scenarios: tuple[Scenario, ...]

    @property
    def quiet_hours(self) -> float:
        """Hours before anything can happen."""
        return self.clean_hours + self.calm_before_hours

    def steps(self, hours: float) -> int:
        """Samples in some hours."""
        return round(hours * 3600 / self.interval_s)


WATER = (
    Scenario("level frozen low, pump 335 closed", 5, water=("freeze", 0.0, "closed", None, 5.2)),
    Scenario("level frozen, pump 335 closed, a day later", 29, water=("freeze", 0.0, "closed", None, 5.4)),
    Scenario("pump 335 closed, nothing hidden", 9, water=("none", 0.0, "closed", None, None)),
    Scenario("pump 335 closed for 30 h", 14, water=("none", 0.0, "closed", 30.0, None)),
    Scenario("level reads 1.5 m too high", 7, water=("offset", 1.5, "none", None, None)),
    Scenario("level reads 0.8 m too high", 17, water=("offset", 0.8, "none", None, None)),
    Scenario("level reads 1.5 m too low", 11, water=("offset", -1.5, "none", None, None)),
    Scenario("level reads 5.9 m for ever", 20, water=("value", 5.9, "none", None, None)),
    Scenario("level reads 3 m for ever", 3, water=("value", 3.0, "none", None, None)),
    Scenario("yesterday's level replayed, pump 335 closed", 12, water=("replay", 0.0, "closed", None, 5.4)),
    Scenario("pump 335 held running", 16, water=("none", 0.0, "open", None, None)),
    Scenario("level frozen, pump 335 held running", 22, water=("freeze", 0.0, "open", None, None)),
)

GRID = (
    Scenario("breaker 6-8 opened", 6, (("open_breaker", "line-6-8", 0, None, 0),)),
    Scenario(
        "breakers 6-8 and 28-27 opened, meters frozen",
        9,
        (
            ("open_breaker", "line-6-8", 0, None, 0),
            ("open_breaker", "line-28-27", 0.5, None, 0),
            ("freeze_flow", "line-28-27", 0, None, 0),
        ),
    ),
    Scenario(
        "breakers opened one after another",
        13,
        (
            ("open_breaker", "line-1-2", 0, None, 0),
            ("open_breaker", "line-6-8", 2, None, 0),
            ("open_breaker", "line-4-12", 4, None, 0),
            ("open_breaker", "line-10-21", 6, None, 0),
        ),
    ),
    Scenario(
        "two generators ordered to zero",
        5,
        (("set_point", "gen-2", 0, None, 0), ("set_point", "gen-13", 0, None, 0)),
    ),
    Scenario(
        "three generators ordered to zero one after another",
        15,
        (
            ("set_point", "gen-2", 0, None, 0),
            ("set_point", "gen-27", 3, None, 0),
            ("set_point", "gen-22", 6, None, 0),
        ),
    ),
    Scenario("voltage of generator 2 lowered", 7, (("voltage", "gen-2", 0, None, 0.9),)),
    Scenario(
        "voltages of generators 22 and 27 lowered",
        18,
        (("voltage", "gen-22", 0, None, 0.9), ("voltage", "gen-27", 1, None, 0.9)),
    ),
    Scenario("load of area 1 raised by half", 15, (("alter_load", "area-1", 0, None, 0.5),)),
    Scenario(
        "load of all areas raised for 8 h",
        16,
        (
            ("alter_load", "area-1", 0, 8, 0.35),
            ("alter_load", "area-2", 0, 8, 0.35),
            ("alter_load", "area-3", 0, 8, 0.35),
        ),
    ),
    Scenario("the load's meter shows half", 8, (("bias_load", "dispatch", 0, None, -0.5),)),
    Scenario("the load's meter frozen at night", 3, (("freeze_load", "dispatch", 0, None, 0),)),
    Scenario(
        "load raised and breaker 6-8 opened",
        17,
        (("alter_load", "area-1", 0, None, 0.4), ("open_breaker", "line-6-8", 1, None, 0)),
    ),
)

HOSTS = (
    Scenario("encryptor from app-1", 9, (("encrypt", "app-1", 0, None, 0),)),
    Scenario("encryptor from file-2 at night", 2, (("encrypt", "file-2", 0, None, 0),)),
    Scenario("encryptor that cannot be suspended from db-1", 11, (("encrypt_stubborn", "db-1", 0, None, 0),)),
    Scenario(
        "encryptors from web-1 and file-1",
        14,
        (("encrypt", "web-1", 0, None, 0), ("encrypt", "file-1", 1, None, 0)),
    ),
    Scenario(
        "encryptor behind frozen telemetry",
        8,
        (("encrypt", "app-2", 0, None, 0), ("freeze", "app-2", 0, None, 0)),
    ),
    Scenario("40 MB/s leave db-1", 9, (("exfiltrate", "db-1", 0, None, 40),)),
    Scenario("30 MB/s leave both file hosts", 13, (
        ("exfiltrate", "file-1", 0, None, 30), ("exfiltrate", "file-2", 0, None, 25))),
    Scenario("mining on both application hosts", 10, (
        ("mine", "app-1", 0, None, 0.6), ("mine", "app-2", 0, None, 0.6))),
    Scenario("services of app-1 and db-2 stopped", 12, (
        ("stop_service", "app-1", 0, None, 0), ("stop_service", "db-2", 2, None, 0))),
    Scenario("flood of 150 requests a second for 10 h", 9, (("flood", "gateway", 0, 10, 150),)),
    Scenario("flood hides an encryptor in file-1", 15, (
        ("flood", "gateway", 0, None, 90), ("encrypt", "file-1", 1, None, 0))),
    Scenario("data leave app-1, then it is encrypted", 7, (
        ("exfiltrate", "app-1", 0, 4, 35), ("encrypt", "app-1", 4, None, 0))),
)  # fmt: skip

COURSES = (
    Course("water", 900, 24.0 * 30, 24.0 * 9, 96.0, 24.0 * 10, 3600.0, WATER),
    Course("grid", 900, 24.0 * 21, 24.0 * 4, 36.0, 24.0 * 7, 900.0, GRID),
    Course("hosts", 300, 24.0 * 8, 24.0 * 2, 24.0, 24.0 * 3, 300.0, HOSTS),
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
