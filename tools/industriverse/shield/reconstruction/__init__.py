"""UPD, Universal Physics Diffusion: rebuild missing or tampered channels from the others, and say which ones lie."""

from industriverse.shield.reconstruction.attribution import LieDetector, Suspicion
from industriverse.shield.reconstruction.rebuilding import Rebuilder, Rebuilt

__all__ = ["LieDetector", "Rebuilder", "Rebuilt", "Suspicion"]
