"""Which channels were attacked in BATADAL's second year, by event, and faults injected into clean rows.

The attacked channels are those of the contest's description of attacks 1 to 7: Taormina et al., "Battle of the Attack
Detection Algorithms", J. Water Resour. Plann. Manage. 144(8), 2018, table of the second data set: the tank whose
reading was forged, and the pumps that were driven wrongly or whose flow and status were replayed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from industriverse.signals import Frame

__all__ = ["BATADAL_ATTACKED", "FAULTS", "Injected", "inject"]

# Attacks 1 and 3 to 6: pumps as the contest's own answers of December 2016 name them (batadal.net/faq.html). Tanks, and
# attacks 2 and 7, which that page does not treat, were not compared with a published table.
BATADAL_ATTACKED: tuple[frozenset[str], ...] = (
    frozenset({"L_T7", "F_PU10", "S_PU10", "F_PU11", "S_PU11"}),
    frozenset({"L_T7", "F_PU10", "S_PU10", "F_PU11", "S_PU11"}),
    frozenset({"L_T1", "F_PU1", "S_PU1", "F_PU2", "S_PU2"}),
    frozenset({"L_T1", "F_PU1", "S_PU1", "F_PU2", "S_PU2", "P_J269"}),
    frozenset({"F_PU7", "S_PU7"}),
    frozenset({"F_PU6", "S_PU6", "F_PU7", "S_PU7", "L_T4"}),
    frozenset({"L_T4", "F_PU6", "S_PU6", "F_PU7", "S_PU7"}),
)
FAULTS = ("bias", "frozen", "replay", "noise")


@dataclass(frozen=True, slots=True)
class Injected:
    """Clean rows with one channel made to lie. The fault is injected and called so."""

    kind: str
    channel: str
    frame: Frame
    rows: slice


def inject(
    clean: Frame, history: Frame, *, length: int, count: int, rng: np.random.Generator
) -> Iterator[Injected]:
    """Faults of each kind on random moving channels of clean rows.

    Args:
        clean: Rows that no model was fitted on.
        history: Earlier rows, for replays and for the size of a channel's movement.
        length: Rows that a fault lasts.
        count: Faults of each kind.
        rng: Source of randomness.
    """
    spread = np.nanstd(history.values, axis=0)
    levels = [len(np.unique(column)) for column in history.values.T]
    moving = [j for j in range(len(spread)) if spread[j] > 0 and levels[j] > 20]
    for kind in FAULTS:
        for _ in range(count):
            j = int(rng.choice(moving))
            start = int(rng.integers(2, len(clean) - length))
            rows = slice(start, start + length)
            values: NDArray[np.float64] = clean.values.copy()
            if kind == "bias":
                values[rows, j] += rng.choice([-1.0, 1.0]) * 3.0 * spread[j]
            elif kind == "frozen":
                values[rows, j] = values[start, j]
            elif kind == "replay":
                origin = int(rng.integers(0, len(history) - length))
                values[rows, j] = history.values[origin : origin + length, j]
            else:
                values[rows, j] += 2.0 * spread[j] * rng.standard_normal(length)
            yield Injected(kind, clean.names[j], Frame(clean.timestamps_ns, values, clean.channels), rows)
