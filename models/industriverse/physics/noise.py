"""Noise signatures: the fingerprint that a sensor and its control loop leave in the innovations."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industriverse.physics._arrays import finite_array
from industriverse.physics.errors import SampleError, ShapeError

__all__ = ["NoiseSignature", "marchenko_pastur_edges", "noise_signature"]


@dataclass(frozen=True, slots=True, eq=False)
class NoiseSignature:
    """Spectral and whiteness fingerprint of the innovations of d channels.

    Attributes:
        band_share: Share of the power in each logarithmic band, shape (bands, d), columns sum to 1 (0 for a
            constant channel).
        band_edges: Edges of the bands in cycles per sample, shape (bands + 1,), up to 0.5.
        lag1: Lag-1 autocorrelation, shape (d,), about N(0, 1/n) for white noise; NaN if constant.
        bulk_edge: Upper Marchenko-Pastur edge for n samples of d independent channels.
        coherent_modes: Number of eigenvalues of the correlation matrix above that edge.
    """

    band_share: NDArray[np.float64]
    band_edges: NDArray[np.float64]
    lag1: NDArray[np.float64]
    bulk_edge: float
    coherent_modes: int


def marchenko_pastur_edges(samples: int, channels: int) -> tuple[float, float]:
    r"""Edges of the correlation spectrum of pure noise.

    .. math:: \lambda_\pm = (1 \pm \sqrt{d/n})^2

    (Marchenko & Pastur, Math. USSR-Sbornik 1:457, 1967.) An eigenvalue above the upper edge is a
    correlation that independent white noise does not produce.

    Args:
        samples: n, at least 1.
        channels: d, at least 1.

    Returns:
        Lower and upper edge for unit variance; the lower is 0 where d > n.

    Raises:
        SampleError: If a count is below 1.
    """
    if samples < 1 or channels < 1:
        raise SampleError(f"{samples} samples of {channels} channels", hint="give at least one of each")
    root = math.sqrt(channels / samples)
    return max(1 - root, 0.0) ** 2, (1 + root) ** 2


def noise_signature(innovations: ArrayLike, *, bands: int = 8) -> NoiseSignature:
    """Fingerprint a window of innovations.

    Args:
        innovations: One-step errors at equal intervals, shape (n, d), n >= 2 * bands, no missing values.
        bands: Number of logarithmic frequency bands; each halves the frequency of the one above it, the
            lowest reaches down to the lowest frequency of the window.

    Returns:
        The signature.

    Raises:
        ShapeError: If innovations are not a matrix or there are no bands.
        SampleError: If they are not finite or too few for the bands.
    """
    errors = finite_array("innovations", innovations, dimensions=(2,))
    count, channels = errors.shape
    if bands < 1:
        raise ShapeError(f"bands is {bands}", hint="give at least one band")
    if count < 2 * bands or channels == 0:
        raise SampleError(f"{count} samples for {bands} bands", hint=f"give at least {2 * bands} samples")
    centred = errors - errors.mean(axis=0)
    edges = np.concatenate([[0.0], 0.5 * 0.5 ** np.arange(bands - 1, -1, -1)])
    power = np.abs(np.fft.rfft(centred, axis=0)[1:]) ** 2
    band = np.clip(np.searchsorted(edges, np.fft.rfftfreq(count)[1:], side="left") - 1, 0, bands - 1)
    by_band = np.zeros((bands, channels))
    np.add.at(by_band, band, power)
    variance = (centred**2).mean(axis=0)
    moving = variance > 0
    safe = np.where(moving, variance, 1.0)
    total = np.where(moving, by_band.sum(axis=0), 1.0)
    lag1 = (centred[1:] * centred[:-1]).sum(axis=0) / (count * safe)
    correlation = (centred / np.sqrt(safe)).T @ (centred / np.sqrt(safe)) / count
    edge = marchenko_pastur_edges(count, max(int(moving.sum()), 1))[1]
    return NoiseSignature(
        band_share=by_band / total,
        band_edges=edges,
        lag1=np.where(moving, lag1, np.nan),
        bulk_edge=edge,
        coherent_modes=int((np.linalg.eigvalsh(correlation) > edge).sum()),
    )
