"""Gray-Scott reaction and diffusion."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from industriverse.nvp.grid import Grid
from industriverse.nvp.solvers.base import Coefficient, FieldChannel
from industriverse.nvp.solvers.spectral import SpectralSolver

__all__ = ["GrayScott"]


class GrayScott(SpectralSolver):
    """An open reactor: U is fed, V eats U and is washed out; spots and stripes form.

        U_t = D_u lap U - U V² + F (1 - U)
        V_t = D_v lap V + U V² - (F + k) V

    State: (batch, 2, cells, cells); channels `substrate` and `catalyst`, dimensionless, non-negative
    up to the ringing of the spectrum.

    Args:
        grid: Periodic or walls.
        frame_s: Seconds between frames.
        refinement: Multiplies the substeps chosen by the reaction.
        **coefficients: `feed` F and `kill` k in 1/s, `diffusivity_u` and `diffusivity_v` in m²/s.

    Expected behaviour: the total of U + V changes by the feed minus the wash-out, which
    `supplied` meters; spots of radius about sqrt(D_v / F).

    When it breaks: spots narrower than about 4 cells; 1e-5 m²/s on a side of 2.5 m needs 256 cells.
    An open system has no entropy bound.
    """

    name = "gray_scott"
    channels = (
        FieldChannel("substrate", "1", conserved=False, minimum=-0.1),
        FieldChannel("catalyst", "1", conserved=False, minimum=-0.1),
    )
    coefficient_ranges: ClassVar[Mapping[str, Coefficient]] = {
        "feed": Coefficient("1/s", 1e-6, 1.0),
        "kill": Coefficient("1/s", 1e-6, 1.0),
        "diffusivity_u": Coefficient("m2/s", 1e-9, 1e3),
        "diffusivity_v": Coefficient("m2/s", 1e-9, 1e3),
    }
    defaults: ClassVar[Mapping[str, float]] = {
        "feed": 0.04,
        "kill": 0.06,
        "diffusivity_u": 2e-5,
        "diffusivity_v": 1e-5,
    }

    def courant(self, state: Tensor) -> Tensor:
        """Reaction in a frame, limited to a unit of V² t a substep."""
        reaction = state[:, 1].detach().double().abs().amax(dim=(1, 2)) ** 2
        return (reaction + self.largest("feed") + self.largest("kill")) * self.frame_s

    def linear(self, grid: Grid) -> Tensor:
        """Diffusion and wash-out of both channels."""
        laplacian = self.laplacian(grid)
        feed, kill = self.coefficient("feed"), self.coefficient("kill")
        first = self.coefficient("diffusivity_u") * laplacian - feed
        second = self.coefficient("diffusivity_v") * laplacian - feed - kill
        return torch.cat([first.reshape(-1, 1, *laplacian.shape), second.reshape(-1, 1, *laplacian.shape)], 1)

    def nonlinear(self, spectrum: Tensor, grid: Grid) -> Tensor:
        """Reaction and feed."""
        field = self.physical(spectrum, grid)
        reaction = field[:, :1] * field[:, 1:] ** 2
        feed = self.coefficient("feed").to(field.dtype)
        return self.products(torch.cat([feed - reaction, reaction], dim=1), grid)

    def density(self, state: Tensor) -> Tensor:
        """Substance U + V."""
        return state.double().sum(dim=1)

    def supplied(self, before: Tensor) -> Tensor:
        """Substance fed minus washed out in the frame that starts at `before`, (batch,), float64.

        Simpson's rule over the frame, so exact to the fourth order of the frame only.
        """
        half = self._frame_of(self.frame_s / 2)
        middle = half.advance(before)
        after = half.advance(middle)
        rates = [self._rate(state) for state in (before, middle, after)]
        return self.frame_s / 6 * (rates[0] + 4 * rates[1] + rates[2])

    def _frame_of(self, frame_s: float) -> "GrayScott":
        other = self.with_refinement(self.refinement)
        other.frame_s = frame_s
        return other

    def _rate(self, state: Tensor) -> Tensor:
        feed, kill = self.coefficients["feed"], self.coefficients["kill"]
        fed = self.grid.integral(1 - state[:, 0].double())
        washed = self.grid.integral(state[:, 1])
        return feed * fed - (feed + kill) * washed

    def invariants(self, state: Tensor) -> dict[str, Tensor]:
        """None: the reactor is open; see `supplied`."""
        del state
        return {}
