"""The forecaster that serves: fields of any domain, in batches or as they come, answered once."""

import hashlib
import json
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Final

import torch
from torch import Tensor

from industriverse.nvp.certificate import FieldForecast
from industriverse.nvp.field_errors import CoefficientError, FieldShapeError, PredictorError
from industriverse.nvp.grid import Boundary, Grid
from industriverse.nvp.learned_flux import LearnedFlux
from industriverse.nvp.predictor import Predictor
from industriverse.nvp.shadow.votes import prediction_digest
from industriverse.nvp.solvers.base import Solver
from industriverse.nvp.solvers.registry import solver_class

__all__ = ["SHIPPED", "FieldQuestion", "FieldStream", "NVPPredictor", "shipped_predictor"]

SHIPPED: Final = Path(__file__).with_name("shipped")
"""Folder of the weights that come with the package, one file a domain."""

_REMEMBERED = 64
# Frames that a stream keeps: enough for the router to judge and for coefficients to be read.
_KEPT_FRAMES = 5
# A closure was trained for one set of coefficients; nearer than this they are the same.
_SAME = 0.01


@dataclass(frozen=True)
class FieldQuestion:
    """Frames and what is known of their law.

    Args:
        frames: (time, batch, channels, cells, cells), float32 or float64.
        domain: Name of the equation.
        frame_s: Seconds between frames.
        horizon: Frames ahead.
        length: Side of the square, in metres.
        boundary: "periodic" or "wall".
        coefficients: Values by name; absent ones take the domain's default.
        fields: Static fields (medium, bed, forcing, potential) by name, as the solver takes them.
        infer: Coefficients that may be read from the frames.
        members: Of the ensemble for the band; 0 for none.
        seed: Of the ensemble.
    """

    frames: Tensor = field(repr=False)
    domain: str
    frame_s: float
    horizon: int
    length: float = 1.0
    boundary: Boundary = "periodic"
    coefficients: Mapping[str, float] = field(default_factory=dict)
    fields: Mapping[str, Tensor] = field(default_factory=dict, repr=False)
    infer: tuple[str, ...] = ()
    members: int = 0
    seed: int = 0

    def solver(self) -> Solver:
        """The solver of record for this question.

        Raises:
            FieldError: Naming what is not admissible and the range that is.
        """
        if self.frames.ndim != 5 or self.frames.shape[-1] != self.frames.shape[-2]:
            raise FieldShapeError(
                f"frames have the shape {tuple(self.frames.shape)}",
                hint="give (time, batch, channels, cells, cells) with square frames",
            )
        chosen = solver_class(self.domain)
        foreign = [name for name in self.fields if name not in chosen.field_names]
        if foreign:
            raise CoefficientError(
                f"{self.domain} has no field {foreign[0]!r}",
                hint=f"its fields are: {', '.join(chosen.field_names) or 'none'}",
            )
        arguments: dict[str, Any] = {**self.coefficients, **self.fields}
        grid = Grid(self.frames.shape[-1], self.length, self.boundary)
        return chosen(grid, self.frame_s, **arguments)

    def setting(self) -> dict[str, Any]:
        """Everything but the frames, as JSON values; fields by their hash."""
        return {
            "domain": self.domain,
            "frame_s": self.frame_s,
            "horizon": self.horizon,
            "length": self.length,
            "boundary": self.boundary,
            "coefficients": dict(self.coefficients),
            "fields": {name: prediction_digest(value) for name, value in self.fields.items()},
            "infer": list(self.infer),
            "members": self.members,
            "seed": self.seed,
        }

    def key(self) -> str:
        """SHA-256 of the frames and of everything asked, hex."""
        text = prediction_digest(self.frames) + json.dumps(self.setting(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=8)
def shipped_predictor(domain: str) -> Predictor | None:
    """The predictor that comes with the package for a domain, or None."""
    path = SHIPPED / f"{domain}.safetensors"
    return Predictor.load(path) if path.exists() else None


def _fitting(solver: Solver, closure: LearnedFlux | None) -> LearnedFlux | None:
    """The closure if it was trained for this very problem."""
    if closure is None or closure.solver.name != solver.name or closure.solver.grid != solver.grid:
        return None
    trained = closure.solver
    if abs(trained.frame_s - solver.frame_s) > _SAME * solver.frame_s:
        return None
    for name, value in solver.coefficients.items():
        if not torch.allclose(value, trained.coefficients[name], rtol=_SAME):
            return None
    for name in solver.field_names:
        ours, theirs = getattr(solver, name), getattr(trained, name)
        if (ours is None) != (theirs is None):
            return None
        if ours is not None and not torch.allclose(ours.double(), theirs.double(), rtol=1e-3, atol=1e-6):
            return None
    return closure


class NVPPredictor:
    """Forecasts fields with whatever track last predicted them best.

    Every question is answered once: forecasts are remembered by the hash of their frames and settings, so a
    repeated question costs a hash. Safe to use from several threads.

    Args:
        predictors: Trained predictors by domain; the shipped ones by default.
        remembered: Forecasts kept.
    """

    def __init__(
        self, predictors: Mapping[str, Predictor] | None = None, *, remembered: int = _REMEMBERED
    ) -> None:
        if remembered < 0:
            raise PredictorError(f"remembered is {remembered}", hint="give 0 or more")
        self._given = predictors
        self._remembered = remembered
        self._answers: OrderedDict[str, FieldForecast] = OrderedDict()
        self._lock = Lock()
        self.hits = 0
        self.misses = 0

    def _closure(self, solver: Solver) -> LearnedFlux | None:
        found = shipped_predictor(solver.name) if self._given is None else self._given.get(solver.name)
        return None if found is None else _fitting(solver, found.closure)

    def forecast(
        self, question: FieldQuestion, progress: Callable[[int, int], None] | None = None
    ) -> FieldForecast:
        """Answers one question.

        Args:
            question: Frames and settings.
            progress: Called with (frames done, horizon).

        Raises:
            FieldError: Naming the field, its value and what is admissible.
        """
        solver = question.solver()
        key = question.key()
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                self.hits += 1
                return self._answers[key]
            self.misses += 1
        predictor = Predictor(solver, infer=question.infer, closure=self._closure(solver))
        found = predictor.forecast(
            question.frames,
            question.horizon,
            members=question.members,
            seed=question.seed,
            progress=progress,
        )
        with self._lock:
            self._answers[key] = found
            while len(self._answers) > self._remembered:
                self._answers.popitem(last=False)
        return found

    def batch(
        self, questions: Iterable[FieldQuestion], progress: Callable[[int, int], None] | None = None
    ) -> list[FieldForecast]:
        """Answers many questions in order; progress is called with (questions done, all)."""
        asked = list(questions)
        answers = []
        for done, question in enumerate(asked, start=1):
            answers.append(self.forecast(question))
            if progress is not None:
                progress(done, len(asked))
        return answers

    def stream(self, question: FieldQuestion) -> "FieldStream":
        """A stream that forecasts after every frame, with the settings of a question whose frames start it."""
        return FieldStream(self, question)


class FieldStream:
    """Frames as they come, each answered with a forecast of those after it.

    Args:
        predictor: Answers.
        question: Settings; its frames are the first seen.
    """

    def __init__(self, predictor: NVPPredictor, question: FieldQuestion) -> None:
        self._predictor = predictor
        self._question = question
        self._frames: deque[Tensor] = deque(question.frames, maxlen=_KEPT_FRAMES)

    def push(self, frame: Tensor) -> FieldForecast:
        """Takes the next frame, (batch, channels, cells, cells), and forecasts.

        Raises:
            FieldShapeError: The frame does not have the shape of those before it.
        """
        if self._frames and frame.shape != self._frames[-1].shape:
            raise FieldShapeError(
                f"the frame has the shape {tuple(frame.shape)}",
                hint=f"this stream has {tuple(self._frames[-1].shape)}",
            )
        self._frames.append(frame)
        values = {name: getattr(self._question, name) for name in self._question.__dataclass_fields__}
        return self._predictor.forecast(FieldQuestion(**values | {"frames": torch.stack([*self._frames])}))
