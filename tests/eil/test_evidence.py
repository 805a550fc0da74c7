"""The shares of the channels add up to the score, whatever happened to the stream."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eil.conftest import frame_of, vector_autoregression
from industriverse.eil.detector import Detector
from industriverse.eil.errors import DetectorError
from industriverse.signals import ChannelEvidence, Frame


def broken_sum(evidence: tuple[ChannelEvidence, ...], score: float) -> bool:
    """The rule: the shares add up to the score within 1e-9 nats."""
    return abs(sum(entry.share for entry in evidence) - score) > 1e-9


@settings(max_examples=40, deadline=None)
@given(
    row=st.lists(
        st.one_of(st.floats(-1e4, 1e4), st.floats(-4, 4), st.just(float("nan"))), min_size=6, max_size=6
    ),
    steps=st.integers(1, 30),
)
def test_shares_add_up_to_the_score(
    fitted: Detector, clean_stream: Frame, row: list[float], steps: int
) -> None:
    detector = Detector.from_reference(fitted.reference)
    detector.score(clean_stream.rows(3000, 3000 + steps))
    reading = detector.update(int(clean_stream.timestamps_ns[3000 + steps]), row)
    evidence = detector.evidence()
    assert not broken_sum(evidence, reading.score)
    assert all(entry.share >= 0.0 for entry in evidence)
    assert [entry.share for entry in evidence] == sorted((e.share for e in evidence), reverse=True)


@pytest.mark.parametrize("channels", [1, 30, 130])
def test_shares_add_up_at_any_width(channels: int) -> None:
    frame = frame_of(vector_autoregression(500, channels, seed=6))
    detector = Detector().fit(frame.rows(0, 450))
    readings = detector.score(frame.rows(450))
    assert not broken_sum(detector.evidence(), float(readings.score[-1]))


def test_a_tampered_share_is_convicted(fitted: Detector, clean_stream: Frame) -> None:
    detector = Detector.from_reference(fitted.reference)
    readings = detector.score(clean_stream.rows(3000, 3010))
    first, *rest = detector.evidence()
    tampered = (dataclasses.replace(first, share=first.share + 0.01), *rest)
    assert broken_sum(tampered, float(readings.score[-1]))


def test_work_heat_and_structure_of_the_channels_add_up_to_the_reading(
    fitted: Detector, clean_stream: Frame
) -> None:
    detector = Detector.from_reference(fitted.reference)
    for row in range(3000, 3100):
        reading = detector.update(int(clean_stream.timestamps_ns[row]), clean_stream.values[row])
    evidence = detector.evidence()
    assert sum(e.work for e in evidence) == pytest.approx(reading.work)
    assert sum(e.heat for e in evidence) == pytest.approx(reading.heat)
    assert sum(e.structure for e in evidence) == pytest.approx(reading.structure)
    assert np.mean([e.temperature for e in evidence]) == pytest.approx(reading.temperature)


def test_evidence_needs_a_sample(fitted: Detector) -> None:
    with pytest.raises(DetectorError, match="no sample was read yet"):
        Detector.from_reference(fitted.reference).evidence()
