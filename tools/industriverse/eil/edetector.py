"""Anytime-valid alarm: evidence multiplied over time, with a proven average run length.

Shin, Ramdas & Rinaldo, "E-detectors: a nonparametric framework for sequential change detection" (2023), in the
Shiryaev-Roberts form ``M = (M + 1) e``: an alarm at ``M >= A`` comes on average no sooner than after A blocks
while the blocks are exchangeable with the clean ones. e is the mixture over kappa of ``kappa p^(kappa - 1)`` of
the conformal p-value p of a block's largest score (Vovk & Wang, "E-values", Annals of Statistics 49(3), 2021).
"""

import numpy as np
from numpy.typing import NDArray

from industriverse.eil.errors import CalibrationError

__all__ = ["EDetector", "e_value"]

Array = NDArray[np.float64]

KAPPAS = np.array([0.1, 0.3, 0.5, 0.7, 0.9])


def e_value(p_value: float) -> float:
    """Evidence against the clean law from one p-value: mean at most 1 while that law holds."""
    return float((KAPPAS * p_value ** (KAPPAS - 1.0)).mean())


class EDetector:
    """Alarms on block maxima with an average run length under the clean law.

    Args:
        clean_maxima: Largest scores of clean blocks that the fit never saw, shape (n,).
        run_length_blocks: Blocks that an alarm on clean data must on average take at least.

    Raises:
        CalibrationError: If there is no clean block or the run length is below one block.
    """

    def __init__(self, clean_maxima: Array, run_length_blocks: float) -> None:
        if len(clean_maxima) == 0:
            raise CalibrationError("there is no clean block", hint="give scores of clean rows")
        if not run_length_blocks >= 1.0:
            raise CalibrationError(
                f"a run length of {run_length_blocks} blocks", hint="allow at most one ticket a block"
            )
        self.threshold = float(run_length_blocks)
        self.evidence = 0.0
        self._clean = np.sort(np.asarray(clean_maxima, dtype=np.float64))

    def feed(self, block_maximum: float) -> bool:
        """Take the next block; True when evidence crosses the threshold, which starts it anew."""
        above = len(self._clean) - int(np.searchsorted(self._clean, block_maximum, side="left"))
        self.evidence = (self.evidence + 1.0) * e_value((1.0 + above) / (len(self._clean) + 1.0))
        if self.evidence < self.threshold:
            return False
        self.evidence = 0.0
        return True
