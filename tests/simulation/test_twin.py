"""The operator's model predicts the plant, ranks commands and estimates hidden levels within bounds."""

from collections.abc import Iterator

import numpy as np
import pytest

from industriverse.signals import Frame
from industriverse.simulation.errors import CommandError, TwinError
from industriverse.simulation.plant import Command
from industriverse.simulation.twin import Hypothesis, WaterNetworkTwin
from industriverse.simulation.water_network import AttackSpec, WaterNetworkPlant

HOUR = 12
MIDNIGHT_NS = 20_000 * 86_400 * 1_000_000_000
ATTACK = AttackSpec(start_step=23 * HOUR)
# Strikes when the river pump is about to start, whatever the seed.
PATIENT = AttackSpec(start_step=12 * HOUR, wait_below_m=5.2)
DISTRUSTED = ("tank-1.level",)
ESTIMATE = Command("estimate", "use_estimated_level", "tank-1")
ISOLATE = Command("isolate", "isolate_controller", "plc-1")
HAND = Command("hand", "force_pump", "pump-335", "open")
THROTTLE = Command("throttle", "throttle_pump", "pump-10", 0.7)
WIRE = Command("wire", "switch_sensor_link", "tank-1")
CANDIDATES = {
    "nothing": (),
    "estimate": (ESTIMATE,),
    "throttle": (THROTTLE,),
    "hand": (HAND,),
    "isolate and estimate": (ISOLATE, ESTIMATE),
    "isolate and wire": (ISOLATE, WIRE),
}


@pytest.fixture(scope="module")
def twin() -> WaterNetworkTwin:
    return WaterNetworkTwin()


@pytest.fixture(scope="module")
def attacked_frame() -> Iterator[Frame]:
    plant = WaterNetworkPlant(1, MIDNIGHT_NS, ATTACK)
    yield plant.advance(ATTACK.start_step + 2 * HOUR)
    plant.close()


def actual_loss(commands: tuple[Command, ...], seed: int = 1, hours: int = 24) -> tuple[float, float]:
    plant = WaterNetworkPlant(seed, MIDNIGHT_NS, ATTACK)
    plant.advance(ATTACK.start_step + 2 * HOUR)
    for command in commands:
        plant.apply(command)
    now = plant.step
    plant.advance(hours * HOUR)
    service = plant.service(now)
    plant.close()
    return service.lost, service.wasted


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_clean_plant_goes_where_the_twin_says(twin: WaterNetworkTwin, seed: int) -> None:
    plant = WaterNetworkPlant(seed, MIDNIGHT_NS)
    rollout = twin.predict_from(plant.advance(20 * HOUR), hours=6)
    frame = plant.advance(6 * HOUR)
    assert rollout.frame.names == frame.names
    assert np.array_equal(rollout.frame.timestamps_ns, frame.timestamps_ns)
    for tank in ("tank-1", "tank-2", "tank-3"):
        error = rollout.frame.column(f"{tank}.level") - frame.column(f"{tank}.level")
        assert np.abs(error).max() < 1.2, tank
    assert rollout.service.lost == 0
    plant.close()


def test_the_first_predicted_sample_is_the_next_one_of_the_plant(twin: WaterNetworkTwin) -> None:
    plant = WaterNetworkPlant(4, MIDNIGHT_NS)
    rollout = twin.predict_from(plant.advance(12 * HOUR), hours=1)
    frame = plant.advance(1)
    for tank in ("tank-1", "tank-2", "tank-3"):
        assert rollout.levels_m[tank][0] == pytest.approx(frame.column(f"{tank}.level")[0], abs=0.06)
    plant.close()


def test_the_hypothesis_is_read_from_telemetry(twin: WaterNetworkTwin, attacked_frame: Frame) -> None:
    hypothesis = twin.infer_hypothesis(attacked_frame, DISTRUSTED)
    assert dict(hypothesis.overridden) == {"pump-335": "closed"}
    assert hypothesis.false_level_m == attacked_frame.column("tank-1.level")[-1]
    before = twin.infer_hypothesis(attacked_frame.rows(0, ATTACK.start_step))
    assert before == Hypothesis()


def test_the_twin_ranks_commands_as_the_plant_does(twin: WaterNetworkTwin, attacked_frame: Frame) -> None:
    for name, commands in CANDIDATES.items():
        predicted = twin.predict_from(attacked_frame, hours=24, distrusted=DISTRUSTED, commands=commands)
        lost, spilled = actual_loss(commands)
        if lost < 1:
            assert predicted.service.lost < 1, name
        else:
            assert predicted.service.lost == pytest.approx(lost, rel=0.2), name
        assert (predicted.service.wasted > 0) == (spilled > 0), name


def test_a_stuck_pump_is_not_freed_by_isolation(twin: WaterNetworkTwin, attacked_frame: Frame) -> None:
    stuck = Hypothesis(stuck={"pump-335": "closed"})
    for commands in ((ISOLATE, ESTIMATE), (HAND,)):
        rollout = twin.predict_from(
            attacked_frame, hours=24, distrusted=DISTRUSTED, hypothesis=stuck, commands=commands
        )
        assert rollout.service.lost > 10_000


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_hidden_levels_are_estimated_within_the_bound(twin: WaterNetworkTwin, seed: int) -> None:
    plant = WaterNetworkPlant(seed, MIDNIGHT_NS, PATIENT)
    frame = plant.advance(PATIENT.start_step)
    while plant.attack_began_step is None:
        frame = Frame.concatenate([frame, plant.advance(1)])
    for _ in range(9):
        frame = Frame.concatenate([frame, plant.advance(HOUR)])
        estimates = twin.estimate_levels(frame, DISTRUSTED)
        for tank, truth in plant.true_levels_m().items():
            assert abs(estimates.levels_m[tank] - truth) < estimates.bounds_m[tank] < 0.2
    assert abs(frame.column("tank-1.level")[-1] - plant.true_levels_m()["tank-1"]) > 1
    plant.close()


def test_mass_balance_alone_carries_a_level_for_hours_with_a_growing_bound(twin: WaterNetworkTwin) -> None:
    plant = WaterNetworkPlant(5, MIDNIGHT_NS, ATTACK)
    frame = plant.advance(ATTACK.start_step)
    trusted_until_ns = int(frame.timestamps_ns[-1])
    doubted = ("tank-1.level", "tank-1.base_pressure")
    bounds = []
    for _ in range(6):
        frame = Frame.concatenate([frame, plant.advance(HOUR)])
        estimates = twin.estimate_levels(frame, doubted, trusted_until_ns=trusted_until_ns)
        truth = plant.true_levels_m()["tank-1"]
        assert abs(estimates.levels_m["tank-1"] - truth) < estimates.bounds_m["tank-1"]
        bounds.append(estimates.bounds_m["tank-1"])
    assert bounds == sorted(bounds)
    assert bounds[-1] < 1
    plant.close()


def test_what_nothing_tells_is_not_invented(twin: WaterNetworkTwin, attacked_frame: Frame) -> None:
    with pytest.raises(TwinError, match="nothing trusted tells the level of tank-1"):
        twin.estimate_levels(attacked_frame, ("tank-1", "tank-1.base_pressure"))
    with pytest.raises(TwinError, match="1 samples"):
        twin.estimate_levels(attacked_frame.rows(0, 1))
    fewer = Frame(
        attacked_frame.timestamps_ns, attacked_frame.values[:, 1:].copy(), attacked_frame.channels[1:]
    )
    with pytest.raises(TwinError, match=r"no channel 'tank-1\.level'"):
        twin.estimate_levels(fewer)


def test_missing_samples_are_bridged_by_the_balance(twin: WaterNetworkTwin, attacked_frame: Frame) -> None:
    values = attacked_frame.values.copy()
    values[-6:, :3] = np.nan
    estimates = twin.estimate_levels(Frame(attacked_frame.timestamps_ns, values, attacked_frame.channels))
    assert np.isfinite(estimates.levels_m["tank-1"])
    assert estimates.bounds_m["tank-1"] > 0.3


def test_impossible_questions_are_refused(twin: WaterNetworkTwin) -> None:
    levels = {"tank-1": 5.0, "tank-2": 7.0, "tank-3": 9.0}
    with pytest.raises(TwinError, match="tank-3 is None"):
        twin.predict({"tank-1": 5, "tank-2": 7}, start_ns=0, hours=1, pump_ordered=True)
    with pytest.raises(TwinError, match=r"tank-1 is 50\.0"):
        twin.predict({**levels, "tank-1": 50.0}, start_ns=0, hours=1, pump_ordered=True)
    with pytest.raises(TwinError, match="cannot predict 0 hours"):
        twin.predict(levels, start_ns=0, hours=0, pump_ordered=True)
    with pytest.raises(CommandError, match="cannot melt"):
        twin.predict(levels, start_ns=0, hours=1, pump_ordered=True, commands=[Command("a", "melt", "x")])
    with pytest.raises(TwinError, match="ajar"):
        Hypothesis(stuck={"pump-335": "ajar"})
    with pytest.raises(TwinError, match="only pump-335"):
        Hypothesis(overridden={"pump-10": "closed"})
