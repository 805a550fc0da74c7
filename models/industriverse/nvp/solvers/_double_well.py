"""The Ginzburg-Landau free energy that Cahn-Hilliard and Allen-Cahn share."""

from collections.abc import Callable

import torch
from torch import Tensor

from industriverse.nvp.grid import to_field, to_spectrum
from industriverse.nvp.solvers.spectral import SpectralSolver

__all__ = ["GinzburgLandau"]


class GinzburgLandau(SpectralSolver):
    """Gradient flows of F = integral of (u² - 1)²/4 + gamma |grad u|²/2; `-F` never falls."""

    entropy_name = "minus the Ginzburg-Landau free energy"

    def free_energy(self, state: Tensor) -> Tensor:
        """F of each sample, (batch,), float64."""
        wells = 0.25 * ((state.double() ** 2 - 1) ** 2)[:, 0]
        gamma = self.coefficients["gamma"]
        return self.grid.integral(wells) + 0.5 * gamma * self.gradient_square(state)[:, 0]

    def entropy(self, state: Tensor) -> Tensor:
        """Minus the free energy."""
        return -self.free_energy(state)

    def stabilised(self, state: Tensor, damping: float) -> Tensor:
        """One semi-implicit frame that lowers F for large enough damping.

        Linearly stabilised splitting (Shen and Yang, Discrete Contin. Dyn. Syst. 28, 2010):
        (1 - dt m (gamma lap - A)) (u' - u) = dt m (gamma lap u - f(u)) with m the mobility operator.
        """
        base = self._periodic()
        extended = self._extended(state)
        base = base.resized(extended.shape[-1])
        laplacian = self.laplacian(base).to(state.dtype)
        mobility = self.mobility(laplacian)
        gamma = self.value("gamma", state)
        potential = gamma * laplacian * to_spectrum(extended) - to_spectrum(extended**3 - extended)
        change = self.frame_s * mobility * potential
        change = change / (1 + self.frame_s * mobility * (damping - gamma * laplacian))
        update = to_field(self._pinned(change), extended.shape[-1])
        return state + update[..., : self.grid.cells, : self.grid.cells]

    def mobility(self, laplacian: Tensor) -> Tensor:
        """Non-negative symbol m of the gradient flow u_t = m (gamma lap u - f(u))."""
        raise NotImplementedError

    def guard(self, before: Tensor, after: Tensor) -> Tensor:
        """Replaces the samples whose free energy rose by a stabilised frame."""
        start = self.free_energy(before).detach()
        return _descend(before, after, start, self.free_energy, self.stabilised)


def _descend(
    before: Tensor,
    after: Tensor,
    start: Tensor,
    energy: Callable[[Tensor], Tensor],
    fallback: Callable[[Tensor, float], Tensor],
) -> Tensor:
    damping = 2.0
    for _ in range(12):
        risen = ~(energy(after).detach() <= start)
        if not bool(risen.any()):
            return after
        after = torch.where(risen[:, None, None, None], fallback(before, damping), after)
        damping *= 4.0
    risen = ~(energy(after).detach() <= start)
    # Only rounding is left to raise F here: the field is at its equilibrium.
    return torch.where(risen[:, None, None, None], before, after)
