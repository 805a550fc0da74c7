"""Fluxes of shallow water, compiled: the arithmetic of `ShallowWater` without its hundred small tensors."""

import numpy as np
from numpy.typing import NDArray

from industriverse.physics.compiled import compiled_exactly

__all__ = ["rates"]

Array = NDArray[np.float64]


@compiled_exactly
def _edges(padded: Array, low: Array, high: Array, rounding: float) -> None:
    """WENO-Z values (see `_weno_edges`) at both edges of cells -1 ... n, from three ghosts a side."""
    for i in range(low.shape[0]):
        a, b, c, d, e = padded[i], padded[i + 1], padded[i + 2], padded[i + 3], padded[i + 4]
        left, middle, right = a - 2 * b + c, b - 2 * c + d, c - 2 * d + e
        first = 13 / 12 * left * left + 0.25 * (a - 4 * b + 3 * c) ** 2
        second = 13 / 12 * middle * middle + 0.25 * (b - d) ** 2
        third = 13 / 12 * right * right + 0.25 * (3 * c - 4 * d + e) ** 2
        floor = rounding * c * c + 1e-30
        jump = abs(first - third)
        one = 1 + (jump / (first + floor)) ** 2
        two = 1 + (jump / (second + floor)) ** 2
        three = 1 + (jump / (third + floor)) ** 2
        total = 0.3 * one + 0.6 * two + 0.1 * three
        low[i] = (
            0.3 * one * (-a + 5 * b + 2 * c)
            + 0.6 * two * (2 * b + 5 * c - d)
            + 0.1 * three * (11 * c - 7 * d + 2 * e)
        ) / (6 * total)
        total = 0.1 * one + 0.6 * two + 0.3 * three
        high[i] = (
            0.1 * one * (2 * a - 7 * b + 11 * c)
            + 0.6 * two * (-b + 5 * c + 2 * d)
            + 0.3 * three * (2 * c + 5 * d - e)
        ) / (6 * total)


@compiled_exactly
def _line(
    padded: Array,
    edges: Array,
    faces: Array,
    push: Array,
    gravity: float,
    spacing: float,
    rounding: float,
) -> None:
    """Fluxes through the n + 1 faces of a line of cells and the bed's push on each, (3, n + 1) and (n,).

    `padded` holds depth, level, normal and transverse momentum with three ghosts a side, (4, n + 6).
    """
    for k in range(4):
        _edges(padded[k], edges[0, k], edges[1, k], rounding)
    low, high = edges[0], edges[1]
    count = push.shape[0]
    for i in range(count):
        push[i] = 0.0
    for i in range(count + 1):
        # Face i lies between the high edge of cell i-1 and the low edge of cell i.
        bed_left, bed_right = high[1, i] - high[0, i], low[1, i + 1] - low[0, i + 1]
        sill = max(bed_left, bed_right)
        star_left, star_right = max(high[1, i] - sill, 0.0), max(low[1, i + 1] - sill, 0.0)
        deep_left, deep_right = max(high[0, i], 1e-12), max(low[0, i + 1], 1e-12)
        normal_left, normal_right = high[2, i] / deep_left, low[2, i + 1] / deep_right
        across_left, across_right = high[3, i] / deep_left, low[3, i + 1] / deep_right
        fastest = max(
            abs(normal_left) + np.sqrt(gravity * star_left),
            abs(normal_right) + np.sqrt(gravity * star_right),
        )
        mass_left, mass_right = star_left * normal_left, star_right * normal_right
        weight_left, weight_right = 0.5 * gravity * star_left**2, 0.5 * gravity * star_right**2
        faces[0, i] = 0.5 * (mass_left + mass_right) - 0.5 * fastest * (star_right - star_left)
        faces[1, i] = 0.5 * (
            mass_left * normal_left + weight_left + (mass_right * normal_right + weight_right)
        ) - 0.5 * fastest * (mass_right - mass_left)
        faces[2, i] = 0.5 * (mass_left * across_left + mass_right * across_right) - 0.5 * fastest * (
            star_right * across_right - star_left * across_left
        )
        if i > 0:
            push[i - 1] += weight_left / spacing
        if i < count:
            push[i] -= weight_right / spacing
    for i in range(count):
        inner_low, inner_high = low[0, i + 1], high[0, i + 1]
        drop = (low[1, i + 1] - inner_low) - (high[1, i + 1] - inner_high)
        inner = inner_low**2 - inner_high**2 + (inner_low + inner_high) * drop
        push[i] += 0.5 * gravity * inner / spacing


@compiled_exactly
def rates(
    state: Array, bed: Array, gravity: Array, spacing: float, wall: bool, rounding: float
) -> tuple[Array, Array]:
    """Face fluxes and sources per second of the accurate scheme.

    Args:
        state: Depth and both momenta, (batch, 3, n, n), float32 or float64; worked on in float64.
        bed: (n, n).
        gravity: One value a sample, (batch,).
        spacing: Width of a cell.
        wall: Whether the rim reflects.
        rounding: Unit roundoff of the caller's precision: differences below it are no structure.

    Returns:
        Fluxes (batch, 3, 2, n, n) through the right faces and sources (batch, 3, n, n), as `state`.
    """
    batch, count = state.shape[0], state.shape[2]
    flux = np.empty((batch, 3, 2, count, count), state.dtype)
    source = np.zeros((batch, 3, count, count), state.dtype)
    padded = np.empty((4, count + 6))
    edges = np.empty((2, 4, count + 2))
    faces, push = np.empty((3, count + 1)), np.empty(count)
    for sample in range(batch):
        for axis in range(2):
            normal, across = 1 + axis, 2 - axis
            for j in range(count):
                for i in range(count):
                    x, y = (i, j) if axis == 0 else (j, i)
                    padded[0, i + 3] = state[sample, 0, x, y]
                    padded[1, i + 3] = padded[0, i + 3] + bed[x, y]
                    padded[2, i + 3] = state[sample, normal, x, y]
                    padded[3, i + 3] = state[sample, across, x, y]
                for k in range(4):
                    for g in range(3):
                        if wall:
                            sign = -1.0 if k == 2 else 1.0
                            padded[k, 2 - g] = sign * padded[k, 3 + g]
                            padded[k, count + 3 + g] = sign * padded[k, count + 2 - g]
                        else:
                            padded[k, g] = padded[k, count + g]
                            padded[k, count + 3 + g] = padded[k, 3 + g]
                _line(padded, edges, faces, push, gravity[sample], spacing, rounding)
                for k in range(3):
                    channel = 0 if k == 0 else (normal if k == 1 else across)
                    for i in range(count):
                        x, y = (i, j) if axis == 0 else (j, i)
                        flux[sample, channel, axis, x, y] = faces[k, i + 1]
                    if wall:
                        x, y = (count - 1, j) if axis == 0 else (j, count - 1)
                        flux[sample, channel, axis, x, y] = 0.0
                        source[sample, channel, x, y] -= faces[k, count] / spacing
                        x, y = (0, j) if axis == 0 else (j, 0)
                        source[sample, channel, x, y] += faces[k, 0] / spacing
                for i in range(count):
                    x, y = (i, j) if axis == 0 else (j, i)
                    source[sample, normal, x, y] += push[i]
    return flux, source
