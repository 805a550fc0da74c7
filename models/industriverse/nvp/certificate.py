"""What a field forecast can prove about itself."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from industriverse.nvp.calibration import BandCalibration
from industriverse.nvp.metrics import fluctuation
from industriverse.nvp.solvers.base import Solver

__all__ = ["FieldForecast", "ForecastCertificate", "certify"]


@dataclass(frozen=True)
class ForecastCertificate:
    """Checks computed from the forecast itself, each a number and not an opinion.

    Args:
        track: "persistence", "solver", "inferred", "learned_flux" or "vector".
        energy_fidelity: 1 - max drift of the invariants / A_E, worst sample; None for open systems.
        second_law: Whether no frame lowered the entropy beyond rounding; None without an entropy.
        entropy_produced: Entropy at the end minus at the start, least sample; None without one.
        entropy_name: What the entropy is, in words: never added to another kind.
        courant: Largest share of the stability limit used by a substep, at most 1.
        error_estimate: Sum over frames of the embedded one-frame estimates, worst sample. An estimate of
            discretisation only: it knows neither sensor noise nor a wrong equation; infinite for tracks that
            have none.
        residuals: One-step validation residual by candidate track.
        coefficients: Median value used over the batch, by name.
        coefficient_errors: Median standard error (of the logarithm for positive ones) where inferred.
        band: How the band was calibrated and on how many errors; None without a band.
    """

    track: str
    energy_fidelity: float | None
    second_law: bool | None
    entropy_produced: float | None
    entropy_name: str
    courant: float
    error_estimate: float
    residuals: Mapping[str, float]
    coefficients: Mapping[str, float] = field(default_factory=dict)
    coefficient_errors: Mapping[str, float] = field(default_factory=dict)
    band: BandCalibration | None = None

    @property
    def valid(self) -> bool:
        """Whether every check that applies passed."""
        conserved = self.energy_fidelity is None or self.energy_fidelity >= 0.9999
        return conserved and self.second_law is not False and self.courant <= 1.0 + 1e-9


@dataclass(frozen=True)
class FieldForecast:
    """A forecast of fields.

    Args:
        mean: (horizon, batch, channels, cells, cells), the precision of the frames.
        lower: Lower end of the 90 % band, same shape; None without an ensemble. Where the certificate says
            that the band is calibrated it is about what the sensors will read, otherwise about the field.
        upper: Its upper end.
        track: The track that the router chose.
        certificate: The checks.
    """

    mean: Tensor = field(repr=False)
    lower: Tensor | None = field(repr=False)
    upper: Tensor | None = field(repr=False)
    track: str
    certificate: ForecastCertificate


def certify(
    solver: Solver,
    states: Tensor,
    *,
    track: str,
    error_estimate: float,
    residuals: Mapping[str, float],
    coefficient_errors: Mapping[str, float],
    band: BandCalibration | None = None,
) -> ForecastCertificate:
    """Checks a roll-out.

    Args:
        solver: The solver with the coefficients used.
        states: Start and forecast, (horizon + 1, batch, channels, cells, cells).
        track: The track used.
        error_estimate: Accumulated embedded estimate.
        residuals: Validation residuals by track.
        coefficient_errors: Standard errors of inferred coefficients.
        band: The account of the band.
    """
    start = solver.invariants(states[0])
    fidelity: float | None = None
    if start:
        scale = fluctuation(solver.density(states[0])) * solver.grid.cell_area
        worst = 0.0
        for state in states[1:]:
            reached = solver.invariants(state)
            drifts = [float(((reached[k] - start[k]).abs() / scale.clamp_min(1e-300)).max()) for k in start]
            worst = max(worst, *drifts)
        fidelity = 1.0 - worst
    lawful, produced = _second_law(solver, states)
    courant = max(float((solver.courant(state) / solver.substeps(state)).max()) for state in states[:-1])
    return ForecastCertificate(
        track=track,
        energy_fidelity=fidelity,
        second_law=lawful,
        entropy_produced=produced,
        entropy_name=solver.entropy_name,
        courant=courant,
        error_estimate=error_estimate if math.isfinite(error_estimate) else math.inf,
        residuals=dict(residuals),
        coefficients={name: float(value.median()) for name, value in solver.coefficients.items()},
        coefficient_errors=dict(coefficient_errors),
        band=band,
    )


def _second_law(solver: Solver, states: Tensor) -> tuple[bool | None, float | None]:
    first = solver.entropy(states[0])
    if first is None:
        return None, None
    lawful, entropy = True, first
    for before, after in itertools.pairwise(states):
        reached = solver.entropy(after)
        assert reached is not None
        lawful = lawful and bool(torch.ge(reached, entropy - solver.entropy_slack(before)).all())
        entropy = reached
    return lawful, float((entropy - first).min())
