"""Track D of Next Vector Prediction: plain vectors of which no law is known."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from industriverse.nvp._autoregression import (
    Autoregression,
    Scaling,
    carried_forward,
    fit_autoregression,
)
from industriverse.nvp.errors import ForecastError
from industriverse.nvp.forecast import VectorForecast

__all__ = ["VectorForecaster"]

# Fit on the first part, calibrate intervals on the second, measure skill and coverage on the third.
_TRAIN_SHARE, _CALIBRATE_SHARE = 0.6, 0.2
# Candidate penalties per sample: from nearly unpenalised to nearly persistence.
_RIDGES = (1e-4, 1e-2, 1.0)
# A daily profile is learned only where its days were seen this often.
_LEAST_PERIODS = 2


class VectorForecaster:
    """Ridge vector autoregression with split-conformal intervals.

    Order, penalty and use of the daily profile are chosen by forward validation inside the training part. The
    interval half-width of step h is the ceil((m + 1) * coverage)-th smallest of the m absolute errors that
    the fitted model makes h steps ahead on calibration data it never saw (Lei et al., 2018,
    https://doi.org/10.1080/01621459.2017.1307116). The guarantee holds if errors are exchangeable; in a time
    series they nearly are while the regime lasts, which is why coverage is measured again on held-out data.

    Build one with ``fit``.

    Attributes:
        order: Number of past samples used.
        seasonal: Whether a daily profile is used.
        max_horizon: The furthest step that has an interval.
        coverage: Promised coverage.
        skill_by_step: Skill over persistence on held-out data, pooled over steps 1 .. h, shape
        (max_horizon,). coverage_by_step: Coverage on held-out data, pooled over steps 1 .. h, shape
        (max_horizon,).
    """

    def __init__(
        self,
        model: Autoregression,
        scaling: Scaling,
        widths: NDArray[np.float64],
        residual_sd: NDArray[np.float64],
        *,
        coverage: float,
        skill_by_step: NDArray[np.float64],
        coverage_by_step: NDArray[np.float64],
        rows: int,
    ) -> None:
        self._model, self._scaling, self._widths = model, scaling, widths
        self._residual_sd, self._rows = residual_sd, rows
        self.order, self.seasonal = model.order, model.period is not None
        self.max_horizon, self.coverage = len(widths), coverage
        self.skill_by_step, self.coverage_by_step = skill_by_step, coverage_by_step

    @classmethod
    def fit(
        cls,
        values: ArrayLike,
        *,
        coverage: float = 0.9,
        max_order: int = 2,
        max_horizon: int = 24,
        period: float | None = None,
    ) -> "VectorForecaster":
        """Learn from clean, evenly sampled data.

        Args:
            values: Shape (n, d), oldest first, NaN where missing.
            coverage: Share of outcomes that intervals shall contain, between 0 and 1.
            max_order: Largest number of lags to consider.
            max_horizon: Furthest step to calibrate.
            period: Samples a day (or another cycle); used only if it helps and two cycles are in the data.

        Raises:
            ForecastError: If arguments are out of range or the data are too few for the promised coverage.
        """
        data = _checked(values)
        train, calibrate = _parts(len(data), coverage, max_order, max_horizon, period)
        scaling = Scaling.of(data[:train])
        if not scaling.known.any():
            raise ForecastError(
                "no channel has a finite value in the first 60 % of rows", hint="give later data"
            )
        scaled = scaling.apply(data)
        model = _chosen(scaled[:train], scaling, max_order=max_order, horizon=max_horizon, period=period)
        held = _Errors(model, scaled, scaling, max_horizon)
        widths = _conformal_widths(held.of(train, calibrate)[0], coverage)
        model_errors, naive_errors = held.of(calibrate, len(data))
        residual_sd = _root_mean_square(held.of(train, calibrate)[0][0])
        return cls(
            model,
            scaling,
            widths * scaling.scale,
            residual_sd * scaling.scale,
            coverage=coverage,
            skill_by_step=_skill(model_errors, naive_errors, scaling.varying),
            coverage_by_step=_coverage(model_errors, widths),
            rows=len(data),
        )

    def forecast(self, history: ArrayLike, horizon: int, *, start: int | None = None) -> VectorForecast:
        """Forecast what follows a history.

        Args:
            history: Latest samples, shape (m, d), m at least ``order``; NaN is bridged by the value before.
            horizon: Number of steps, at most ``max_horizon``.
            start: Row number of ``history[0]`` counted from the first fitted row, which sets the time of day;
                by default the history ends where the fitted data ended. Matters only if ``seasonal``.

        Raises:
            ForecastError: If shapes or horizon do not fit.
        """
        data = _checked(history)
        if data.shape[1] != len(self._residual_sd):
            raise ForecastError(
                f"history has {data.shape[1]} channels", hint=f"give the {len(self._residual_sd)} fitted ones"
            )
        if len(data) < self.order:
            raise ForecastError(
                f"history has {len(data)} samples", hint=f"give {self.order} or more, oldest first"
            )
        if not 1 <= horizon <= self.max_horizon:
            raise ForecastError(
                f"horizon {horizon} is not calibrated",
                hint=f"ask for 1 to {self.max_horizon} steps or fit with a larger max_horizon",
            )
        clock = self._rows - len(data) if start is None else start
        filled = carried_forward(self._scaling.apply(data))
        rolled = self._model.roll(filled, np.array([len(data) - 1]), horizon, start=clock)[:, 0]
        mean = rolled * self._scaling.scale + self._scaling.centre
        mean = np.where(self._scaling.known, mean, np.nan)
        skill = float(self.skill_by_step[horizon - 1])
        reason = _reason(skill, horizon)
        return VectorForecast(
            mean=mean,
            lower=mean - self._widths[:horizon],
            upper=mean + self._widths[:horizon],
            coverage=self.coverage,
            measured_coverage=float(self.coverage_by_step[horizon - 1]),
            order=self.order,
            residual_sd=self._residual_sd,
            skill_over_persistence=skill,
            abstained=bool(reason),
            reason=reason,
        )


class _Errors:
    """Forecast errors of a model and of persistence at targets inside a range of rows."""

    def __init__(
        self, model: Autoregression, scaled: NDArray[np.float64], scaling: Scaling, horizon: int
    ) -> None:
        self._model, self._scaled, self._horizon = model, scaled, horizon
        self._filled = carried_forward(scaled)
        self._usable = scaling.known

    def of(self, first: int, stop: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Errors of model and persistence, shape (horizon, targets, d) each, NaN where there is no truth."""
        earliest = max(self._model.order - 1, first - self._horizon)
        origins = np.arange(earliest, stop - 1)
        rolled = self._model.roll(self._filled, origins, self._horizon)
        ours = np.full((self._horizon, stop - first, self._scaled.shape[1]), np.nan)
        naive = ours.copy()
        for step in range(self._horizon):
            targets = origins + step + 1
            inside = (targets >= first) & (targets < stop)
            truth = np.where(self._usable, self._scaled[targets[inside]], np.nan)
            rows = targets[inside] - first
            ours[step, rows] = rolled[step, inside] - truth
            naive[step, rows] = self._filled[origins[inside]] - truth
        return ours, naive


def _chosen(
    scaled: NDArray[np.float64], scaling: Scaling, *, max_order: int, horizon: int, period: float | None
) -> Autoregression:
    split = int(0.7 * len(scaled))
    seasons: list[float | None] = [None]
    if period is not None and split >= _LEAST_PERIODS * period:
        seasons.append(period)
    steps = min(horizon, len(scaled) - split - 1)

    def loss(candidate: tuple[int, float | None, float]) -> float:
        order, season, ridge = candidate
        model = fit_autoregression(
            scaled[:split], order=order, period=season, ridge=ridge, free=scaling.varying
        )
        ours, naive = _Errors(model, scaled, scaling, steps).of(split, len(scaled))
        return -float(_skill(ours, naive, scaling.varying)[-1])

    candidates = [(o, s, r) for o in range(1, max_order + 1) for s in seasons for r in _RIDGES]
    order, season, ridge = min(candidates, key=loss)
    return fit_autoregression(scaled, order=order, period=season, ridge=ridge, free=scaling.varying)


def _finite_columns(errors: NDArray[np.float64]) -> Iterator[tuple[int, int, NDArray[np.float64]]]:
    for step in range(errors.shape[0]):
        for channel in range(errors.shape[2]):
            column = errors[step, :, channel]
            yield step, channel, column[np.isfinite(column)]


def _conformal_widths(errors: NDArray[np.float64], coverage: float) -> NDArray[np.float64]:
    widths = np.full((errors.shape[0], errors.shape[2]), np.nan)
    for step, channel, column in _finite_columns(np.abs(errors)):
        rank = math.ceil((len(column) + 1) * coverage)
        if rank <= len(column):
            widths[step, channel] = np.partition(column, rank - 1)[rank - 1]
    return widths


def _root_mean_square(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = np.isfinite(errors)
    count = finite.sum(axis=0)
    total = (np.where(finite, errors, 0.0) ** 2).sum(axis=0)
    return np.where(count > 0, np.sqrt(total / np.maximum(count, 1)), np.nan)


def _skill(
    ours: NDArray[np.float64], naive: NDArray[np.float64], varying: NDArray[np.bool_]
) -> NDArray[np.float64]:
    # A channel that never varied in training has no scale by which its errors could be compared.
    both = np.isfinite(ours) & np.isfinite(naive) & varying
    our_square = np.cumsum((np.where(both, ours, 0.0) ** 2).sum(axis=(1, 2)))
    naive_square = np.cumsum((np.where(both, naive, 0.0) ** 2).sum(axis=(1, 2)))
    # Where persistence is exact nothing can be better: no skill.
    ratio = np.divide(our_square, naive_square, out=np.ones_like(our_square), where=naive_square > 0)
    skill: NDArray[np.float64] = 1 - np.sqrt(ratio)
    return skill


def _coverage(errors: NDArray[np.float64], widths: NDArray[np.float64]) -> NDArray[np.float64]:
    judged = np.isfinite(errors) & np.isfinite(widths)[:, None, :]
    # Constant channels have width 0 and may miss by rounding.
    inside = judged & (np.abs(np.where(judged, errors, 0.0)) <= np.nan_to_num(widths)[:, None, :] + 1e-9)
    hits, trials = np.cumsum(inside.sum(axis=(1, 2))), np.cumsum(judged.sum(axis=(1, 2)))
    shares: NDArray[np.float64] = np.divide(hits, trials, out=np.full(len(hits), np.nan), where=trials > 0)
    return shares


def _reason(skill: float, horizon: int) -> str:
    if skill > 0:
        return ""
    return f"no better than persistence over {horizon} steps on held-out data (skill {100 * skill:.1f} %)"


def _checked(values: ArrayLike) -> NDArray[np.float64]:
    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 2 or data.shape[1] == 0:
        raise ForecastError(f"values have shape {data.shape}", hint="give (samples, channels)")
    if np.isinf(data).any():
        raise ForecastError("values contain infinities", hint="mark missing values with NaN")
    return data


def _parts(
    rows: int, coverage: float, max_order: int, max_horizon: int, period: float | None
) -> tuple[int, int]:
    if not 0 < coverage < 1:
        raise ForecastError(f"coverage is {coverage}", hint="give a number between 0 and 1, such as 0.9")
    if max_order < 1 or max_horizon < 1 or (period is not None and period <= 1):
        raise ForecastError(
            f"max_order {max_order}, max_horizon {max_horizon} or period {period} is out of range",
            hint="give orders and horizons from 1 on and a period above 1",
        )
    # Calibration must hold the rank of the conformal quantile, training some samples beyond its lags.
    least = math.ceil(max(1 / (1 - coverage) / _CALIBRATE_SHARE, (2 * max_order + 10) / _TRAIN_SHARE)) + 5
    if rows < least:
        raise ForecastError(
            f"{rows} samples are too few for {100 * coverage:g} % intervals", hint=f"give {least} or more"
        )
    train = round(_TRAIN_SHARE * rows)
    return train, train + round(_CALIBRATE_SHARE * rows)
