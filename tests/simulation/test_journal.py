"""The plant journal: exact replay, also after SIGKILL, and clear refusals."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from industriverse.simulation import journal as journal_module
from industriverse.simulation.errors import CommandError, JournalError, SimulationError
from industriverse.simulation.journal import PlantJournal
from industriverse.simulation.journaled_plant import Event
from industriverse.simulation.plant import Command, Plant
from industriverse.simulation.water_network import AttackSpec, WaterNetworkPlant, WaterNetworkSpec

SPEC = WaterNetworkSpec(seed=7, start_ns=1_728_000_000_000_000_000, attack=AttackSpec(8))
STEPS = 60

# Runs the same scenario from wherever the journal is; every command is repeated blindly, as after a crash.
SCENARIO = """
import sys
from industriverse.simulation.journal import PlantJournal
from industriverse.simulation.plant import Command

plant = PlantJournal(sys.argv[1]).open("town")
print("ready", plant.step, flush=True)
while plant.step < int(sys.argv[2]):
    if plant.step == 20:
        plant.apply(Command("throttle", "throttle_pump", "pump-10", 0.8))
        plant.apply(Command("hand", "force_pump", "pump-335", "open"))
    if plant.step == 40:
        plant.revert("hand")
    plant.advance(1)
    print(plant.step, flush=True)
"""


def undisturbed() -> WaterNetworkPlant:
    plant = WaterNetworkPlant.from_spec(SPEC)
    plant.advance(20)
    plant.apply(Command("throttle", "throttle_pump", "pump-10", 0.8))
    plant.apply(Command("hand", "force_pump", "pump-335", "open"))
    plant.advance(20)
    plant.revert("hand")
    plant.advance(STEPS - 40)
    return plant


def test_a_plant_killed_at_any_moment_is_rebuilt_exactly_and_no_command_acts_twice(tmp_path: Path) -> None:
    path = tmp_path / "plants.sqlite"
    journal = PlantJournal(path)
    journal.create("town", SPEC).close()
    # The scenario imports what this test imports, installed or not.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for samples_before_kill in (9, 14, 12):
        process = subprocess.Popen(
            [sys.executable, "-c", SCENARIO, str(path), str(STEPS)], stdout=subprocess.PIPE, env=environment
        )
        assert process.stdout is not None
        for _ in range(samples_before_kill):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    subprocess.run(
        [sys.executable, "-c", SCENARIO, str(path), str(STEPS)],
        check=True,
        capture_output=True,
        env=environment,
    )

    plant = journal.open("town")
    expected = undisturbed()
    assert plant.digest == expected.digest
    assert plant.service() == expected.service()
    assert [command.id for command in plant.active_commands()] == ["throttle"]
    kinds = [event.kind for event in journal.events("town")]
    assert (kinds.count("apply"), kinds.count("revert")) == (2, 1)
    plant.close()
    expected.close()
    journal.close()


def test_an_event_written_but_not_carried_out_is_carried_out_at_the_next_opening(tmp_path: Path) -> None:
    journal = PlantJournal(tmp_path / "plants.sqlite")
    plant = journal.create("town", SPEC)
    plant.advance(3)
    journal.append("town", Event(2, "advance", {"to_step": 9}, plant.digest))
    reopened = journal.open("town")
    assert reopened.step == 9
    assert np.array_equal(reopened.telemetry(0, 3).values, plant.telemetry().values)
    assert isinstance(reopened, Plant)
    assert reopened.advance_to(9) is None
    frame = reopened.advance_to(11)
    assert frame is not None
    assert len(frame) == 2
    reopened.close()
    plant.close()
    journal.close()


def test_two_openings_of_one_plant_stay_in_step(tmp_path: Path) -> None:
    path = tmp_path / "plants.sqlite"
    here, there = PlantJournal(path), PlantJournal(path)
    first, second = here.create("town", SPEC), there.create("town", SPEC)
    first.advance(2)
    second.apply(Command("x", "throttle_pump", "pump-10", 0.9))
    first.apply(Command("x", "throttle_pump", "pump-10", 0.9))
    frame = second.advance(1)
    assert frame.timestamps_ns[0] == SPEC.start_ns + 2 * SPEC.interval_s * 1_000_000_000
    assert [event.kind for event in here.events("town")] == ["advance", "apply", "advance"]

    threads = [threading.Thread(target=plant.advance, args=(1,)) for plant in (first, second) for _ in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reference = here.open("town")
    assert reference.step == 7
    for plant in (first, second, reference):
        plant.close()
    here.close()
    there.close()


def test_plants_are_listed_with_specification_and_step(tmp_path: Path) -> None:
    journal = PlantJournal(tmp_path / "deep" / "plants.sqlite")
    assert journal.plants() == ()
    town = journal.create("town", SPEC)
    town.advance(4)
    village = journal.create("village", WaterNetworkSpec(seed=1, start_ns=0))
    entries = journal.plants()
    assert [(entry.plant_id, entry.step, entry.events) for entry in entries] == [
        ("town", 4, 1),
        ("village", 0, 0),
    ]
    assert entries[0].spec == SPEC
    town.close()
    village.close()
    journal.close()


def test_a_refused_command_leaves_no_trace(tmp_path: Path) -> None:
    journal = PlantJournal(tmp_path / "plants.sqlite")
    plant = journal.create("town", SPEC)
    with pytest.raises(CommandError, match="cannot explode"):
        plant.apply(Command("a", "explode", "pump-335"))
    with pytest.raises(CommandError, match="no command"):
        plant.revert("a")
    with pytest.raises(SimulationError, match="-1 steps"):
        plant.advance(-1)
    with pytest.raises(SimulationError, match="no telemetry"):
        plant.telemetry()
    assert journal.events("town") == ()
    plant.close()
    journal.close()


def test_unknown_plants_and_other_specifications_are_refused(tmp_path: Path) -> None:
    journal = PlantJournal(tmp_path / "plants.sqlite")
    journal.create("town", SPEC).close()
    with pytest.raises(JournalError, match=r"no plant 'city'.*plants: town"):
        journal.open("city")
    with pytest.raises(JournalError, match="another specification"):
        journal.create("town", WaterNetworkSpec(seed=8, start_ns=0))
    with pytest.raises(JournalError, match="no id"):
        journal.create("", SPEC)
    journal.close()


def test_a_journal_of_another_version_or_with_an_altered_past_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plants.sqlite"
    journal = PlantJournal(path)
    plant = journal.create("town", SPEC)
    plant.advance(2)
    plant.advance(2)
    plant.close()
    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "REPLAY_VERSION", 99)
        with pytest.raises(JournalError, match="replay version 1"):
            journal.open("town")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE events SET payload = '{\"to_step\": 3}' WHERE sequence = 1")
    database.close()
    with pytest.raises(JournalError, match="differs from its record"):
        journal.open("town")
    journal.close()


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are notes, and long enough not to be taken for an empty file " * 20)
    with pytest.raises(JournalError, match="not a plant journal"):
        PlantJournal(path)
    with pytest.raises(JournalError, match="cannot open"):
        PlantJournal(path / "below" / "plants.sqlite")
