"""The object store gives back what it was given, or says that it cannot."""

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from industriverse.atlas import AtlasError, ObjectCorruptError, ObjectMissingError
from industriverse.atlas.objects import ObjectStore
from industriverse.signals import Channel, ChannelKind, Frame


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "objects")


def stored_file(folder: Path, key: str) -> Path:
    [path] = (folder / "objects").rglob(key)
    return path


def frame_of(rows: int) -> Frame:
    values = np.random.default_rng(0).normal(size=(rows, 3))
    values[::7, 1] = np.nan
    channels = (
        Channel("timestamp", "m", ChannelKind.GAUGE, "tank-1", "level"),
        Channel("flow", "m3/s", ChannelKind.CONTINUOUS, "pump-1", "flow"),
        Channel("état; 'x'"),
    )
    return Frame(1_767_225_600_000_000_123 + np.arange(rows) * 60_000_000_000, values, channels)


@settings(max_examples=30, deadline=None)
@given(content=st.binary(max_size=2_000))
def test_the_key_is_the_hash_and_the_bytes_come_back(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    store = ObjectStore(tmp_path_factory.getbasetemp() / "hypothesis-objects")
    key = store.put_bytes(content)
    assert key == hashlib.sha256(content).hexdigest()
    assert store.put_bytes(content) == key
    assert store.get_bytes(key) == content
    assert key in store


def test_damaged_bytes_are_found_on_reading_and_healed_by_writing_again(
    store: ObjectStore, tmp_path: Path
) -> None:
    key = store.put_bytes(b"evidence")
    stored_file(tmp_path, key).write_bytes(b"evidencE")
    with pytest.raises(ObjectCorruptError, match="do not hash to its key"):
        store.get_bytes(key)
    assert store.put_bytes(b"evidence") == key
    assert store.get_bytes(key) == b"evidence"


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "AB" * 32, "ab" * 31, "ab" * 32 + "\n", "ab" * 32])
def test_a_key_that_names_nothing_is_refused(store: ObjectStore, key: str) -> None:
    assert key not in store
    with pytest.raises(ObjectMissingError):
        store.get_bytes(key)


@pytest.mark.parametrize("rows", [0, 1, 500])
def test_a_frame_comes_back_with_its_times_gaps_and_channels(store: ObjectStore, rows: int) -> None:
    frame = frame_of(rows)
    key = store.put_frame(frame)
    assert store.put_frame(frame_of(rows)) == key
    again = store.get_frame(key)
    np.testing.assert_array_equal(again.timestamps_ns, frame.timestamps_ns)
    np.testing.assert_array_equal(again.values, frame.values)
    assert again.channels == frame.channels


def test_bytes_that_are_no_frame_are_refused_as_one(store: ObjectStore) -> None:
    with pytest.raises(ObjectCorruptError, match="is not a frame"):
        store.get_frame(store.put_bytes(b"plain text"))


def test_many_threads_may_store_the_same_object(store: ObjectStore) -> None:
    keys: list[str] = []
    content = b"x" * 100_000
    threads = [threading.Thread(target=lambda: keys.append(store.put_bytes(content))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert keys == [hashlib.sha256(content).hexdigest()] * 8
    assert store.get_bytes(keys[0]) == content


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AtlasError, match="cannot be made"):
        ObjectStore(tmp_path / "file" / "objects")


def test_importing_the_packages_loads_no_engine() -> None:
    script = (
        "import sys, industriverse.atlas, industriverse.economy, industriverse.atlas.embedded, "
        "industriverse.atlas.objects; "
        "print([m for m in ('kglite', 'pyarrow', 'sqlalchemy', 'obstore') if m in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
    )
    assert run.stdout.strip() == "[]"
