"""Raw samples on disk: whole, once, in the order of time."""

import signal
import sqlite3
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from industriverse.operations.errors import NotFoundError, OperationError
from industriverse.operations.telemetry import TelemetryStore
from industriverse.signals import NANOSECONDS_PER_SECOND, Channel, ChannelKind, Frame

CHANNELS = (
    Channel("level", unit="m", entity="tank-1", quantity="level"),
    Channel("pump", unit="1", kind=ChannelKind.CATEGORICAL),
)


def frame(start: int, rows: int, channels: tuple[Channel, ...] = CHANNELS) -> Frame:
    times = (start + np.arange(rows, dtype=np.int64)) * NANOSECONDS_PER_SECOND
    values = np.arange(rows * len(channels), dtype=float).reshape(rows, -1) + 1000.0 * start
    return Frame(times, values, channels)


@pytest.fixture
def store(tmp_path: Path):
    opened = TelemetryStore(tmp_path / "samples.sqlite")
    yield opened
    opened.close()


def test_appending_the_same_samples_again_changes_nothing(store: TelemetryStore) -> None:
    assert store.append("a", frame(0, 5)) == 5
    assert store.append("a", frame(0, 5)) == 0
    assert store.append("a", frame(3, 4)) == 2
    assert store.count("a") == 7


def test_samples_come_back_with_channels_times_and_every_bit_of_their_values(store: TelemetryStore) -> None:
    sent = frame(0, 4)
    sent.values[1, 0] = np.nan
    store.append("a", sent)
    kept = store.frame("a")
    assert kept.channels == sent.channels
    np.testing.assert_array_equal(kept.timestamps_ns, sent.timestamps_ns)
    assert kept.values.tobytes() == sent.values.tobytes()


def test_samples_with_other_channels_are_refused_and_leave_nothing(store: TelemetryStore) -> None:
    store.append("a", frame(0, 2))
    with pytest.raises(OperationError, match=r"other channels.*new stream name"):
        store.append("a", frame(2, 2, CHANNELS[::-1]))
    assert store.count("a") == 2


def test_a_new_sample_before_the_last_one_is_refused_and_the_rest_of_its_frame_too(
    store: TelemetryStore,
) -> None:
    store.append("a", frame(10, 5))
    late = Frame(np.array([8, 20], dtype=np.int64) * NANOSECONDS_PER_SECOND, np.zeros((2, 2)), CHANNELS)
    with pytest.raises(OperationError, match=r"00:00:08Z came after the one of .*00:00:14Z"):
        store.append("a", late)
    assert store.count("a") == 5


def test_streams_do_not_see_each_other(store: TelemetryStore) -> None:
    store.append("a", frame(0, 3))
    store.append("b", frame(100, 2, CHANNELS[:1]))
    assert store.names() == ("a", "b")
    assert (store.count("a"), store.count("b")) == (3, 2)
    assert len(store.channels("b")) == 1


def test_an_unknown_stream_is_named_with_those_that_exist(store: TelemetryStore) -> None:
    store.append("a", frame(0, 1))
    with pytest.raises(NotFoundError, match="no stream 'b'; streams are: a"):
        store.frame("b")


def test_a_stretch_of_a_stream_can_be_read(store: TelemetryStore) -> None:
    store.append("a", frame(0, 10))
    assert len(store.frame("a", after_ns=6 * NANOSECONDS_PER_SECOND)) == 3
    assert list(store.frame("a", last=2).timestamps_ns // NANOSECONDS_PER_SECOND) == [8, 9]


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 40), max_size=6), again=st.integers(0, 5))
def test_any_split_into_overlapping_appends_keeps_every_sample_once(
    cuts: list[int], again: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = frame(0, 40)
    store = TelemetryStore(tmp_path_factory.mktemp("split") / "samples.sqlite")
    added = 0
    edges = [0, *sorted(cuts), 40]
    for start, stop in pairwise(edges):
        added += store.append("a", whole.rows(max(0, start - again), stop))
    assert added == 40
    assert store.frame("a").values.tobytes() == whole.values.tobytes()
    store.close()


WRITER = """
import sys
import numpy as np
from pathlib import Path
from industriverse.operations.telemetry import TelemetryStore
from industriverse.signals import Channel, Frame

store = TelemetryStore(Path(sys.argv[1]))
channels = tuple(Channel(f"c{i}") for i in range(20))
for block in range(100_000):
    times = np.arange(block * 50, block * 50 + 50, dtype=np.int64)
    store.append("a", Frame(times, np.repeat(times[:, None].astype(float), 20, axis=1), channels))
    print(block, flush=True)
"""


def test_a_writer_that_is_killed_leaves_whole_appends_only(tmp_path: Path) -> None:
    path = tmp_path / "samples.sqlite"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    told = -1
    for line in writer.stdout:
        told = int(line)
        if told >= 20:
            writer.send_signal(signal.SIGKILL)
            break
    told = max([told, *(int(line) for line in writer.stdout)])
    writer.wait()
    writer.stdout.close()
    store = TelemetryStore(path)
    kept = store.frame("a")
    assert len(kept) % 50 == 0
    assert len(kept) >= 50 * (told + 1), "an append that was confirmed is gone"
    np.testing.assert_array_equal(kept.values[:, 0], np.arange(len(kept)))
    assert (kept.values == kept.values[:, :1]).all()
    store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
