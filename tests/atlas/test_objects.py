"""The object store gives back what it was given, or says that it cannot."""

import hashlib
import os
import secrets
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas.servers import Weed
from industriverse.atlas import AtlasError, ObjectCorruptError, ObjectMissingError, objects
from industriverse.atlas.objects import ObjectStore
from industriverse.atlas.s3 import S3ObjectStore
from industriverse.signals import Channel, ChannelKind, Frame


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "folder":
        return ObjectStore(tmp_path / "objects")
    weed: Weed = request.getfixturevalue("weed")
    # A folder of its own in the bucket stands for an empty store.
    return S3ObjectStore(weed.settings(prefix=secrets.token_hex(8)))


def damage(store: ObjectStore, key: str, content: bytes) -> None:
    store._store.put(f"{key[:2]}/{key[2:4]}/{key}", content, mode="overwrite")


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
    damage(store, key, b"evidencE")
    assert not store.intact(key)
    with pytest.raises(ObjectCorruptError, match="do not hash to its key"):
        store.get_file(key, tmp_path / "copy")
    assert list(tmp_path.glob("*copy*")) == []
    with pytest.raises(ObjectCorruptError, match="do not hash to its key"):
        store.get_bytes(key)
    assert store.put_bytes(b"evidence") == key
    assert store.get_bytes(key) == b"evidence"


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "AB" * 32, "ab" * 31, "ab" * 32 + "\n", "ab" * 32])
def test_a_key_that_names_nothing_is_refused(store: ObjectStore, key: str) -> None:
    assert key not in store
    with pytest.raises(ObjectMissingError):
        store.get_bytes(key)
    with pytest.raises(ObjectMissingError):
        store.get_range(key, 0, 1)
    with pytest.raises(ObjectMissingError):
        store.intact(key)


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


def test_a_large_file_is_stored_in_parts_and_comes_back(store: ObjectStore, tmp_path: Path) -> None:
    content = np.random.default_rng(1).bytes(20_000_003)
    (tmp_path / "large").write_bytes(content)
    key = store.put_file(tmp_path / "large")
    assert key == hashlib.sha256(content).hexdigest()
    assert store.put_file(tmp_path / "large") == key
    assert store.put_bytes(content) == key
    store.get_file(key, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == content
    assert store.get_range(key, 8_388_600, 20) == content[8_388_600:8_388_620]


def test_a_damaged_object_is_healed_by_its_file(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"evidence")
    key = store.put_file(tmp_path / "file")
    damage(store, key, b"evidenc")
    assert store.put_file(tmp_path / "file") == key
    assert store.get_bytes(key) == b"evidence"


def test_an_empty_file_is_an_object_too(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert store.get_bytes(store.put_file(tmp_path / "empty")) == b""


@pytest.mark.parametrize(("start", "length"), [(0, 9), (7, 2), (8, 1), (100, 1), (-1, 2), (0, 0)])
def test_a_range_outside_an_object_is_refused(store: ObjectStore, start: int, length: int) -> None:
    key = store.put_bytes(b"evidence")
    assert store.get_range(key, 3, 5) == b"dence"
    with pytest.raises(AtlasError):
        store.get_range(key, start, length)


def test_objects_are_listed_and_deleted(store: ObjectStore) -> None:
    keys = {store.put_bytes(bytes([number])) for number in range(20)}
    assert {one.key for one in store.objects()} == keys
    assert {one.size_bytes for one in store.objects()} == {1}
    gone = keys.pop()
    store.delete(gone)
    store.delete(gone)
    assert gone not in store
    assert {one.key for one in store.objects()} == keys


def test_a_file_that_changes_while_it_is_stored_is_refused(tmp_path: Path) -> None:
    (tmp_path / "growing").write_bytes(b"x" * 100)
    with pytest.raises(OSError, match="changed while it was read"):
        list(objects._checked_parts(tmp_path / "growing", hashlib.sha256(b"").hexdigest()))


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
