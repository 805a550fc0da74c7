"""What a clean stream keeps constant: near-null modes that stay so over folds in time, and declared balances.

A direction in which standardised clean data hardly vary is a relation between channels. Many such directions
are chance; one that is found on a part of the data and holds on every other part is an invariant of the
system. Deviations from all invariants together are a Hotelling statistic with the covariance of the held-out
residuals, so that redundant relations do not count twice.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industriverse.physics.conservation import balance_residual
from industriverse.shield.errors import AnalysisError
from industriverse.signals import Frame

__all__ = ["Balance", "Invariant", "InvariantSet", "find_invariants"]

Array = NDArray[np.float64]

FOLDS = 4
MINIMUM_FOLD_ROWS = 50
NULL_VARIANCE = 0.02  # of the variance of a typical channel
HELD_VARIANCE = 0.06
HELD_RATIO = 6.0
# A relation is trusted to a tenth of the spread of its channels, however exact it was on the clean rows: a
# reading that is rounded otherwise, or a recalibrated sensor, is no attack.
TRUST = 0.1
SMALL_WEIGHT = 0.1  # of the largest, below which a channel is not named in a relation


@dataclass(frozen=True, slots=True)
class Balance:
    """A declared balance: ``sum(coefficient * channel) = 0`` up to noise, all terms in one unit.

    Attributes:
        name: Name for people.
        coefficients: ``(channel, coefficient)``; +1 for what enters, -1 for what leaves.
        unit: UCUM code of the residual.
    """

    name: str
    coefficients: tuple[tuple[str, float], ...]
    unit: str = "1"


@dataclass(frozen=True, slots=True)
class Invariant:
    """One relation that clean data keep.

    Attributes:
        name: Name for people.
        kind: ``learned`` or ``declared``.
        coefficients: ``(channel, coefficient)`` in channel units, largest standardised weight first.
        constant: What the combination is equal to.
        spread: Standard deviation of the residual on rows that the relation was not fitted on, in its unit.
        explained: Share of the variance of its channels that the relation fixes, 0 to 1.
    """

    name: str
    kind: str
    coefficients: tuple[tuple[str, float], ...]
    constant: float
    spread: float
    explained: float

    def text(self) -> str:
        """The relation as an equation."""
        terms = " ".join(f"{value:+.4g}·{name}" for name, value in self.coefficients)
        return f"{self.name}: {terms} = {self.constant:.5g} ± {self.spread:.3g}"


@dataclass(frozen=True, slots=True, eq=False)
class InvariantSet:
    """The invariants of a stream.

    Attributes:
        channels: Channel names in column order.
        invariants: The relations.
        weights: Their coefficients as a matrix, shape (m, d).
        constants: Shape (m,).
        whitening: Turns residuals into independent ones of unit variance, shape (m, m).
    """

    channels: tuple[str, ...]
    invariants: tuple[Invariant, ...]
    weights: Array
    constants: Array
    whitening: Array

    def residuals(self, values: ArrayLike) -> Array:
        """Residual of each relation over its clean spread, shape (n, m), about N(0, 1) on clean rows.

        A row in which a channel of a relation is missing has NaN there.
        """
        raw = np.atleast_2d(balance_residual(np.atleast_2d(values), self.weights)) - self.constants
        return np.asarray(raw / np.array([entry.spread for entry in self.invariants]))

    def statistic(self, values: ArrayLike) -> Array:
        """Squared length of the whitened residuals over their number, shape (n,), mean about 1 on clean rows."""
        if not self.invariants:
            return np.zeros(len(np.atleast_2d(values)))
        standardised = np.nan_to_num(self.residuals(values))
        return np.asarray(((standardised @ self.whitening) ** 2).mean(axis=1))


def find_invariants(clean: Frame, *, balances: tuple[Balance, ...] = ()) -> InvariantSet:
    """Learn the invariants of clean rows.

    Args:
        clean: Rows without attack or fault.
        balances: Declared balances; they are kept whatever the data say of them.

    Raises:
        AnalysisError: If there are too few rows, or a balance names an unknown channel.
    """
    if len(clean) < FOLDS * MINIMUM_FOLD_ROWS:
        raise AnalysisError(
            f"{len(clean)} clean rows are too few for invariants",
            hint=f"give at least {FOLDS * MINIMUM_FOLD_ROWS}",
        )
    values = _filled(clean.values)
    center, scale = values.mean(axis=0), values.std(axis=0)
    moving = scale > 1e-9 * np.maximum(np.abs(center), 1.0)
    safe = np.where(moving, scale, 1.0)
    standard = np.where(moving, (values - center) / safe, 0.0)
    rows, constants, kinds, names = [], [], [], []
    for mode, offset in _stable_modes(standard, moving):
        rows.append(mode / safe)
        constants.append(offset + float((mode / safe) @ center))
        kinds.append("learned")
        names.append(f"relation {len(rows)}")
    for balance in balances:
        rows.append(_declared(balance, clean))
        constants.append(0.0)
        kinds.append("declared")
        names.append(balance.name)
    return _assemble(clean, values, safe, np.array(rows), np.array(constants), kinds, names)


def _filled(values: Array) -> Array:
    missing = np.isnan(values)
    if not missing.any():
        return values
    counts = np.maximum((~missing).sum(axis=0), 1)
    means = np.where(missing, 0.0, values).sum(axis=0) / counts
    return np.where(missing, means, values)


def _stable_modes(standard: Array, moving: NDArray[np.bool_]) -> list[tuple[Array, float]]:
    """Near-null modes of all rows that hold on every fold when learned without it."""
    columns = np.flatnonzero(moving)
    if len(columns) < 2:
        return []
    data = standard[:, columns]
    variance, modes = np.linalg.eigh(data.T @ data / len(data))
    candidates = modes[:, variance < NULL_VARIANCE]
    bounds = np.linspace(0, len(data), FOLDS + 1).astype(int)
    held = np.zeros((FOLDS, candidates.shape[1]))
    for fold, (start, stop) in enumerate(pairwise(bounds.tolist())):
        rest = np.vstack([data[:start], data[stop:]])
        fitted_variance, fitted = np.linalg.eigh(np.cov(rest.T))
        null = fitted[:, fitted_variance < NULL_VARIANCE]
        # The same relation as learned without the fold: the candidate's part in that null space.
        image = null @ (null.T @ candidates)
        norm = np.linalg.norm(image, axis=0)
        projected = (data[start:stop] - rest.mean(axis=0)) @ (image / np.maximum(norm, 1e-12))
        held[fold] = np.where(norm > 0.8, (projected**2).mean(axis=0), np.inf)
    allowed = np.maximum(HELD_RATIO * variance[: candidates.shape[1]], 1e-10)
    stable = (held < np.minimum(HELD_VARIANCE, np.maximum(allowed, 1e-3))).all(axis=0)
    found = []
    for index in np.flatnonzero(stable):
        full = np.zeros(standard.shape[1])
        full[columns] = candidates[:, index]
        found.append((full, 0.0))
    return found


def _declared(balance: Balance, clean: Frame) -> Array:
    row = np.zeros(len(clean.channels))
    for channel, coefficient in balance.coefficients:
        if channel not in clean.names:
            raise AnalysisError(
                f"balance {balance.name!r} names the channel {channel!r}, which the stream has not",
                hint=f"channels are {', '.join(clean.names)}",
            )
        row[clean.names.index(channel)] = coefficient
    if not row.any():
        raise AnalysisError(f"balance {balance.name!r} has no coefficient", hint="give one a channel")
    return row


def _assemble(
    clean: Frame,
    values: Array,
    scale: Array,
    rows: Array,
    constants: Array,
    kinds: list[str],
    names: list[str],
) -> InvariantSet:
    if not len(rows):
        empty = np.zeros((0, len(clean.channels)))
        return InvariantSet(clean.names, (), empty, np.zeros(0), np.zeros((0, 0)))
    residual = values @ rows.T - constants
    spread = np.maximum(np.sqrt((residual**2).mean(axis=0)), TRUST * np.linalg.norm(rows * scale, axis=1))
    covariance = (residual / spread).T @ (residual / spread) / len(residual)
    variance, modes = np.linalg.eigh(0.95 * covariance + 0.05 * np.eye(len(rows)))
    invariants = []
    for row, constant, kind, name, sigma in zip(rows, constants, kinds, names, spread, strict=True):
        weight = np.abs(row * scale)
        order = [int(j) for j in np.argsort(-weight) if weight[j] >= SMALL_WEIGHT * weight.max()]
        total = float((row * scale) @ (row * scale))
        invariants.append(
            Invariant(
                name=name,
                kind=kind,
                coefficients=tuple((clean.names[j], float(row[j])) for j in order),
                constant=float(constant),
                spread=float(sigma),
                explained=float(np.clip(1.0 - sigma**2 / max(total, 1e-300), 0.0, 1.0)),
            )
        )
    whitening = modes / np.sqrt(np.maximum(variance, 1e-9))
    return InvariantSet(clean.names, tuple(invariants), rows, constants, whitening)
