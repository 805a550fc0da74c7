"""EIL, the Energy Intelligence Layer: detection against a learned equilibrium, calibrated to a ticket budget.

The public names are loaded on first use, so that importing the package costs neither numba nor scipy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from industriverse.eil.calibration import Calibration
    from industriverse.eil.detector import Detector, DetectorSnapshot
    from industriverse.eil.reference import Reference
    from industriverse.eil.watch import Watcher, WatchSummary

__all__ = ["Calibration", "Detector", "DetectorSnapshot", "Reference", "WatchSummary", "Watcher"]

_HOMES = {
    "Calibration": "calibration",
    "Detector": "detector",
    "DetectorSnapshot": "detector",
    "Reference": "reference",
    "WatchSummary": "watch",
    "Watcher": "watch",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
