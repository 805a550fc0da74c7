"""Wide streams: low rank and single precision keep a thousand channels below a mebibyte."""

from pathlib import Path

import numpy as np

from eil.conftest import frame_of, vector_autoregression
from industriverse.eil.detector import Detector
from industriverse.eil.reference import Reference


def kept_bytes(reference: Reference) -> int:
    return sum(array.nbytes for array in (*reference.model.arrays(), *reference.initial.arrays()))


def test_a_stream_of_a_thousand_channels_keeps_at_most_a_mebibyte_and_still_sees(tmp_path: Path) -> None:
    values = vector_autoregression(460, 1000, seed=4)
    values[440:, :40] += 8.0
    frame = frame_of(values)
    detector = Detector().fit(frame.rows(0, 400))
    assert kept_bytes(detector.reference) <= 2**20
    stored = Reference.load(detector.reference.save(tmp_path / "wide.npz"))
    assert stored.digest == detector.reference.digest
    again = Detector.from_reference(stored).score(frame.rows(400))
    readings = detector.score(frame.rows(400))
    assert again.score.tobytes() == readings.score.tobytes()
    assert readings.score[42:].min() > readings.score[:40].max()


def test_single_precision_begins_where_streams_become_wide() -> None:
    for channels, kind in ((100, np.float64), (101, np.float32)):
        detector = Detector().fit(frame_of(vector_autoregression(200, channels, seed=channels)))
        assert detector.reference.model.coefficients.dtype == kind
