"""Allen-Cahn ordering."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from industriverse.nvp.grid import Grid
from industriverse.nvp.solvers._double_well import GinzburgLandau
from industriverse.nvp.solvers.base import Coefficient, FieldChannel

__all__ = ["AllenCahn"]


class AllenCahn(GinzburgLandau):
    """Ordering towards one of two phases; the order parameter is not conserved.

        u_t = M ( gamma lap u + u - u³ )

    State: (batch, 1, cells, cells); channel `order_parameter`, dimensionless, near [-1, 1].

    Args:
        grid: Periodic or walls.
        frame_s: Seconds between frames.
        refinement: Multiplies the substeps chosen by stability.
        **coefficients: `mobility` M in 1/s and `gamma` in m², the squared interface width.

    Expected behaviour: the free energy never rises; interfaces move by their curvature.

    When it breaks: interfaces of width sqrt(2 gamma) below 3 cells are pinned to the grid. There is no
    conserved quantity, hence no energy fidelity to speak of.
    """

    name = "allen_cahn"
    channels = (FieldChannel("order_parameter", "1", conserved=False),)
    coefficient_ranges: ClassVar[Mapping[str, Coefficient]] = {
        "mobility": Coefficient("1/s", 1e-9, 1e6),
        "gamma": Coefficient("m2", 1e-8, 1e2),
    }
    defaults: ClassVar[Mapping[str, float]] = {"mobility": 1.0, "gamma": 1.5e-3}

    def courant(self, state: Tensor) -> Tensor:
        """Growth of the flat mode in a frame, limited to a quarter a substep."""
        growth = self.coefficients["mobility"].detach() * self.frame_s / 0.25
        return growth.expand(state.shape[0]) if growth.ndim == 0 else growth

    def linear(self, grid: Grid) -> Tensor:
        """M (gamma lap + 1)."""
        return self.coefficient("mobility") * (self.coefficient("gamma") * self.laplacian(grid) + 1)

    def nonlinear(self, spectrum: Tensor, grid: Grid) -> Tensor:
        """Minus M u³."""
        mobility = self.coefficient("mobility").to(spectrum.real.dtype)
        return -mobility * self.products(self.physical(spectrum, grid) ** 3, grid)

    def mobility(self, laplacian: Tensor) -> Tensor:
        """M."""
        return self.value("mobility", laplacian) * torch.ones_like(laplacian)

    def density(self, state: Tensor) -> Tensor:
        """Bulk free energy density; not conserved."""
        return 0.25 * torch.square(state[:, 0].double() ** 2 - 1)

    def invariants(self, state: Tensor) -> dict[str, Tensor]:
        """None: the order parameter relaxes."""
        del state
        return {}
