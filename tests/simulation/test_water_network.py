"""The simulated water network: physics, attack, commands and replay, all measured."""

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from industriverse.signals import ChannelKind, Frame
from industriverse.simulation.errors import CommandError, SimulationError
from industriverse.simulation.net3 import STUBS, net3
from industriverse.simulation.plant import Command, Plant
from industriverse.simulation.water_network import AttackSpec, WaterNetworkPlant, WaterNetworkSpec

DAY = 288
HOUR = 12
MIDNIGHT_NS = 20_000 * 86_400 * 1_000_000_000
ATTACK = AttackSpec(start_step=23 * HOUR)
RECOVERY = (
    Command("isolate", "isolate_controller", "plc-1"),
    Command("estimate", "use_estimated_level", "tank-1"),
)


@pytest.fixture(scope="module")
def clean() -> Iterator[WaterNetworkPlant]:
    plant = WaterNetworkPlant(seed=1, start_ns=MIDNIGHT_NS)
    yield plant
    plant.close()


@pytest.fixture(scope="module")
def clean_frame(clean: WaterNetworkPlant) -> Frame:
    return clean.advance(14 * DAY)


def attacked(*commands: Command, delay_h: int = 2, hours: int = 30, seed: int = 1) -> WaterNetworkPlant:
    plant = WaterNetworkPlant(seed=seed, start_ns=MIDNIGHT_NS, attack=ATTACK)
    plant.advance(ATTACK.start_step + delay_h * HOUR)
    for command in commands:
        plant.apply(command)
    plant.advance((hours - delay_h) * HOUR)
    return plant


def test_the_plant_keeps_the_protocol_and_calls_itself_a_simulation(clean: WaterNetworkPlant) -> None:
    assert isinstance(clean, Plant)
    assert "simulation" in clean.name
    assert 15 <= len(clean.channels) <= 35
    assert {c.entity for c in clean.channels} >= {spec.entity for spec in clean.commands()}


def test_two_clean_weeks_lose_no_service(clean: WaterNetworkPlant, clean_frame: Frame) -> None:
    assert len(clean_frame) == 14 * DAY
    service = clean.service()
    assert service.requested > 500_000
    assert service.lost_share < 1e-5
    assert service.wasted == 0
    assert service.steps == 14 * DAY


def test_clean_weeks_follow_a_daily_cycle_and_no_two_days_are_equal(clean_frame: Frame) -> None:
    frame = clean_frame
    for tank in ("1", "2", "3"):
        days = frame.column(f"tank-{tank}.level").reshape(14, DAY)
        spread = days.max() - days.min()
        assert abs(days[:7].mean() - days[7:].mean()) < 0.15 * spread
        assert np.corrcoef(days.mean(0), days[-1])[0, 1] > 0.5
        limits = net3().tanks[tank]
        assert limits.minimum_m < days.min()
        assert days.max() < limits.maximum_m + 0.06
    assert np.ptp(frame.column("junction-203.pressure").reshape(14, DAY), axis=0).min() > 0


def test_water_is_conserved_in_every_tank() -> None:
    plant = WaterNetworkPlant(seed=3, start_ns=MIDNIGHT_NS)
    before = plant.true_levels_m()
    frame = plant.advance(DAY)
    after = plant.true_levels_m()
    for key in STUBS:
        volume = -frame.column(f"tank-{key}.outflow").sum() / HOUR
        change = (after[f"tank-{key}"] - before[f"tank-{key}"]) * net3().tanks[key].area_m2
        # The meter is read at the start of each step with 5 m3/h of noise: sqrt(288) * 5 / 12 = 7 m3 a day.
        assert volume == pytest.approx(change, abs=30)
    plant.close()


def test_an_attack_without_response_costs_service_within_hours() -> None:
    plant = attacked()
    assert plant.service(ATTACK.start_step).lost_share > 0.25
    assert plant.service().lost == pytest.approx(plant.service(ATTACK.start_step).lost, abs=1)
    plant.close()


def test_tanks_that_are_empty_deliver_nothing() -> None:
    plant = attacked(hours=24)
    frame = plant.advance(HOUR)
    for tank in ("1", "2"):
        assert plant.true_levels_m()[f"tank-{tank}"] <= net3().tanks[tank].minimum_m + 0.02
        assert abs(frame.column(f"tank-{tank}.outflow").mean()) < 10
    plant.close()


def test_the_spoof_hides_the_real_level() -> None:
    plant = attacked(hours=10)
    frame = plant.advance(2)
    assert frame.column("tank-1.level")[0] - plant.true_levels_m()["tank-1"] > 2
    assert frame.column("tank-1.level")[0] == frame.column("tank-1.level")[1]
    assert frame.column("plc-1.pump-335.command")[0] == 1
    assert frame.column("pump-335.running")[0] == 0
    plant.close()


def test_isolation_with_an_estimated_level_restores_the_plant_without_spilling() -> None:
    plant = attacked(*RECOVERY)
    service = plant.service(ATTACK.start_step)
    assert service.lost_share < 1e-5
    assert service.wasted == 0
    plant.close()


def test_isolation_with_the_wired_link_restores_plant_and_telemetry() -> None:
    wired = Command("wire", "switch_sensor_link", "tank-1")
    plant = attacked(RECOVERY[0], wired)
    service = plant.service(ATTACK.start_step)
    assert service.lost_share < 1e-5
    assert service.wasted == 0
    truth = plant.true_levels_m()["tank-1"]
    assert plant.advance(1).column("tank-1.level")[0] == pytest.approx(truth, abs=0.05)
    plant.revert("wire")
    assert abs(plant.advance(1).column("tank-1.level")[0] - truth) > 0.5
    plant.close()


def test_forcing_the_pump_keeps_service_but_spills() -> None:
    plant = attacked(Command("hand", "force_pump", "pump-335", "open"))
    service = plant.service(ATTACK.start_step)
    assert service.lost_share < 1e-5
    assert service.wasted > 1_000
    plant.close()


@pytest.mark.parametrize(
    "command",
    [
        Command("c", "use_estimated_level", "tank-1"),
        Command("c", "switch_sensor_link", "tank-1"),
        Command("c", "throttle_pump", "pump-10", 0.7),
    ],
    ids=["estimate alone", "wired link alone", "throttle"],
)
def test_plausible_commands_that_do_not_help_change_little(command: Command) -> None:
    plant = attacked(command)
    assert plant.service(ATTACK.start_step).lost_share > 0.25
    plant.close()


def test_a_late_response_brings_service_back() -> None:
    plant = attacked(delay_h=0, hours=16)
    assert plant.service().last_step_lost > 0.3 * plant.service().last_step_requested
    for command in RECOVERY:
        plant.apply(command)
    plant.advance(2 * DAY)
    assert plant.service(plant.step - DAY).lost_share < 1e-5
    plant.close()


def test_the_same_seed_and_commands_give_the_same_bits_in_blocks_or_one_by_one() -> None:
    def run(block: int) -> tuple[bytes, str]:
        plant = WaterNetworkPlant(seed=5, start_ns=MIDNIGHT_NS, attack=AttackSpec(10, spoof="replay"))
        rows = b"".join(plant.advance(block).values.tobytes() for _ in range(24 // block))
        plant.apply(Command("x", "throttle_pump", "pump-10", 0.8))
        plant.apply(Command("x", "throttle_pump", "pump-10", 0.8))
        rows += b"".join(plant.advance(block).values.tobytes() for _ in range(24 // block))
        plant.revert("x")
        plant.revert("x")
        rows += b"".join(plant.advance(block).values.tobytes() for _ in range(24 // block))
        digest = plant.digest
        plant.close()
        return rows, digest

    assert run(1) == run(24)


def test_other_seeds_give_other_telemetry_and_plants_do_not_disturb_each_other() -> None:
    alone = WaterNetworkPlant(seed=1, start_ns=MIDNIGHT_NS)
    expected = alone.advance(20).values
    first, second = WaterNetworkPlant(1, MIDNIGHT_NS), WaterNetworkPlant(2, MIDNIGHT_NS)
    interleaved = [(first.advance(1).values, second.advance(1).values) for _ in range(20)]
    assert np.array_equal(np.concatenate([a for a, _ in interleaved]), expected)
    assert not np.array_equal(np.concatenate([b for _, b in interleaved]), expected)
    for plant in (alone, first, second):
        plant.close()


def test_an_attack_changes_nothing_before_it_starts() -> None:
    quiet, hit = WaterNetworkPlant(4, MIDNIGHT_NS), WaterNetworkPlant(4, MIDNIGHT_NS, AttackSpec(30))
    assert np.array_equal(quiet.advance(30).values, hit.advance(30).values)
    # The frozen reading is genuine at the first step and stays from the second on.
    assert not np.array_equal(quiet.advance(2).values, hit.advance(2).values)
    quiet.close()
    hit.close()


def test_a_patient_intruder_strikes_when_the_level_is_low() -> None:
    plant = WaterNetworkPlant(2, MIDNIGHT_NS, AttackSpec(12 * HOUR, wait_below_m=5.2))
    plant.advance(2 * DAY)
    began = plant.attack_began_step
    assert began is not None
    assert began > 12 * HOUR
    assert plant.service(began).lost > 1_000
    plant.close()


@pytest.mark.parametrize(
    ("spoof", "expected"), [("offset", 1.5), ("value", 5.5), ("replay", None), ("none", 0.0)]
)
def test_every_spoof_does_what_it_says(spoof: str, expected: float | None) -> None:
    spec = AttackSpec(12, spoof=spoof, spoof_m=5.5 if spoof == "value" else 1.5, override="none")  # type: ignore[arg-type]
    plant = WaterNetworkPlant(6, MIDNIGHT_NS, spec)
    plant.advance(12)
    truth = plant.true_levels_m()["tank-1"]
    reported = plant.advance(1).column("tank-1.level")[0]
    if spoof == "value":
        assert reported == expected
    elif expected is None:
        assert abs(reported - truth) < 3
    else:
        assert reported == pytest.approx(truth + expected, abs=0.05)
    plant.close()


def test_states_are_digital_and_everything_has_a_unit_and_an_asset(clean: WaterNetworkPlant) -> None:
    for channel in clean.channels:
        assert channel.entity
        assert channel.quantity
        assert (channel.kind is ChannelKind.CATEGORICAL) == (channel.unit == "1")


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (Command("", "force_pump", "pump-335", "open"), "has no id"),
        (Command("a", "explode", "pump-335"), "cannot explode"),
        (Command("a", "force_pump", "pump-335", "ajar"), "ajar"),
        (Command("a", "throttle_pump", "pump-10", 7.0), "7.0"),
        (Command("a", "throttle_pump", "pump-10", True), "True"),
        (Command("a", "throttle_pump", "pump-10"), "None"),
        (Command("a", "isolate_controller", "plc-1", "now"), "takes no value"),
    ],
)
def test_impossible_commands_are_refused_by_name(command: Command, complaint: str) -> None:
    plant = WaterNetworkPlant(1, MIDNIGHT_NS)
    with pytest.raises(CommandError, match=complaint):
        plant.apply(command)
    assert plant.active_commands() == ()
    plant.close()


def test_reverting_what_is_unknown_or_irreversible_is_refused() -> None:
    plant = WaterNetworkPlant(1, MIDNIGHT_NS)
    plant.apply(Command("cut", "isolate_controller", "plc-1"))
    with pytest.raises(CommandError, match="technician"):
        plant.revert("cut")
    with pytest.raises(CommandError, match="no command 'other'"):
        plant.revert("other")
    with pytest.raises(CommandError, match="already means"):
        plant.apply(Command("cut", "use_estimated_level", "tank-1"))
    plant.close()


def test_impossible_specifications_are_refused() -> None:
    with pytest.raises(SimulationError, match="stop_step"):
        AttackSpec(10, 10)
    with pytest.raises(SimulationError, match="unknown spoof"):
        AttackSpec(10, spoof="melt")  # type: ignore[arg-type]
    with pytest.raises(SimulationError, match="7 s"):
        WaterNetworkSpec(1, 0, interval_s=7)
    with pytest.raises(SimulationError, match="negative"):
        WaterNetworkSpec(-1, 0)
    plant = WaterNetworkPlant(1, MIDNIGHT_NS)
    with pytest.raises(SimulationError, match="0 steps"):
        plant.advance(0)
    plant.close()


def test_a_specification_survives_plain_data() -> None:
    spec = WaterNetworkSpec(3, 5, AttackSpec(7, 9, "offset", -1.0, "none"), 900)
    assert WaterNetworkSpec.from_dict(spec.to_dict()) == spec


def test_the_hydraulic_library_is_imported_only_when_a_plant_is_built() -> None:
    program = (
        "import sys; import industriverse.simulation.water_network, industriverse.simulation.journal; "
        "assert 'wntr' not in sys.modules; assert 'pandas' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
