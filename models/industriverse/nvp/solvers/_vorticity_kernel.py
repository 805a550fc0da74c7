"""Substeps of the vorticity, compiled: the arithmetic of `Vorticity` without its forty small tensors a stage.

Both velocities, and both stresses, are the real and imaginary part of one complex field, so that a stage takes two
complex transforms instead of four real ones; everything between them is one pass over memory.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from industriverse.physics.compiled import compiled

__all__ = ["Symbols", "march"]

Array = NDArray[np.complex128]
Real = NDArray[np.float64]
_STAGES = 4


@dataclass(frozen=True)
class Symbols:
    """Multipliers of every mode, (cells, cells/2+1) in the precision of the state.

    Args:
        velocity_x: kx / k², filtered: the streamfunction's symbol times kx.
        velocity_y: ky / k², filtered.
        stress: (kx² - ky²), filtered: what multiplies u v.
        shear: kx ky, filtered: what multiplies v² - u².
        forcing: Spectrum of the source, complex; zeros without one.
    """

    velocity_x: Tensor
    velocity_y: Tensor
    stress: Tensor
    shear: Tensor
    forcing: Tensor


@compiled
def _velocity(modes: Array, along_x: Real, along_y: Real, field: Array) -> None:
    """Full spectrum of u + i v, which is (kx + i ky) psi, from the half plane of the vorticity."""
    count, rows, columns = modes.shape
    for sample in range(count):
        for i in range(rows):
            mirror = (rows - i) % rows
            for j in range(columns):
                mode, x, y = modes[sample, i, j], along_x[i, j], along_y[i, j]
                field[sample, i, j] = complex(x * mode.real - y * mode.imag, x * mode.imag + y * mode.real)
                if 0 < j < columns - 1:
                    field[sample, mirror, rows - j] = complex(
                        -x * mode.real - y * mode.imag, x * mode.imag - y * mode.real
                    )


@compiled
def _stress(field: Array) -> None:
    """Turn u + i v into u v + i (v² - u²), in place."""
    flat = field.reshape(-1)
    for k in range(flat.shape[0]):
        u, v = flat[k].real, flat[k].imag
        flat[k] = complex(u * v, v * v - u * u)


@compiled
def _rate(stress: Array, along: Real, across: Real, forcing: Array, row: int, found: Real) -> None:
    """Rate of one row of modes, real and imaginary parts in turn, from the transformed stresses (cells, cells)."""
    rows, columns = stress.shape[0], along.shape[1]
    here, there = stress[row], stress[(rows - row) % rows]
    for j in range(columns):
        one, other = here[j], there[rows - j if j else 0]
        a, b = along[row, j], across[row, j]
        found[2 * j] = a * (one.real + other.real) + b * (one.imag + other.imag) + forcing[row, j].real
        found[2 * j + 1] = a * (one.imag - other.imag) - b * (one.real - other.real) + forcing[row, j].imag


@compiled
def _stage(
    stage: int,
    stress: Array,
    symbols: tuple[Real, Real, Array],
    etd: tuple[Real, Real, Real, Real, Real, Real],
    kept: tuple[Real, Real, Real, Real],
    following: Real,
) -> None:
    """The state of the next stage (Cox and Matthews 2002); complex arrays come as pairs of reals."""
    along, across, forcing = symbols
    full, half, quarter, first_weight, middle_weight, last_weight = etd
    state, start, first, middle = kept
    count, rows, width = state.shape
    rate = np.empty(width, dtype=state.dtype)
    for sample in range(count):
        table = sample if full.shape[0] > 1 else 0
        for i in range(rows):
            _rate(stress[sample], along, across, forcing, i, rate)
            h, q, s, m = half[table, i], quarter[table, i], state[sample, i], middle[sample, i]
            begun, one, out = start[sample, i], first[sample, i], following[sample, i]
            if stage == 0:
                for k in range(width):
                    begun[k] = rate[k]
                    one[k] = h[k] * s[k] + q[k] * rate[k]
                    out[k] = one[k]
            elif stage == 1:
                for k in range(width):
                    m[k] = rate[k]
                    out[k] = h[k] * s[k] + q[k] * rate[k]
            elif stage == 2:
                for k in range(width):
                    m[k] += rate[k]
                    out[k] = h[k] * one[k] + q[k] * (2 * rate[k] - begun[k])
            else:
                f, f1, f2, f3 = (
                    full[table, i],
                    first_weight[table, i],
                    middle_weight[table, i],
                    last_weight[table, i],
                )
                for k in range(width):
                    s[k] = f[k] * s[k] + f1[k] * begun[k] + f2[k] * m[k] + f3[k] * rate[k]
                    out[k] = s[k]


def _pairs(table: Tensor) -> Real:
    """Every value of a real table twice, for the real and the imaginary part it multiplies."""
    doubled: Real = table.repeat_interleave(2, dim=-1).contiguous().numpy()
    return doubled


def march(spectrum: Tensor, symbols: Symbols, coefficients: tuple[Tensor, ...], steps: int) -> Tensor:
    """ETDRK4 over `steps` substeps.

    Args:
        spectrum: Half-plane spectrum of the vorticity, (batch, cells, cells/2+1), complex; left as it is.
        symbols: Of the grid.
        coefficients: exp(z), exp(z/2), Q, f1, f2, f3, (1 or batch, cells, cells/2+1) each, real.
        steps: Substeps.

    Returns:
        The spectrum afterwards, same shape.
    """
    cells = spectrum.shape[-2]
    field = torch.empty(spectrum.shape[0], cells, cells, dtype=spectrum.dtype)
    following = spectrum.clone(memory_format=torch.contiguous_format)
    modes = following.numpy()
    out = torch.view_as_real(following).flatten(-2).numpy()
    state = out.copy()
    kept = (state, np.empty_like(state), np.empty_like(state), np.empty_like(state))
    full, half, quarter, first_weight, middle_weight, last_weight = coefficients
    etd = (
        _pairs(full),
        _pairs(half),
        _pairs(quarter),
        _pairs(first_weight),
        _pairs(2 * middle_weight),
        _pairs(last_weight),
    )
    along_x, along_y = symbols.velocity_x.numpy(), symbols.velocity_y.numpy()
    # Halved: a mode and its mirror are added to tell the two stresses apart.
    rates = ((0.5 * symbols.stress).numpy(), (0.5 * symbols.shear).numpy(), symbols.forcing.numpy())
    for step in range(_STAGES * steps):
        _velocity(modes, along_x, along_y, field.numpy())
        moving = torch.fft.ifft2(field)
        _stress(moving.numpy())
        _stage(step % _STAGES, torch.fft.fft2(moving).numpy(), rates, etd, kept, out)
    return following
