"""A recording in, a table of scores out: one row a row, whole or not at all."""

from pathlib import Path

import numpy as np
import pytest

from eil.conftest import frame_of, vector_autoregression
from industriverse.eil.errors import FitError, ScoringError
from industriverse.eil.scoring import SCORE_COLUMNS, ScoredBlock, ScoringRun, choose_clean_rows, write_scores
from industriverse.signals import Frame


@pytest.fixture(scope="module")
def recording() -> Frame:
    values = vector_autoregression(2000, 4, seed=31)
    values[1500:1560, 2] += 8.0
    return frame_of(values, interval_s=60.0)


def drained(run: ScoringRun, path: Path) -> list[ScoredBlock]:
    return list(write_scores(path, run.blocks()))


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_the_table_has_one_row_per_input_row_in_order(recording: Frame, tmp_path: Path, suffix: str) -> None:
    pandas = pytest.importorskip("pandas")
    path = tmp_path / f"scores{suffix}"
    blocks = drained(ScoringRun(recording, block_rows=333), path)
    table = pandas.read_parquet(path) if suffix == ".parquet" else pandas.read_csv(path)
    assert tuple(table.columns) == SCORE_COLUMNS
    assert len(table) == len(recording) == blocks[-1].rows_done == blocks[-1].rows_total
    times = pandas.to_datetime(table["time"], utc=True).astype("datetime64[ns, UTC]").astype("int64")
    assert (times.to_numpy() == recording.timestamps_ns).all()
    scores = np.concatenate([block.readings.score for block in blocks])
    assert np.allclose(table["score"].to_numpy(), scores, rtol=1e-12)
    assert table["alarm"].to_numpy()[1502:1558].mean() > 0.9


def test_tickets_come_with_the_block_and_only_after_the_clean_rows(recording: Frame) -> None:
    run = ScoringRun(recording, clean_rows=1000, stream="pump")
    blocks = list(run.blocks())
    assert not any(block.tickets for block in blocks if block.clean)
    tickets = [ticket for block in blocks for ticket in block.tickets]
    assert any(recording.timestamps_ns[1500] <= t.onset_ns < recording.timestamps_ns[1560] for t in tickets)
    summary = run.summary()
    assert (summary.rows, summary.tickets) == (1000, len(tickets))


def test_clean_rows_default_to_thirty_percent_but_at_least_a_hundred(recording: Frame) -> None:
    assert choose_clean_rows(recording).rows == 600
    assert "by default" in choose_clean_rows(recording).reason
    assert choose_clean_rows(recording.rows(0, 200)).rows == 100
    until = int(recording.timestamps_ns[700])
    assert choose_clean_rows(recording, clean_until_ns=until).rows == 700


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (2000, {"clean_rows": 50}, "50 clean rows are too few"),
        (2000, {"clean_rows": 2000}, "leave none of 2000 to watch"),
        (2000, {"clean_rows": 500, "clean_until_ns": 1}, "give one of the two"),
        (2000, {"clean_until_ns": -1}, "0 clean rows are too few"),
        (1, {}, "leave none of 1 to watch"),
        (0, {}, "leave none of 0 to watch"),
    ],
)
def test_bad_limits_are_one_clear_error(
    recording: Frame, rows: int, options: dict[str, int], message: str
) -> None:
    with pytest.raises(ScoringError, match=message):
        choose_clean_rows(recording.rows(0, rows), **options)


def test_a_constant_recording_is_refused() -> None:
    with pytest.raises(FitError, match="every channel is constant"):
        ScoringRun(frame_of(np.ones((400, 2))))


def test_an_unknown_suffix_or_folder_is_refused(recording: Frame, tmp_path: Path) -> None:
    run = ScoringRun(recording)
    with pytest.raises(ScoringError, match=r"use \.parquet or \.csv"):
        write_scores(tmp_path / "scores.xlsx", run.blocks())
    with pytest.raises(ScoringError, match="cannot write scores"):
        drained(run, tmp_path / "absent" / "scores.csv")


def test_an_interrupted_run_leaves_no_file(recording: Frame, tmp_path: Path) -> None:
    blocks = write_scores(tmp_path / "scores.parquet", ScoringRun(recording, block_rows=100).blocks())
    next(blocks)
    blocks.close()
    assert list(tmp_path.iterdir()) == []
