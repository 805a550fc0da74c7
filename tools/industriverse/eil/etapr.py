"""eTaPR: precision and recall that reward how much of an event is covered, not only that it was touched.

Hwang, Yun, Kim & Min, "Do you know existing accuracy metrics overrate time-series anomaly detections?", SAC
2022. A prediction counts while at least ``theta_p`` of it lies on counted events, an event counts while at
least ``theta_r`` of it is covered by counted predictions; both rules are applied until nothing changes. Each
counted range scores the mean of 1 and its covered share; predictions weigh by the root of their length.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industriverse.eil.errors import EilError
from industriverse.eil.evaluation import segments

__all__ = ["EtaprScore", "etapr"]

Labels = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class EtaprScore:
    """eTaP, eTaR and how many events were detected.

    Attributes:
        precision: eTaP, 0 where nothing was predicted.
        recall: eTaR.
        detected: Events that count as detected.
        events: Events of all.
    """

    precision: float
    recall: float
    detected: int
    events: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2.0 * self.precision * self.recall / total if total > 0.0 else 0.0


def etapr(labels: Labels, alarm: Labels, *, theta_p: float = 0.5, theta_r: float = 0.1) -> EtaprScore:
    """Score of an alarm series by eTaPR.

    Args:
        labels: Whether each row belongs to an event, shape (n,).
        alarm: Whether each row is in alarm, shape (n,).
        theta_p: Share of a prediction that must lie on events.
        theta_r: Share of an event that must be covered.

    Raises:
        EilError: If shapes differ, a share is outside 0 to 1, or there is no event.
    """
    if labels.shape != alarm.shape or labels.ndim != 1:
        raise EilError(
            f"labels of shape {labels.shape} and alarms of shape {alarm.shape}", hint="give one of each a row"
        )
    for name, value in (("theta_p", theta_p), ("theta_r", theta_r)):
        if not 0.0 <= value <= 1.0:
            raise EilError(f"{name} is {value}", hint="give a share between 0 and 1")
    events, predictions = segments(labels), segments(alarm)
    if not events:
        raise EilError("no row is labelled as an event", hint="recall needs at least one event")
    if not predictions:
        return EtaprScore(0.0, 0.0, 0, len(events))
    event_length, prediction_length = _lengths(events), _lengths(predictions)
    overlap = _overlaps(events, predictions)
    while True:
        wrong = overlap.sum(axis=0) / prediction_length < theta_p
        missed = overlap.sum(axis=1) / event_length < theta_r
        if not overlap[:, wrong].any() and not overlap[missed].any():
            break
        # A range that no longer counts takes its overlap away from its partners too.
        overlap[:, wrong] = 0.0
        overlap[overlap.sum(axis=1) / event_length < theta_r] = 0.0
    covered, correct = overlap.sum(axis=1) / event_length, overlap.sum(axis=0) / prediction_length
    weight = np.sqrt(prediction_length)
    found, right = covered > 0.0, correct > 0.0
    return EtaprScore(
        precision=float((weight * 0.5 * (right + correct)).sum() / weight.sum()),
        recall=float((0.5 * (found + covered)).mean()),
        detected=int(found.sum()),
        events=len(events),
    )


def _lengths(ranges: list[tuple[int, int]]) -> NDArray[np.float64]:
    return np.array([stop - start for start, stop in ranges], dtype=np.float64)


def _overlaps(events: list[tuple[int, int]], predictions: list[tuple[int, int]]) -> NDArray[np.float64]:
    """Rows shared by each event and each prediction, shape (events, predictions)."""
    first, second = np.array(events), np.array(predictions)
    stop = np.minimum(first[:, None, 1], second[None, :, 1])
    start = np.maximum(first[:, None, 0], second[None, :, 0])
    return np.asarray(np.maximum(stop - start, 0), dtype=np.float64)
