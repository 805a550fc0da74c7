"""The laws: energy, entropy, free energy and entropy production. numpy and scipy only, no input or output.

The functionals live in submodules (``energy``, ``entropy``, ``free_energy``, ``entropy_production``,
``uncertainty``, ``temperature``, ``conservation``, ``noise``, ``linear_process``) and are imported from
there: this package itself loads nothing but its errors, because every other package starts with them.
"""

from industriverse.physics.errors import (
    CovarianceError,
    IndustriverseError,
    InstabilityError,
    PhysicsError,
    SampleError,
    ShapeError,
)

__all__ = [
    "CovarianceError",
    "IndustriverseError",
    "InstabilityError",
    "PhysicsError",
    "SampleError",
    "ShapeError",
]
