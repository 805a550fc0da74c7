"""Forecasts that can be questioned: of a field whose equation is known, or of a stream whose law is not."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from industriverse.operations.errors import InvalidArgumentsError, NotFoundError, OperationError
from industriverse.operations.forecasting import SECONDS_PER_DAY
from industriverse.operations.services import Services

__all__ = ["EnsembleSettings", "Measured", "describe_field", "measure_field", "measure_stream", "store_field"]

MOST_VALUES = 64 * 64 * 2 * 8
"""Numbers in the frames of one field: a request stays below a megabyte."""

COVERAGE = 0.9


@dataclass(frozen=True, slots=True)
class EnsembleSettings:
    """How a forecast is computed; see ``nvp.questioning.FieldSettings``. A stream uses members and history."""

    refinement: int = 1
    padding: float = 1.0
    members: int = 4
    infer: tuple[str, ...] = ()
    history_rows: int = 1500


@dataclass(frozen=True, slots=True)
class Measured:
    """What a forecast says and what it is worth; errors relative to the spread of what is forecast.

    Attributes:
        error: Estimated relative error.
        width: Relative width of the central 90 % band.
        half_step_change: Change under half the step (a stream: under twice the sampling interval).
        resolution: Error of the grid; None for a stream.
        coefficient_change: Change if coefficients in doubt are read from the frames; None if none is.
        disagreement: Spread of the members.
        misfit: What the model does not explain of the latest frame beyond noise; None if unknown.
        balance_error: Drift of an invariant over what could move; None where there is no balance.
        second_law: Whether no frame lowered the entropy; None without one.
        entropy_produced: Entropy at the end minus at the start; None without one.
        above: Share of the members beyond the limit of the decision; None without one.
        steps: Evaluations of one frame or sample: 1,000 are one CEU.
        forecast_id: SHA-256 of question, settings and values: the same computation gives it again.
        values: The mean at the horizon: of a field channels x cells x cells, of a stream by channel.
        summary: The forecast in words.
        remedies: What could be changed: names of refinements that this kind of forecast knows.
    """

    error: float
    width: float
    half_step_change: float
    resolution: float | None
    coefficient_change: float | None
    disagreement: float
    misfit: float | None
    balance_error: float | None
    second_law: bool | None
    entropy_produced: float | None
    above: float | None
    steps: int
    forecast_id: str
    values: Any
    summary: str
    remedies: tuple[str, ...]


def _digest(kept: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def store_field(services: Services, question: dict[str, Any]) -> str:
    """Check a field by building its solver, keep it, and return its key."""
    solver, frames = _solver_of(question)
    for frame in frames:
        solver.check(frame)
    return services.objects.put_bytes(json.dumps(question, sort_keys=True).encode())


def describe_field(services: Services, field_id: str) -> dict[str, Any]:
    """What ``store_field`` kept.

    Raises:
        NotFoundError: If there is no such field.
    """
    from industriverse.atlas.errors import AtlasError

    try:
        question = json.loads(services.objects.get_bytes(field_id))
    except (AtlasError, ValueError):
        question = None
    if not isinstance(question, dict) or "domain" not in question:
        raise NotFoundError(f"no field {field_id[:80]!r}", hint="store its frames with nvp_field")
    return question


def _solver_of(question: dict[str, Any]) -> tuple[Any, Any]:
    import torch

    from industriverse.nvp.grid import Grid
    from industriverse.nvp.solvers import solver_class

    try:
        frames = torch.tensor(question["frames"], dtype=torch.float64)
    except (ValueError, TypeError):
        raise InvalidArgumentsError(
            "frames: the rows have different lengths", hint="give frames x channels x cells x cells"
        ) from None
    if frames.ndim != 4 or not 0 < frames.numel() <= MOST_VALUES:
        raise InvalidArgumentsError(
            f"frames: the shape is {tuple(frames.shape)}",
            hint=f"give frames x channels x cells x cells, at most {MOST_VALUES} numbers",
        )
    grid = Grid(frames.shape[-1], question["length"], question["boundary"])
    options = {} if question["domain"] != "heat" else {"conductivity": question["conductivity"]}
    solver = solver_class(question["domain"])(
        grid, question["frame_s"], **options, **question["coefficients"]
    )
    return solver, frames[:, None]


def _halved(frames: Any) -> Any:
    """Frames on half the cells, as nested lists."""
    import torch

    return torch.nn.functional.avg_pool2d(frames[:, 0], 2).tolist()


def measure_field(
    services: Services,
    field_id: str,
    horizon: int,
    settings: EnsembleSettings,
    *,
    limit: float | None,
    seed: int,
) -> Measured:
    """Forecast a stored field and measure what the forecast is worth.

    Raises:
        NotFoundError: If there is no such field.
        FieldError: If the solver does not admit it.
    """
    from industriverse.nvp.questioning import FieldSettings, question_field
    from industriverse.nvp.solvers.spectral import SpectralSolver

    question = describe_field(services, field_id)
    solver, frames = _solver_of(question)
    asked = FieldSettings(settings.refinement, settings.padding, settings.members, settings.infer)
    halved = None
    if frames.shape[-1] % 4 == 0 and frames.shape[-1] >= 16:
        halved, _ = _solver_of({**question, "frames": _halved(frames)})
    found = question_field(
        solver,
        frames,
        horizon,
        asked,
        halved=halved,
        doubtful=tuple(question["infer"]),
        limit=limit,
        seed=seed,
    )
    values = found.mean[0].tolist()
    kept = {"field_id": field_id, "horizon": horizon, "settings": asdict(settings), "mean": values}
    remedies = ["smaller_step", "more_members"]
    if isinstance(solver, SpectralSolver):
        remedies.append("finer_grid")
    if len(frames) >= 2 and question["infer"]:
        remedies.append("infer")
    channel = solver.channels[0]
    first = found.mean[0, 0]
    return Measured(
        error=found.error,
        width=found.width,
        half_step_change=found.discretisation,
        resolution=found.resolution,
        coefficient_change=found.coefficient_change,
        disagreement=found.spread,
        misfit=found.misfit,
        balance_error=found.balance_error,
        second_law=found.second_law,
        entropy_produced=found.entropy_produced,
        above=found.above,
        steps=found.steps,
        forecast_id=_digest(kept),
        values=values,
        summary=(
            f"{channel.name} after {horizon} frames: {float(first.min()):.4g} to {float(first.max()):.4g} "
            f"{channel.unit}, mean {float(first.mean()):.4g}"
        ),
        remedies=tuple(remedies),
    )


def measure_stream(
    services: Services,
    stream: str,
    horizon_hours: float,
    settings: EnsembleSettings,
    *,
    channel: str | None,
    limit: float | None,
) -> Measured:
    """Forecast a stream by members learned from different stretches of its clean rows.

    Each member is a ridge vector autoregression on its own contiguous window of the clean rows; the mean is
    the forecast. All errors are relative to each channel's clean standard deviation and averaged (root mean
    square) over the channels that vary. A stream has no balance, entropy or step size: the change of step is
    a forecast from every second sample, and the misfit is what the held-out clean rows say about the horizon.

    Raises:
        NotFoundError: If there is no such stream or nothing was learned from it.
        InvalidArgumentsError: If horizon, members or channel do not fit.
        ForecastError: If the rows are too few.
    """
    live = services.streams.watched(stream)
    interval_s, clean_rows = live.reference.interval_s, live.reference.clean_rows
    horizon = round(horizon_hours * 3600 / interval_s)
    if horizon < 2:
        raise InvalidArgumentsError(
            f"horizon_hours: {horizon_hours} is less than two samples",
            hint=f"give at least {2 * interval_s / 3600:g}",
        )
    frame = services.streams.store.frame(stream)
    if len(frame) < clean_rows:
        raise OperationError(f"stream {stream!r} lost clean samples", hint="learn again")
    scale = np.nanstd(frame.values[:clean_rows], axis=0)
    varying = np.isfinite(scale) & (scale > 0)
    members = _Members(frame.values, clean_rows, horizon, SECONDS_PER_DAY / interval_s)
    rows = min(settings.history_rows, clean_rows)
    means, halves = members.of(settings.members, rows)
    centre = means.mean(axis=0)
    wide = members.double_step(rows)
    columns = [name for name in frame.names if name == channel] if channel else []
    if limit is not None and not columns:
        raise InvalidArgumentsError(
            "channel: a limit needs the channel that it is about",
            hint=f"one of {', '.join(frame.names)[:200]}",
        )

    def relative(values: NDArray[np.float64]) -> float:
        return float(np.sqrt(np.mean((values[..., varying] / scale[varying]) ** 2)))

    disagreement = relative(means.std(axis=0, ddof=1))
    half_width = relative(halves)
    # A conformal half width of 90 % holds 1.645 standard deviations of a normal error.
    error = math.hypot(half_width / 1.6448536, disagreement)
    above = None
    if limit is not None:
        index = frame.names.index(columns[0])
        noise = halves[index] / 1.6448536
        draws = means[:, index] + noise * np.array([[-1.0], [0.0], [1.0]])
        above = float((draws > limit).mean())
    kept: dict[str, Any] = {
        "stream": stream,
        "last": int(frame.timestamps_ns[-1]),
        "horizon": horizon,
        "settings": asdict(settings),
        "mean": dict(zip(frame.names, centre.tolist(), strict=True)),
        "half_width": dict(zip(frame.names, halves.tolist(), strict=True)),
    }
    order = np.argsort(
        -np.where(varying, np.abs(centre - frame.values[-1]) / np.where(varying, scale, 1.0), 0.0)
    )
    moves = ", ".join(
        f"{frame.names[i]} {frame.values[-1][i]:.4g} -> {centre[i]:.4g} ± {halves[i]:.2g} {frame.channels[i].unit}"
        for i in order[:3]
    )
    return Measured(
        error=error,
        width=2 * half_width,
        half_step_change=relative(wide - centre),
        resolution=None,
        coefficient_change=None,
        disagreement=disagreement,
        misfit=None if live.readings is None else _out_of_regime(live.readings.alarm),
        balance_error=None,
        second_law=None,
        entropy_produced=None,
        above=above,
        steps=settings.members * rows,
        forecast_id=_digest(kept),
        values=kept["mean"],
        summary=f"{stream} in {horizon_hours:g} h, if the clean dynamics hold: {moves}",
        remedies=("more_members", *(("longer_history",) if rows < clean_rows else ())),
    )


def _out_of_regime(alarm: NDArray[np.bool_]) -> float:
    """Unbounded where the latest sample is in alarm: the members know nothing of another regime."""
    return math.inf if bool(alarm[-1]) else 0.0


class _Members:
    """Vector forecasts learned from different stretches of the clean rows."""

    def __init__(self, values: NDArray[np.float64], clean_rows: int, horizon: int, period: float) -> None:
        self._values, self._clean_rows = values, clean_rows
        self._horizon, self._period = horizon, period

    def of(self, members: int, rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Means at the horizon, (members, channels), and the widest half width of each channel."""
        starts = np.linspace(0, self._clean_rows - rows, members).round().astype(int)
        if len(set(starts.tolist())) == 1:
            # All clean rows in one stretch: members differ in how much of its beginning they leave out.
            starts = np.linspace(0, rows // 4, members).round().astype(int)
        found = [self._one(int(start), int(min(start + rows, self._clean_rows)), 1) for start in starts]
        return np.stack([mean for mean, _ in found]), np.stack([half for _, half in found]).max(axis=0)

    def double_step(self, rows: int) -> NDArray[np.float64]:
        """Mean at the horizon of a member that sees every second sample."""
        return self._one(self._clean_rows - rows, self._clean_rows, 2)[0]

    def _one(self, first: int, stop: int, stride: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        from industriverse.nvp.vector import VectorForecaster

        horizon = max(1, self._horizon // stride)
        forecaster = VectorForecaster.fit(
            self._values[first:stop:stride],
            coverage=COVERAGE,
            max_horizon=horizon,
            period=self._period / stride,
        )
        latest = self._values[::-stride][:64][::-1]
        start = (len(self._values) - 1 - first) / stride - (len(latest) - 1)
        forecast = forecaster.forecast(latest, horizon, start=round(start))
        return forecast.mean[-1], (forecast.upper[-1] - forecast.lower[-1]) / 2
