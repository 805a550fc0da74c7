"""Window statistics behind the checks of a proof of equilibrium.

Four statistical checks compare a window of samples with clean windows. Energy and entropy see changed means,
variances and correlations; the spectrum sees changed dynamics; the currents see the direction of time, which
the first three cannot. The fifth, freshness, is about who could have replayed the window and when: it is no
statistic of the window and is handled where the certificate is issued.

Sources: definitions of energy and entropy after Boltzmann and Shannon for the Gaussian model. Irreversible
currents as antisymmetric lagged covariances: Battle et al., "Broken detailed balance at mesoscopic scales",
Science 352 (2016). Time asymmetry of increments: Pomeau, "Symétrie des fluctuations dans le renversement du
temps", J. Physique 43 (1982).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "STATISTICAL_CHECKS",
    "CheckName",
    "CheckResult",
    "Geometry",
    "conformal_p_value",
    "fit_geometry",
    "window_statistics",
]

Array = NDArray[np.float64]

_SPECTRAL_BANDS = 8
# A share of the identity in the window covariance keeps its determinant finite for windows shorter than d.
_ENTROPY_SHRINKAGE = 0.02
# Ridge on the clean correlation matrix: directions below it carry rounding, not physics.
_COVARIANCE_RIDGE = 1e-3
_MAX_PLANES = 4
# Currents are measured over these steps: slow cycles show no direction from one sample to the next.
_LAGS = (1, 4, 16)
_POWER_FLOOR = 1e-12


class CheckName(StrEnum):
    """The five checks of a proof of equilibrium."""

    ENERGY = "energy"
    ENTROPY = "entropy"
    SPECTRUM = "spectrum"
    CURRENTS = "entropy_production"
    FRESHNESS = "freshness"


STATISTICAL_CHECKS = (CheckName.ENERGY, CheckName.ENTROPY, CheckName.SPECTRUM, CheckName.CURRENTS)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Outcome of one statistical check on one window.

    Attributes:
        name: Which check.
        p_value: Conformal p-value; small means unlike the clean windows.
        score: Nonconformity, from squared deviations of the statistics in clean standard deviations.
        quantity: What ``measured`` and ``expected`` are, with unit.
        measured: Headline value of the window.
        expected: Its mean over clean windows.
    """

    name: CheckName
    p_value: float
    score: float
    quantity: str
    measured: float
    expected: float


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """Coordinates in which windows are measured, learned on clean samples.

    Attributes:
        mean: Shape (d,), in the channels' units.
        scale: Shape (d,), standard deviations in the channels' units, positive.
        whitening: Shape (d, d); standardised samples times this have unit covariance.
        planes: Shape (lags, k, 2, d), orthonormal planes of whitened space with the strongest currents.
        level_range: Shape (2, d), lowest and highest mean of a window, in standard deviations from ``mean``,
            that counts as a quasi-static level and is taken out; both 0 for a channel whose level stands still.
    """

    mean: Array
    scale: Array
    whitening: Array
    planes: Array
    level_range: Array

    def standardise(self, window: Array) -> Array:
        """Standard deviations from the clean mean, shape (n, d); a quasi-static level counts as the mean."""
        standard: Array = (window - self.mean) / self.scale
        standard -= np.clip(standard.mean(axis=0), self.level_range[0], self.level_range[1])
        return standard


def fit_geometry(clean: Array, level_range: Array | None = None, window: int = 0) -> Geometry:
    """Learn the coordinates.

    Args:
        clean: Clean samples of shape (n, d) without missing values or constant columns.
        level_range: Range of quasi-static levels in the channels' units, shape (2, d), NaN where the level
            stands still; None if it does so everywhere.
        window: Samples over which a level is measured.
    """
    mean, scale = clean.mean(axis=0), clean.std(axis=0)
    dimension = clean.shape[1]
    levels = np.zeros((2, dimension)) if level_range is None else np.nan_to_num((level_range - mean) / scale)
    draft = Geometry(mean, scale, np.eye(dimension), np.zeros((len(_LAGS), 0, 2, dimension)), levels)
    if levels.any():
        blocks = range(0, len(clean) - window + 1, window)
        standard = np.vstack([draft.standardise(clean[at : at + window]) for at in blocks])
    else:
        standard = (clean - mean) / scale
    covariance = np.atleast_2d(np.cov(standard, rowvar=False)) + _COVARIANCE_RIDGE * np.eye(dimension)
    eigenvalues, vectors = np.linalg.eigh(covariance)
    whitening = vectors / np.sqrt(eigenvalues)
    white = standard @ whitening
    planes = np.array([_strongest_planes(white, lag) for lag in _LAGS])
    return Geometry(mean, scale, whitening, planes, levels)


def _strongest_planes(white: Array, lag: int) -> Array:
    """Invariant planes of the antisymmetric lagged covariance, largest current first, shape (k, 2, d)."""
    lagged = white[lag:].T @ white[:-lag] / (len(white) - lag)
    antisymmetric = 0.5 * (lagged - lagged.T)
    # i times a real antisymmetric matrix is Hermitian; its positive eigenvalues are the plane currents.
    eigenvalues, vectors = np.linalg.eigh(1j * antisymmetric)
    count = min(_MAX_PLANES, white.shape[1] // 2)
    chosen = vectors[:, np.argsort(eigenvalues)[::-1][:count]]
    planes = np.sqrt(2.0) * np.stack([chosen.real.T, chosen.imag.T], axis=1)
    return np.ascontiguousarray(planes, dtype=np.float64)


def window_statistics(window: Array, geometry: Geometry) -> dict[CheckName, Array]:
    """Statistics of one window, shape (n, d) in the channels' units, without missing values.

    Returns:
        Per statistical check a vector whose clean distribution the reference holds. The first entry of
        energy is the mean energy in kT per degree of freedom (clean mean 1/2, equipartition), of entropy
        the Gaussian entropy in nats per degree of freedom relative to unit covariance.
    """
    standard = geometry.standardise(window)
    white = standard @ geometry.whitening
    return {
        CheckName.ENERGY: _energy(white),
        CheckName.ENTROPY: _entropy(white),
        CheckName.SPECTRUM: _log_band_power(standard),
        CheckName.CURRENTS: _currents(standard, white, geometry.planes),
    }


def _energy(white: Array) -> Array:
    """Mean energy and log of the displaced mean's work, both from kT per degree of freedom."""
    mean = white.mean(axis=0)
    energy = 0.5 * float((white * white).mean())
    work = 0.5 * float((mean * mean).mean())
    return np.array([energy, np.log(work + _POWER_FLOOR)])


def _entropy(white: Array) -> Array:
    """Gaussian entropy of the window in nats per degree of freedom, relative to unit covariance."""
    dimension = white.shape[1]
    covariance = np.atleast_2d(np.cov(white, rowvar=False))
    shrunk = (1.0 - _ENTROPY_SHRINKAGE) * covariance + _ENTROPY_SHRINKAGE * np.eye(dimension)
    return np.array([0.5 * np.linalg.slogdet(shrunk)[1] / dimension])


def _log_band_power(standard: Array) -> Array:
    """Log periodogram power in up to eight logarithmic bands per channel, flattened, nats."""
    centred = (standard - standard.mean(axis=0)) * np.hanning(len(standard))[:, None]
    power = np.abs(np.fft.rfft(centred, axis=0)) ** 2 / len(standard)
    edges = np.unique(np.geomspace(1, len(power), _SPECTRAL_BANDS + 1).astype(int))
    bands = [power[low:high].mean(axis=0) for low, high in pairwise(edges)]
    return np.log(np.array(bands) + _POWER_FLOOR).ravel()


def _currents(standard: Array, white: Array, planes: Array) -> Array:
    """Quantities that change sign when time is reversed.

    For each lag the area swept in each plane, then the skewness of each channel's increments; the latter is
    what a single channel has to show for its arrow of time.
    """
    parts: list[Array] = []
    for lag, (first, second) in zip(_LAGS, np.moveaxis(planes, 2, 1), strict=True):
        a, b = white @ first.T, white @ second.T
        parts.append((a[:-lag] * b[lag:] - b[:-lag] * a[lag:]).mean(axis=0))
        increments = standard[lag:] - standard[:-lag]
        variance = (increments * increments).mean(axis=0)
        parts.append((increments**3).mean(axis=0) / np.maximum(variance, _POWER_FLOOR) ** 1.5)
    return np.concatenate(parts)


def conformal_p_value(score: float, calibration: Sequence[float] | Array) -> float:
    """Conformal p-value ``(1 + #{calibration >= score}) / (n + 1)`` (Vovk, Gammerman & Shafer 2005)."""
    held_out = np.asarray(calibration, dtype=np.float64)
    if np.isnan(score):
        return 1.0 / (len(held_out) + 1)
    return (1.0 + float(np.count_nonzero(held_out >= score))) / (len(held_out) + 1)
