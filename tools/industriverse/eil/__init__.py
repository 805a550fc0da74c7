"""EIL, the Energy Intelligence Layer: detection, calibration and proof of equilibrium."""
