"""Pseudo-spectral solvers: exponential time differencing with zero-padded products."""

import abc
import math

import torch
from torch import Tensor

from industriverse.nvp.field_errors import FieldValueError
from industriverse.nvp.grid import AXES, Grid, to_field, to_spectrum
from industriverse.nvp.solvers.base import Solver

__all__ = ["SpectralSolver", "check_circulation", "embed_spectrum", "etd_coefficients", "restrict_spectrum"]

# 1 / 20! is below float64 rounding of phi_3 at |z| = 1.
SERIES_TERMS = 18
# A flow that changes its speed changes its substep; each costs as much as a hundred states.
_PROPAGATORS_KEPT = 32


def check_circulation(state: Tensor, solver: str) -> None:
    """Refuses a periodic vorticity, channel 0 of (batch, channels, cells, cells), whose mean is not zero.

    Raises:
        FieldValueError: The flow would have a circulation, which a periodic one cannot.
    """
    vorticity = state[:, 0].detach().double()
    mean, scale = vorticity.mean(dim=AXES).abs().max(), vorticity.abs().max()
    if float(mean) > 1e-4 * max(float(scale), 1e-12):
        raise FieldValueError(
            f"channel vorticity of {solver} has the mean {float(mean):.6g} 1/s",
            hint="subtract the mean: the circulation of a periodic flow is zero",
        )


def etd_coefficients(linear: Tensor, step_s: float) -> tuple[Tensor, ...]:
    """Coefficients of ETDRK4 for a real diagonal operator.

    Cox and Matthews (J. Comput. Phys. 176, 2002) in terms of the functions phi_k of Hochbruck and
    Ostermann (Acta Numerica 19, 2010). The closed forms cancel for small arguments; there phi_3 is
    summed as its series and the others follow by recurrence, which loses nothing.

    Args:
        linear: Real symbol of the linear operator, 1/s, float64.
        step_s: Step in seconds.

    Returns:
        exp(z), exp(z/2), Q, f1, f2, f3 with z = linear step_s, each shaped as `linear`.
    """
    z = linear * step_s
    first, second, third = _phi_functions(z)
    half_first = _phi_functions(z / 2)[0]
    return (
        torch.exp(z),
        torch.exp(z / 2),
        0.5 * step_s * half_first,
        step_s * (first - 3 * second + 4 * third),
        step_s * (second - 2 * third),
        step_s * (4 * third - second),
    )


def _phi_functions(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """phi_1, phi_2, phi_3 with phi_k(z) = sum over j of z^j / (j + k)!."""
    small = z.abs() < 1
    near = torch.where(small, z, torch.zeros_like(z))
    third = torch.full_like(near, 1 / math.factorial(SERIES_TERMS + 2))
    for j in range(SERIES_TERMS - 2, -1, -1):
        third = third * near + 1 / math.factorial(j + 3)
    second = third * near + 0.5
    first = second * near + 1
    far = torch.where(small, torch.ones_like(z), z)
    far_first = torch.expm1(far) / far
    far_second = (far_first - 1) / far
    far_third = (far_second - 0.5) / far
    return (
        torch.where(small, first, far_first),
        torch.where(small, second, far_second),
        torch.where(small, third, far_third),
    )


def embed_spectrum(spectrum: Tensor, cells: int, target: int) -> Tensor:
    """Spectrum of the same band-limited field on a finer grid (zero padding, Nyquist mode split)."""
    if target == cells:
        return spectrum
    half = cells // 2
    scale = (target / cells) ** 2
    columns = torch.ones(half + 1, dtype=spectrum.real.dtype)
    columns[half] = 0.5
    part = spectrum * (columns * scale)
    nyquist = 0.5 * part[..., half : half + 1, :]
    gap = part.new_zeros(*part.shape[:-2], target - cells - 1, half + 1)
    rows = torch.cat(
        [part[..., :half, :], nyquist, gap, nyquist, part[..., half + 1 :, :]],
        dim=-2,
    )
    tail = rows.new_zeros(*rows.shape[:-1], target // 2 - half)
    return torch.cat([rows, tail], dim=-1)


def restrict_spectrum(spectrum: Tensor, target: int, cells: int) -> Tensor:
    """Inverse of `embed_spectrum`: keeps the modes that the coarser grid can carry."""
    if target == cells:
        return spectrum
    half = cells // 2
    part = spectrum[..., : half + 1] * (cells / target) ** 2
    nyquist = part[..., half : half + 1, :] + part[..., target - half : target - half + 1, :]
    rows = torch.cat([part[..., :half, :], nyquist, part[..., target - half + 1 :, :]], dim=-2)
    last = rows[..., half]
    mirrored = torch.cat([last[..., :1], last[..., 1:].flip(-1)], dim=-1).conj()
    return torch.cat([rows[..., :half], (last + mirrored)[..., None]], dim=-1)


class SpectralSolver(Solver):
    """u_t = L u + N(u) with a real diagonal L, by ETDRK4.

    Products are formed on a grid `padding` times finer (3/2 rule), so that every mode of the state
    takes part; with padding 1 the two-thirds rule truncates instead. Walls are handled on the even
    extension, which the equation must preserve. The change of a frame, not the frame, is transformed
    back, and its mean is set by the equation: conserved means stay exact.
    """

    padding: float = 1.5

    def unpadded(self) -> "SpectralSolver":
        """The solver that truncates instead of padding: cheaper and less accurate."""
        return self.with_padding(1.0)

    def with_padding(self, padding: float) -> "SpectralSolver":
        """A copy whose products are formed on a grid `padding` times finer."""
        other = self.with_refinement(self.refinement)
        other.padding = padding
        return other

    def coarser(self) -> "SpectralSolver":
        """The cheaper member of the embedded pair: unpadded, at the ordinary substep."""
        return self.unpadded()

    def _periodic(self) -> Grid:
        """The periodic grid on which products are formed."""
        base = self.grid if self.grid.boundary == "periodic" else self.grid.reflected()
        padded = round(base.cells * self.padding)
        return base.resized(padded + padded % 2)

    def _extended(self, state: Tensor) -> Tensor:
        if self.grid.boundary == "periodic":
            return state
        state = torch.cat([state, state.flip(-2)], dim=-2)
        return torch.cat([state, state.flip(-1)], dim=-1)

    @abc.abstractmethod
    def linear(self, grid: Grid) -> Tensor:
        """Real symbol of L in 1/s, broadcastable to (batch, channels, cells, cells/2+1), float64."""

    @abc.abstractmethod
    def nonlinear(self, spectrum: Tensor, grid: Grid) -> Tensor:
        """Spectrum of N(u), with the modes above the two-thirds rule of `grid` removed."""

    def _coefficients(self, grid: Grid, step_s: float, like: Tensor) -> tuple[Tensor, ...]:
        cache = self._propagators
        key = (grid.cells, step_s)
        if key not in cache:
            if len(cache) >= _PROPAGATORS_KEPT:
                cache.clear()
            cache[key] = etd_coefficients(self.linear(grid), step_s)
        return tuple(part.to(like.dtype) for part in cache[key])

    def _march(self, spectrum: Tensor, grid: Grid, like: Tensor, steps: int) -> Tensor:
        full, half, q, f1, f2, f3 = self._coefficients(grid, self.frame_s / steps, like)
        for _ in range(steps):
            start = self.nonlinear(spectrum, grid)
            first = half * spectrum + q * start
            first_rate = self.nonlinear(first, grid)
            second = half * spectrum + q * first_rate
            second_rate = self.nonlinear(second, grid)
            third = half * first + q * (2 * second_rate - start)
            third_rate = self.nonlinear(third, grid)
            spectrum = full * spectrum + f1 * start + 2 * f2 * (first_rate + second_rate) + f3 * third_rate
        return spectrum

    def advance(self, state: Tensor) -> Tensor:
        """State one frame later, with the equation's own guard applied."""
        return self.guard(state, self.march(state))

    def march(self, state: Tensor) -> Tensor:
        """State one frame later, before the guard."""
        extended = self._extended(state)
        cells, grid = extended.shape[-1], self._periodic()
        start = embed_spectrum(to_spectrum(extended), cells, grid.cells)
        change = self._march(start, grid, state, self.substeps(state)) - start
        change = self._pinned(restrict_spectrum(change, grid.cells, cells))
        update = to_field(change, cells)[..., : self.grid.cells, : self.grid.cells]
        if self.grid.boundary == "wall":
            # The even extension is symmetric to rounding only, so the quarter's mean needs its own pin.
            conserved = torch.tensor([channel.conserved for channel in self.channels])[:, None, None]
            update = update - torch.where(conserved, update.mean(dim=AXES, keepdim=True), 0.0)
        return state + update

    def _pinned(self, change: Tensor) -> Tensor:
        """Sets the mean change of conserved channels to exactly zero."""
        keep = torch.ones(len(self.channels), *change.shape[-2:], dtype=change.real.dtype)
        for index, channel in enumerate(self.channels):
            if channel.conserved:
                keep[index, 0, 0] = 0.0
        return change * keep

    def guard(self, before: Tensor, after: Tensor) -> Tensor:
        """Second-law guard of the equation; the base class trusts the step."""
        del before
        return after

    def reconcile(self, before: Tensor, after: Tensor) -> Tensor:
        """The guard of the equation."""
        return self.guard(before, after)

    def laplacian(self, grid: Grid) -> Tensor:
        """Minus k², (cells, cells/2+1), float64."""
        kx, ky = grid.wavenumbers()
        return -(kx**2 + ky**2)

    def coefficient(self, name: str) -> Tensor:
        """Coefficient in float64, shaped to broadcast over spectra."""
        tensor = self.coefficients[name]
        return tensor.reshape(-1, 1, 1, 1) if tensor.ndim else tensor

    def physical(self, spectrum: Tensor, grid: Grid) -> Tensor:
        """Field of the retained modes of `spectrum`."""
        return to_field(spectrum * grid.retained().to(spectrum.real.dtype), grid.cells)

    def products(self, field: Tensor, grid: Grid) -> Tensor:
        """Retained spectrum of a product formed in physical space."""
        return to_spectrum(field) * grid.retained().to(field.dtype)

    def gradient_square(self, state: Tensor) -> Tensor:
        """Integral of the squared gradient of each channel, (batch, channels), float64."""
        extended = self._extended(state.double())
        base = self.grid if self.grid.boundary == "periodic" else self.grid.reflected()
        kx, ky = base.wavenumbers()
        spectrum = to_spectrum(extended)
        total = torch.zeros(state.shape[:2], dtype=torch.float64)
        for wavenumber in (kx, ky):
            slope = to_field(1j * wavenumber * spectrum, base.cells)
            slope = slope[..., : self.grid.cells, : self.grid.cells]
            total = total + self.grid.integral(slope**2)
        return total
