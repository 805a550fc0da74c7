"""Targets on labelled telemetry; skipped where it is absent."""

import os
from pathlib import Path

import numpy as np
import pytest

from industriverse.eil.events import EventDetector
from industriverse.signals.events import Event

SECOND_NS = 10**9
SECONDS_PER_DAY = 86_400.0


@pytest.fixture(scope="module")
def flows() -> tuple[list[Event], list[Event], np.ndarray]:
    """Clean flows of the first half of the rows, all flows of the second, and whether each is an attack."""
    path = Path(os.environ.get("INDUSTRIVERSE_DATA", "")) / "nsl_kdd" / "train20.parquet"
    if "INDUSTRIVERSE_DATA" not in os.environ or not path.exists():
        pytest.skip("needs the labelled telemetry named by INDUSTRIVERSE_DATA")
    import pyarrow.parquet as pq

    records = pq.read_table(path).to_pylist()
    attacks = np.array([record["label"] == 1 for record in records])
    half = len(records) // 2
    rows = [i for i in range(half) if not attacks[i]] + list(range(half, len(records)))
    events = [
        Event(
            place * SECOND_NS,
            f"row {place}",
            f"flow {records[row]['protocol_type']} {records[row]['service']}",
            {k: v for k, v in records[row].items() if k not in ("attack", "difficulty", "label")},
        )
        for place, row in enumerate(rows)
    ]
    clean = len(rows) - (len(records) - half)
    return events[:clean], events[clean:], attacks[half:]


@pytest.mark.data
def test_flows_meet_the_target_at_the_realised_rate_of_false_alarms(
    flows: tuple[list[Event], list[Event], np.ndarray],
) -> None:
    clean, later, attacks = flows
    detector = EventDetector(0.01 * SECONDS_PER_DAY, refractory_s=0.0).fit(clean)
    readings = detector.score(later)
    alarms = readings.p_value <= np.exp(-detector.calibration.threshold)
    ranks = np.argsort(np.argsort(readings.score)) + 1.0
    positives, negatives = int(attacks.sum()), int((~attacks).sum())
    auc = (ranks[attacks].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    assert auc >= 0.97
    assert alarms[~attacks].mean() <= 0.01
    assert alarms[attacks].mean() >= 0.65
