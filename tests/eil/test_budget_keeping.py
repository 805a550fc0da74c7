"""The alarm adapts to a slow change of the plant within stated bounds; the score never does."""

import numpy as np
import pytest

from eil.conftest import frame_of, vector_autoregression
from industriverse.eil import layout
from industriverse.eil.detector import Detector
from industriverse.eil.reference import Reference
from industriverse.eil.watch import Watcher
from industriverse.signals import Frame

CLEAN = 5000


def without(reference: Reference, **scalars: float) -> Detector:
    """The same reference with some of its adaptation switched off: the fake that must be convicted."""
    from dataclasses import replace

    return Detector.from_reference(replace(reference, model=reference.model.with_scalars(**scalars)))


def noisier(rows: int, factor: float, seed: int) -> Frame:
    """A stream whose noise is ``factor`` times as strong after its clean rows: no attack, an older plant."""
    values = vector_autoregression(rows, 5, seed)
    values[CLEAN:] *= factor
    return frame_of(values)


def realised(detector: Detector, frame: Frame) -> float:
    watcher = Watcher(detector, "s")
    watcher.feed(frame.rows(CLEAN))
    return watcher.summary().realised_per_day


def test_the_promise_is_kept_on_a_plant_that_has_become_noisier() -> None:
    kept, frozen = [], []
    for seed in range(4):
        frame = noisier(25_000, 1.2, seed)
        reference = Detector(budget_per_day=2.0).fit(frame.rows(0, CLEAN)).reference
        kept.append(realised(Detector.from_reference(reference), frame))
        frozen.append(realised(without(reference, KEEPER_GAIN=0.0, DRIFT_RATE=0.0), frame))
    assert 0.5 <= float(np.mean(kept)) / 2.0 <= 2.0
    assert float(np.mean(frozen)) / 2.0 > 2.0


def test_the_score_does_not_adapt() -> None:
    frame = noisier(9000, 1.3, 1)
    reference = Detector().fit(frame.rows(0, CLEAN)).reference
    adapting = Detector.from_reference(reference).score(frame.rows(CLEAN))
    rigid = without(reference, KEEPER_GAIN=0.0, DRIFT_RATE=0.0).score(frame.rows(CLEAN))
    assert adapting.score.tobytes() == rigid.score.tobytes()
    assert adapting.alarm.sum() < rigid.alarm.sum()


@pytest.mark.parametrize("hours", [2, 40])
def test_an_attack_of_any_length_lifts_the_threshold_by_three_steps_at_most(hours: int) -> None:
    values = vector_autoregression(CLEAN + 4000, 5, 3)
    values[CLEAN + 500 : CLEAN + 500 + 60 * hours, 1] += 12.0
    frame = frame_of(values)
    detector = Detector().fit(frame.rows(0, CLEAN))
    readings = detector.score(frame.rows(CLEAN, CLEAN + 500 + 60 * hours))
    scalars = detector.reference.model.scalars
    offset = float(detector.snapshot().state.counters[layout.OFFSET])
    assert offset <= layout.EXCURSION_LIMIT * float(scalars[layout.KEEPER_GAIN]) + 1e-12
    # However long it lasts, a strong departure stays in alarm: the discount is bounded.
    assert readings.alarm[510:].all()


def test_the_threshold_stays_within_its_stated_bounds() -> None:
    values = vector_autoregression(CLEAN + 30_000, 3, 5)
    generator = np.random.default_rng(0)
    bursts = generator.random(30_000) < 0.01
    values[CLEAN:][bursts] += 25.0
    frame = frame_of(values)
    detector = Detector().fit(frame.rows(0, CLEAN))
    limit = float(detector.reference.model.scalars[layout.KEEPER_LIMIT])
    offsets = []
    for start in range(CLEAN, len(frame), 500):
        detector.score(frame.rows(start, start + 500))
        offsets.append(float(detector.snapshot().state.counters[layout.OFFSET]))
    assert max(offsets) <= limit
    assert min(offsets) >= -limit


def test_what_the_adaptation_excuses_is_counted() -> None:
    frame = noisier(12_000, 1.3, 2)
    watcher = Watcher(Detector().fit(frame.rows(0, CLEAN)), "s")
    watcher.feed(frame.rows(CLEAN))
    assert watcher.summary().absorbed_rows > 100
