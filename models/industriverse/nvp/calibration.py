"""Bands that have been tried: an ensemble's spread, scaled by the errors of forecasts of frames already seen."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor

from industriverse.nvp.grid import AXES

__all__ = ["LEVEL", "BandCalibration", "Scaling", "Spread", "calibrate", "fit_frames", "normal_quantile"]

LEVEL: Final = 0.9
"""Share of readings that a band is to hold."""

_LEAST_FIT = 4
_LEAST_WINDOWS = 2
_MOST_WINDOWS = 8
_LEAST_TREND = 4
# A steeper trend of a handful of forecasts is chance, or a regime in which no history helps; least of all is it a
# reason for a narrower band.
_FASTEST_GROWTH, _FASTEST_DECAY = 0.05, 0.02
# Where nothing moves, the scale of what a forecast may miss is this share of the field's fluctuation.
_STILL = 1e-3


def normal_quantile(level: float) -> float:
    """Half width of the central `level` of a normal distribution in standard deviations."""
    return math.sqrt(2) * float(torch.erfinv(torch.tensor(level, dtype=torch.float64)))


@dataclass(frozen=True)
class Spread:
    """What an ensemble says about a forecast from one start.

    Args:
        start: (batch, channels, cells, cells).
        centre: Deterministic forecast, (horizon, batch, channels, cells, cells).
        variance: Of the ensemble, without sensor noise, same shape.
        drift: Embedded error estimate accumulated so far, same shape.
        noise: Standard deviation of the sensor noise, (batch, channels, 1, 1).
    """

    start: Tensor = field(repr=False)
    centre: Tensor = field(repr=False)
    variance: Tensor = field(repr=False)
    drift: Tensor = field(repr=False)
    noise: Tensor = field(repr=False)

    def total(self) -> Tensor:
        """Variance of the field without sensor noise as the ensemble and the embedded estimate have it."""
        return self.variance + self.drift.square()

    def activity(self) -> Tensor:
        """Squared scale of what the law may miss: half the local, half the mean squared change.

        A flux that is wrong by a share makes the change wrong by that share; the mean keeps cells that
        happen to stand still from being called certain.
        """
        change = (self.centre - self.start).double().square()
        still = _STILL**2 * self.start.double().var(dim=AXES, keepdim=True)
        return 0.5 * (change + change.mean(dim=AXES, keepdim=True)) + still + 1e-300


@dataclass(frozen=True)
class BandCalibration:
    """How a band came by its width.

    Args:
        calibrated: Whether errors of earlier forecasts set it.
        reason: Why not, empty otherwise.
        level: Share of readings that the band is to hold.
        windows: Forecasts of frames already seen, by horizon, as far as the frames reach.
        errors: Cell errors that the quantiles are taken of, all horizons and channels of one sample. Those of
            neighbouring cells and frames are related: it is no count of independent trials.
        factors: Width over that of the spread as it was, by horizon asked for, median of the batch.
    """

    calibrated: bool
    reason: str = ""
    level: float = LEVEL
    windows: tuple[int, ...] = ()
    errors: int = 0
    factors: tuple[float, ...] = ()

    @property
    def text(self) -> str:
        """One sentence for the certificate."""
        if not self.calibrated:
            return f"not calibrated: {self.reason}"
        reach, asked = len(self.windows), len(self.factors)
        beyond = (
            f"; frames {reach + 1} to {asked} ahead use the factor of frame {reach}" if asked > reach else ""
        )
        return (
            f"{self.level:.0%} band of the readings, split-conformal on {self.errors} cell errors of "
            f"{self.windows[0]} forecasts of frames already seen{beyond}"
        )


@dataclass(frozen=True)
class Scaling:
    """What earlier errors made of the spread.

    Args:
        quantile: Of |error| over the standard deviation, (reach, batch).
        share: Variance that the ensemble does not know, over `Spread.activity`, (reach, batch, channels).
        trust: Share of the squared embedded estimate that counts as variance, 0 to 1, (reach, batch, channels).
    """

    quantile: Tensor = field(repr=False)
    share: Tensor = field(repr=False)
    trust: Tensor = field(repr=False)

    def half_width(self, spread: Spread) -> Tensor:
        """Half widths of the band of the readings, of the shape of `spread.centre`."""
        steps = torch.arange(spread.centre.shape[0]).clamp_max(self.quantile.shape[0] - 1)
        deviation = _variance(spread, self.share[steps], self.trust[steps]).sqrt()
        return (self.quantile[steps][..., None, None, None] * deviation).to(spread.centre.dtype)


def _known(spread: Spread) -> Tensor:
    """Variance of the readings as the ensemble has it, without the embedded estimate."""
    return _eased(spread.variance.double()) + spread.noise.double().square()


def _eased(local: Tensor) -> Tensor:
    # Where the scheme errs most is known to a neighbourhood only: half the variance is taken from the mean.
    return 0.5 * (local + local.mean(dim=AXES, keepdim=True))


def _variance(spread: Spread, share: Tensor, trust: Tensor) -> Tensor:
    scheme = trust[..., None, None] * _eased(spread.drift.double().square())
    return _known(spread) + scheme + share[..., None, None] * spread.activity() + 1e-300


def fit_frames(frames: int) -> int:
    """Frames that the law is read from; those after it are forecast to see how wrong it is."""
    return max(_LEAST_FIT, frames // 2)


def calibrate(
    spread_from: Callable[[Tensor, int], Spread], frames: Tensor, horizon: int
) -> tuple[Scaling | None, BandCalibration]:
    """Scales a spread by split-conformal prediction on frames that the law did not see.

    For every horizon, three numbers a sample, the first two from the mean square of the errors: how much of the
    embedded estimate is error that stays (differences of single frames add up, errors that the equation damps do
    not); the variance that is lacking even so, as a share of what moved; and the quantile of |error| over the
    standard deviation so completed, of rank ceil((n + 1) level) of n (Lei, G'Sell, Rinaldo, Tibshirani and
    Wasserman, J. Am. Stat. Assoc. 113, 2018). Where scores grow or shrink from start to start, older ones
    are carried forward at that rate, within narrow limits: a field that relaxes leaves the law's error on its
    slowest modes.

    Horizons that the frames do not reach take the numbers of the last that
    they do. Cells are exchangeable only as far as the next frames go on as the last ones did.

    Args:
        spread_from: Spread of the forecast from the last of the frames given, over a horizon; its law may
            only be read from the first `fit_frames` frames.
        frames: (time, batch, channels, cells, cells), oldest first.
        horizon: Frames ahead that are asked for.

    Returns:
        The scaling, None where there are too few frames, and the account of it.
    """
    fit, count = fit_frames(frames.shape[0]), frames.shape[0]
    reach = min(horizon, count - fit - _LEAST_WINDOWS + 1)
    if reach < 1:
        needed = _LEAST_FIT + _LEAST_WINDOWS
        return None, BandCalibration(False, f"{count} frames seen, {needed} needed")
    starts = range(max(fit - 1, count - 1 - _MOST_WINDOWS), count - 1)
    spreads = {k: spread_from(frames[: k + 1], min(reach, count - 1 - k)) for k in starts}
    quantiles, shares, trusts, windows, errors = [], [], [], [], 0
    growth = torch.zeros(frames.shape[1], 1, dtype=torch.float64)
    for ahead in range(1, reach + 1):
        within = [k for k in starts if k + ahead < count]
        parts = [_at(spreads[k], ahead) for k in within]
        missed = [
            (frames[k + ahead] - part.centre[0]).double() for k, part in zip(within, parts, strict=True)
        ]
        share, trust = _missing(parts, missed)
        scores = [
            (miss / _variance(part, share[None], trust[None])[0].sqrt()).abs().flatten(1)
            for part, miss in zip(parts, missed, strict=True)
        ]
        if ahead == 1:
            growth = _growth(scores)
        aged = [score * (growth * (count - 1 - k)).exp() for k, score in zip(within, scores, strict=True)]
        pooled = torch.cat(aged, dim=1)
        rank = min(math.ceil((pooled.shape[1] + 1) * LEVEL), pooled.shape[1])
        quantiles.append(pooled.kthvalue(rank, dim=1).values)
        shares.append(share)
        trusts.append(trust)
        windows.append(len(within))
        errors += pooled.shape[1]
    scaling = Scaling(torch.stack(quantiles), torch.stack(shares), torch.stack(trusts))
    return scaling, BandCalibration(True, "", LEVEL, tuple(windows), errors)


def _at(spread: Spread, ahead: int) -> Spread:
    one = slice(ahead - 1, ahead)
    return Spread(spread.start, spread.centre[one], spread.variance[one], spread.drift[one], spread.noise)


def _growth(scores: list[Tensor]) -> Tensor:
    """Rate per frame at which the root mean square of the scores grows, by least squares, (batch, 1)."""
    if len(scores) < _LEAST_TREND:
        return torch.zeros(scores[0].shape[0], 1, dtype=torch.float64)
    size = torch.stack([score.square().mean(dim=1) for score in scores]).clamp_min(1e-300).log() / 2
    time = torch.arange(len(scores), dtype=torch.float64)
    time = (time - time.mean())[:, None]
    rate = (time * size).sum(dim=0) / time.square().sum()
    return rate.clamp(-_FASTEST_DECAY, _FASTEST_GROWTH)[:, None]


def _missing(parts: list[Spread], missed: list[Tensor]) -> tuple[Tensor, Tensor]:
    """What explains the mean squared error beyond the ensemble's variance, (batch, channels) each.

    Returns:
        The variance that nothing explains over the activity, and the share of the embedded estimate that counts.
    """
    none = torch.zeros(missed[0].shape[:2], dtype=torch.float64)
    pairs = list(zip(parts, missed, strict=True))
    lacking = sum(((miss.square() - _known(part)[0]).mean(dim=AXES) for part, miss in pairs), none)
    estimated = sum((part.drift[0].double().square().mean(dim=AXES) for part in parts), none)
    active = sum((part.activity()[0].mean(dim=AXES) for part in parts), none)
    trust = (lacking.clamp_min(0.0) / estimated.clamp_min(1e-300)).clamp_max(1.0)
    return (lacking - trust * estimated).clamp_min(0.0) / active, trust
