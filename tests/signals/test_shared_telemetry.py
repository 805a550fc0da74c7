"""The labelled telemetry named by INDUSTRIVERSE_DATA reads with every row kept."""

import os
from pathlib import Path

import numpy as np
import pytest

from industriverse.signals import IngestError
from industriverse.signals.ingest import read_frame

DATA = Path(os.environ.get("INDUSTRIVERSE_DATA", "/nonexistent"))

pytestmark = pytest.mark.data


def shared(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"INDUSTRIVERSE_DATA has no {name}")
    return path


@pytest.mark.parametrize(
    ("name", "ignore", "rows", "channels", "interval_s"),
    [
        ("batadal/dataset03.parquet", ["ATT_FLAG"], 8761, 43, 3600),
        ("batadal/dataset04.parquet", ["ATT_FLAG"], 4177, 43, 3600),
        ("tep/tep.parquet", ["split", "fault", "sample", "label"], 15860, 52, 1),
        ("asd/omi-1.parquet", ["split", "label"], 12960, 19, 1),
    ],
)
def test_every_row_of_a_shared_set_is_kept(
    name: str, ignore: list[str], rows: int, channels: int, interval_s: float
) -> None:
    result = read_frame(shared(name), ignore=ignore)
    assert result.rows_in == len(result.frame) == rows
    assert len(result.frame.channels) == channels
    assert result.frame.interval_s == interval_s
    np.testing.assert_array_equal(result.source_rows, np.arange(rows))


def test_the_pump_loop_restarts_its_clock_and_keeps_every_row_once_sorted() -> None:
    path, labels = shared("skab/skab.parquet"), ["experiment", "anomaly", "changepoint"]
    with pytest.raises(IngestError, match=r"backward at row 18554.*backward='sort'"):
        read_frame(path, ignore=labels)
    result = read_frame(path, ignore=labels, backward="sort")
    assert result.rows_in == len(result.frame) == 27565
    assert result.frame.names[-1] == "Volume Flow RateRMS"
    np.testing.assert_array_equal(np.sort(result.source_rows), np.arange(27565))


def test_the_pump_loop_with_its_labels_says_which_column_is_text() -> None:
    with pytest.raises(IngestError, match="'experiment' holds text"):
        read_frame(shared("skab/skab.parquet"), backward="sort")
