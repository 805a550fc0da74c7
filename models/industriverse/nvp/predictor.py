"""Forecasts of fields: the router picks the track that last predicted best and says so."""

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

import torch
from torch import Tensor

from industriverse.nvp.calibration import (
    LEVEL,
    BandCalibration,
    Spread,
    calibrate,
    fit_frames,
    normal_quantile,
)
from industriverse.nvp.certificate import FieldForecast, certify
from industriverse.nvp.field_errors import PredictorError
from industriverse.nvp.inference import Inference, infer_coefficients
from industriverse.nvp.learned_flux import LearnedFlux
from industriverse.nvp.metrics import vrmse
from industriverse.nvp.modal import LEAST_FRAMES, modal_step
from industriverse.nvp.shadow.votes import prediction_digest
from industriverse.nvp.solvers.base import Solver
from industriverse.nvp.weights import load_predictor_parts, save_predictor_parts

__all__ = ["TRACKS", "Predictor"]

# In the order in which ties are broken: the simplest explanation first.
TRACKS: Final = ("persistence", "solver", "inferred", "learned_flux", "vector")
LAWLESS: Final = ("persistence", "vector")
LAW_HOLDS: Final = 1e-3
"""Validation residual (VRMSE) below which a conservative track is not left for one that knows no balance: few
frames of few modes are matched by a linear map to rounding, which says nothing about the frames to come."""
LAW_LEFT: Final = 2.0
"""Times that a track without balance must be better to be chosen. One frame judges, and smoothing sensor noise
alone brings a factor of up to 1.4, which later frames pay for."""
CONVICTED: Final = 4.0
"""Standard errors between a coefficient given and one inferred beyond which noise is no excuse."""
_CACHED_FORECASTS = 32


def _choose(residuals: dict[str, float], doubt: float, scheme: float) -> str:
    """The track to trust: the solver as given, unless frames say clearly that another will do no harm.

    Args:
        residuals: One-frame validation residual by track.
        doubt: Largest distance of an inferred coefficient from the one given, in standard errors.
        scheme: The solver's embedded estimate of its own error on the validated frame. What inference takes
            off the misfit must exceed it: coefficients fitted to the error of the grid do harm as soon as
            the field changes.
    """
    chosen = "solver"
    gained = residuals["solver"] ** 2 - residuals.get("inferred", math.inf) ** 2
    if doubt > CONVICTED and gained > scheme**2:
        chosen = "inferred"
    if residuals.get("learned_flux", math.inf) < residuals[chosen]:
        chosen = "learned_flux"
    free = min(
        (name for name in LAWLESS if name in residuals), key=lambda name: residuals[name], default=chosen
    )
    if residuals[chosen] >= LAW_HOLDS and LAW_LEFT * residuals[free] < residuals[chosen]:
        return free
    return chosen


def _doubt(inference: Inference | None, solver: Solver) -> float:
    """Median over the batch of the largest distance, in standard errors, from the coefficients given."""
    if inference is None:
        return 0.0
    distances = []
    for name, value in inference.values.items():
        given = solver.coefficients[name].double()
        positive = solver.coefficient_ranges[name].positive
        moved = value.log() - given.log() if positive else value - given
        distances.append((moved.abs() / inference.standard_error[name].clamp_min(1e-300)).nan_to_num(0.0))
    return float(torch.stack(distances).amax(dim=0).median())


@dataclass(frozen=True)
class _Candidate:
    """A track ready to run: maps a state to the next and its relative error estimate."""

    track: str
    solver: Solver
    step: Callable[[Tensor], tuple[Tensor, Tensor]]
    inference: Inference | None = None


class Predictor:
    """Solver first, conservative always.

    Tracks: persistence; the solver with the coefficients given; the solver with coefficients inferred
    from the frames (A); the learned flux on top (B); every Fourier mode on its own linear law (D, from four
    frames on). Each predicts the last frame from the one before, having seen only earlier frames. The solver
    as given is left only for what is clearly better: inferred coefficients that noise and the error of the grid
    cannot explain, a flux whose own gate is open, or a track without balance at half the misfit. Every forecast
    carries the residuals of all candidates.

    Args:
        solver: The solver of record with its coefficients.
        infer: Coefficients that track A may infer; none by default.
        watched: Channels that inference looks at; all by default.
        closure: A trained learned flux on the same solver; None leaves track B out.
        card: Facts about the training and its data, kept with the weights.
    """

    def __init__(
        self,
        solver: Solver,
        *,
        infer: Sequence[str] = (),
        watched: Sequence[str] | None = None,
        closure: LearnedFlux | None = None,
        card: dict[str, str] | None = None,
    ) -> None:
        foreign = [name for name in infer if name not in solver.coefficient_ranges]
        if foreign:
            raise PredictorError(
                f"{solver.name} has no coefficients {foreign}",
                hint=f"choose from: {', '.join(solver.coefficient_ranges)}",
            )
        self.solver = solver
        self.infer = tuple(infer)
        self.watched = None if watched is None else tuple(watched)
        self.closure = closure
        self.card = dict(card or {})
        self._cache: OrderedDict[str, FieldForecast] = OrderedDict()

    def forecast(
        self,
        frames: Tensor,
        horizon: int,
        *,
        members: int = 0,
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> FieldForecast:
        """Forecasts the frames after the last one given.

        Args:
            frames: (time, batch, channels, cells, cells), at least one frame; four or more let the
                router judge and track A infer.
            horizon: Frames ahead, at least 1.
            members: Ensemble members for the 90 % band; 0 for none. They differ in the coefficients,
                drawn from their inferred covariance, and in the start, drawn from the sensor noise that
                the misfit implies. From six frames on the band is scaled by the errors of forecasts of the
                later frames from the earlier ones; the certificate says how.
            seed: Of the ensemble.
            progress: Called with (frames done, horizon).

        Raises:
            PredictorError: Fewer than one frame or a horizon below 1.
            FieldError: A frame that the domain does not admit; the message names the channel.
        """
        if frames.ndim != 5 or frames.shape[0] < 1:
            raise PredictorError(
                f"frames have the shape {tuple(frames.shape)}", hint="give (time, batch, channels, n, n)"
            )
        if horizon < 1 or members < 0 or members == 1:
            raise PredictorError(
                f"horizon is {horizon} and members {members}", hint="give horizon >= 1 and members 0 or >= 2"
            )
        for frame in frames:
            self.solver.check(frame)
        key = self._key(frames, horizon, members, seed)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        with torch.no_grad():
            found = self._forecast(frames, horizon, members, seed, progress)
        self._cache[key] = found
        if len(self._cache) > _CACHED_FORECASTS:
            self._cache.popitem(last=False)
        return found

    def _key(self, frames: Tensor, horizon: int, members: int, seed: int) -> str:
        coefficients = "|".join(f"{k}={v.tolist()}" for k, v in sorted(self.solver.coefficients.items()))
        text = f"{prediction_digest(frames)}|{horizon}|{members}|{seed}|{coefficients}"
        return hashlib.sha256(text.encode()).hexdigest()

    def candidates(self, frames: Tensor) -> list[_Candidate]:
        """The tracks that these frames allow, in the order of `TRACKS`."""
        found = [
            _Candidate("persistence", self.solver, lambda state: (state, torch.zeros(state.shape[0]))),
            _Candidate("solver", self.solver, _stepper(self.solver)),
        ]
        solver = self.solver
        if self.infer and frames.shape[0] >= 2 and bool((frames[1:] != frames[:-1]).any()):
            inference = infer_coefficients(solver, frames, self.infer, watched=self.watched)
            solver = solver.with_coefficients(**inference.values)
            found.append(_Candidate("inferred", solver, _stepper(solver), inference))
        if self.closure is not None:
            found.append(_Candidate("learned_flux", self.closure.solver, _closure_stepper(self.closure)))
        if frames.shape[0] >= LEAST_FRAMES:
            found.append(_Candidate("vector", self.solver, _modal_stepper(frames, self.solver)))
        return found

    def validate(self, frames: Tensor) -> tuple[dict[str, float], str]:
        """Judges every track by the last frame, the frames before being all it saw.

        Returns:
            One-step VRMSE by track, empty for a single frame, and the track to use: the equation is trusted
            where there is nothing to judge by.
        """
        if frames.shape[0] < 2:
            return {}, "solver"
        residuals, doubt, scheme = {}, 0.0, 0.0
        for candidate in self.candidates(frames[:-1]):
            predicted, estimate = candidate.step(frames[-2])
            residuals[candidate.track] = float(vrmse(predicted, frames[-1]).mean())
            if candidate.track == "solver":
                scheme = float(estimate.double().mean())
            doubt = max(doubt, _doubt(candidate.inference, self.solver))
        return residuals, _choose(residuals, doubt, scheme)

    def _forecast(
        self,
        frames: Tensor,
        horizon: int,
        members: int,
        seed: int,
        progress: Callable[[int, int], None] | None,
    ) -> FieldForecast:
        residuals, track = self.validate(frames)
        chosen = {candidate.track: candidate for candidate in self.candidates(frames)}[track]
        states, error = [frames[-1]], torch.zeros(frames.shape[1], dtype=torch.float64)
        for done in range(horizon):
            state, estimate = chosen.step(states[-1])
            states.append(state)
            error = error + torch.nan_to_num(estimate.double(), nan=float("inf"))
            if progress is not None:
                progress(done + 1, horizon)
        rollout = torch.stack(states)
        inferred = chosen.inference
        spread = {} if inferred is None else inferred.standard_error
        lower = upper = band = None
        if members:
            lower, upper, band = self._band(chosen, frames, horizon, members, seed)
        certificate = certify(
            chosen.solver,
            rollout,
            track=track,
            error_estimate=float(error.max()),
            residuals=residuals,
            coefficient_errors={name: float(value.median()) for name, value in spread.items()},
            band=band,
        )
        return FieldForecast(rollout[1:], lower, upper, track, certificate)

    def _band(
        self, chosen: _Candidate, frames: Tensor, horizon: int, members: int, seed: int
    ) -> tuple[Tensor, Tensor, BandCalibration]:
        spread = _spread(chosen, frames, horizon, members, seed)
        plain = normal_quantile(LEVEL) * spread.total().sqrt()
        scaling, account = None, BandCalibration(False, f"track {chosen.track!r} needs more frames")
        earlier = next(
            (c for c in self.candidates(frames[: fit_frames(len(frames))]) if c.track == chosen.track), None
        )
        if earlier is not None:
            scaling, account = calibrate(
                lambda seen, ahead: _spread(earlier, seen, ahead, members, seed), frames, horizon
            )
        if scaling is None:
            return spread.centre - plain, spread.centre + plain, account
        width = scaling.half_width(spread)
        factors = (
            (width.mean(dim=(2, 3, 4)) / plain.mean(dim=(2, 3, 4)).clamp_min(1e-30)).median(dim=1).values
        )
        account = replace(account, factors=tuple(factors.tolist()))
        return spread.centre - width, spread.centre + width, account

    def save(self, path: str | Path) -> str:
        """Writes the predictor as one safetensors file; returns its SHA-256 in hex."""
        return save_predictor_parts(
            path, self.solver, infer=self.infer, watched=self.watched, closure=self.closure, card=self.card
        )

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Reads a predictor; nothing in the file is executed.

        Raises:
            PredictorError: Not a predictor file, or of another version.
            FieldError: A coefficient, field or domain in it is not admissible.
        """
        parts = load_predictor_parts(path)
        return cls(
            parts.solver, infer=parts.infer, watched=parts.watched, closure=parts.closure, card=parts.card
        )


def _spread(candidate: _Candidate, frames: Tensor, horizon: int, members: int, seed: int) -> Spread:
    from industriverse.nvp.ensemble import rollout_spread

    bare = candidate.inference is not None or candidate.track == "solver"
    return rollout_spread(
        candidate.solver,
        frames,
        horizon,
        members=members,
        seed=seed,
        inference=candidate.inference,
        step=None if bare else candidate.step,
    )


def _stepper(solver: Solver) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    def step(state: Tensor) -> tuple[Tensor, Tensor]:
        pair = solver.estimate(state)
        return pair.state, pair.relative

    return step


def _closure_stepper(closure: LearnedFlux) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    def step(state: Tensor) -> tuple[Tensor, Tensor]:
        frame = closure(state)
        return frame.state, frame.estimate

    return step


def _modal_stepper(frames: Tensor, solver: Solver) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    forward = modal_step(frames, solver.grid)
    floor = torch.tensor([channel.minimum for channel in solver.channels], dtype=frames.dtype)[:, None, None]

    def step(state: Tensor) -> tuple[Tensor, Tensor]:
        # A linear law knows no positivity; nothing embedded estimates its error.
        return torch.maximum(forward(state), floor), torch.full((state.shape[0],), float("nan"))

    return step
