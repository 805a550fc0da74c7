"""Following a stream with the fitted shield: seven witnesses, fused evidence, index, quorum and decision."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from industriverse.eil.calibration import REFRACTORY_S, SECONDS_PER_DAY
from industriverse.eil.detector import Detector
from industriverse.shield.fusion.criticality import criticality_index, evidence_share
from industriverse.shield.fusion.witnesses import (
    HEADS,
    WITNESSES,
    RawWitness,
    ShieldModel,
    SlowDiscount,
    conservative,
    fused_evidence,
    negative_log_tail,
)
from industriverse.signals import Frame, ThermoReadings

__all__ = ["QUORUM", "ShieldMonitor", "ShieldReadings"]

Array = NDArray[np.float64]

QUORUM = 4  # of seven; a reported statistic, not a gate: one copied channel is proof enough by itself
AGREES_AT = -np.log(0.01)  # nats from which a witness speaks against equilibrium
KEEPER_GAIN = 0.6  # as in the detection core: of the Gumbel spread, an excursion too many or too few
KEEPER_LIMIT = 2.5
EXCURSION_TICKETS = 1


@dataclass(frozen=True, slots=True, eq=False)
class ShieldReadings:
    """What the shield says of n samples; each array has leading length n.

    Attributes:
        timestamps_ns: Times.
        evidence: Fused evidence, nats.
        p_value: Clean-tail probability of evidence at least this large.
        index: Criticality index, 0 to 100.
        agreeing: Witnesses that speak against equilibrium at p < 0.01, 0 to 7.
        quorum: Whether at least four of seven agree.
        alarm: Whether the sample is in alarm at the ticket budget.
        witnesses: -log p of each witness, nats, shape (n, 7).
        copies: Evidence that a channel repeats itself beyond chance, nats.
    """

    timestamps_ns: NDArray[np.int64]
    evidence: Array
    p_value: Array
    index: Array
    agreeing: NDArray[np.int64]
    quorum: NDArray[np.bool_]
    alarm: NDArray[np.bool_]
    witnesses: Array
    copies: Array

    def __len__(self) -> int:
        return len(self.timestamps_ns)

    @staticmethod
    def concatenate(blocks: "list[ShieldReadings]") -> "ShieldReadings":
        """Join blocks in the order given."""
        return ShieldReadings(
            *(np.concatenate([getattr(block, f.name) for block in blocks]) for f in fields(ShieldReadings))
        )


class ShieldMonitor:
    """Reads one stream from right after its clean rows on.

    Args:
        model: The fitted shield.
    """

    def __init__(self, model: ShieldModel) -> None:
        self.model = model
        detector = Detector.from_reference(model.detector.reference)
        self._witness = RawWitness(model.clean, detector, model.balances)
        interval_s = model.clean.interval_s
        self._refractory = max(1, round(REFRACTORY_S / interval_s))
        self._rate = model.calibration.promised_per_day * interval_s / SECONDS_PER_DAY
        self._discount = SlowDiscount(2)
        self._offset, self._since_ticket, self._since_alarm, self._tickets = 0.0, 10**9, 0, 0

    def see(self, frame: Frame) -> tuple[ThermoReadings, ShieldReadings]:
        """Readings of the detection core and of the shield for the next rows."""
        readings, raw, copies = self._witness.see(frame)
        model = self.model
        copies = copies if "MIC" in model.phases else np.zeros(len(frame))
        nats = np.stack([negative_log_tail(raw[:, k], model.tails[k]) for k in range(len(WITNESSES))], axis=1)
        nats = conservative(raw, nats, len(self._witness.invariants.invariants))
        nats[:, 5:] = self._discount.apply(nats[:, 5:])
        if "MIC" in model.phases:
            nats[:, 5] = np.maximum(nats[:, 5], np.minimum(copies, 20.0))
        evidence = fused_evidence(nats, phases=model.phases)
        log_p = negative_log_tail(evidence, model.fused_tail)
        threshold = model.calibration.threshold
        if "MIC" in model.phases:
            # A copy is no matter of degree: it is in alarm however calm the energies are.
            copied = copies > 0.0
            evidence = np.where(copied, np.maximum(evidence, threshold + copies), evidence)
            log_p = np.where(copied, np.maximum(log_p, np.minimum(copies, 20.0)), log_p)
        cautious = self._cautious(raw, nats)
        if "MIC" in model.phases:
            cautious[:, 5] = np.maximum(cautious[:, 5], np.minimum(copies, 20.0))
        agreeing = (cautious > AGREES_AT).sum(axis=1)
        p_value = np.exp(-log_p)
        index = criticality_index(_corroborated(cautious, copies, model.phases), agreeing / len(WITNESSES))
        shield = ShieldReadings(
            timestamps_ns=frame.timestamps_ns,
            evidence=evidence,
            p_value=p_value,
            index=index,
            agreeing=agreeing,
            quorum=agreeing >= QUORUM,
            alarm=self._decide(evidence, copies > 0.0)
            if len(model.phases) < len(HEADS) or not model.calibration.certified
            else readings.alarm | (copies > 0.0),
            witnesses=nats,
            copies=copies,
        )
        return readings, shield

    def _cautious(self, raw: Array, nats: Array) -> Array:
        """What the witnesses may say with the certainty that their clean tails allow, nats, shape (n, 7)."""
        model = self.model
        bounds = [
            negative_log_tail(raw[:, k], model.tails[k], model.exceedances[k]) for k in range(len(WITNESSES))
        ]
        return np.minimum(nats, np.stack(bounds, axis=1))

    @property
    def witness(self) -> RawWitness:
        """The phases behind the readings."""
        return self._witness

    def _decide(self, evidence: Array, copied: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Alarm at a threshold that follows a slow change of the plant, within the limits of the core's own."""
        calibration = self.model.calibration
        gain, limit = KEEPER_GAIN * calibration.spread, KEEPER_LIMIT * calibration.spread
        alarm = np.zeros(len(evidence), dtype=np.bool_)
        for row, value in enumerate(evidence.tolist()):
            self._since_ticket += 1
            if value >= calibration.threshold + self._offset:
                alarm[row] = True
                self._since_alarm = 0
                if self._since_ticket >= self._refractory:
                    self._since_ticket = 0
                    self._tickets += 1
                    if self._tickets <= EXCURSION_TICKETS:
                        self._offset += gain
            else:
                self._since_alarm += 1
                if self._since_alarm >= self._refractory:
                    self._tickets = 0
                self._offset -= gain * self._rate
            self._offset = min(max(self._offset, -limit), limit)
            alarm[row] |= bool(copied[row])
        return alarm


def _corroborated(nats: Array, copies: Array, phases: tuple[str, ...]) -> Array:
    """Calibrated evidence that two phases give independently, or that a copy proves alone, shape (n,).

    One phase by itself is often right and sometimes surprised by a plant that has moved on; the index, which
    may isolate an asset, takes the second strongest.
    """
    shares = np.stack([evidence_share(np.exp(-nats[:, HEADS[phase]])) for phase in phases], axis=1)
    second = np.sort(shares, axis=1)[:, -2] if len(phases) > 1 else shares[:, 0]
    return np.maximum(second, np.where(copies > 0.0, evidence_share(np.exp(-np.minimum(copies, 20.0))), 0.0))
