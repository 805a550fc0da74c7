"""Predictors on disk: one safetensors file, tensors plus a JSON header, nothing executable."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from industriverse.nvp.field_errors import PredictorError
from industriverse.nvp.grid import Grid
from industriverse.nvp.learned_flux import Gate, LearnedFlux
from industriverse.nvp.solvers.base import Solver
from industriverse.nvp.solvers.registry import solver_class
from industriverse.storage import write_whole

__all__ = ["FORMAT", "PredictorParts", "load_predictor_parts", "save_predictor_parts"]

FORMAT: Final = "industriverse.nvp.predictor/1"


@dataclass(frozen=True)
class PredictorParts:
    """What a file holds."""

    solver: Solver
    infer: tuple[str, ...]
    watched: tuple[str, ...] | None
    closure: LearnedFlux | None
    card: dict[str, str]


def save_predictor_parts(
    path: str | Path,
    solver: Solver,
    *,
    infer: Sequence[str],
    watched: Sequence[str] | None,
    closure: LearnedFlux | None,
    card: dict[str, str],
) -> str:
    """Writes the file atomically; returns its SHA-256 in hex."""
    tensors: dict[str, Tensor] = {f"coefficient.{k}": v.detach() for k, v in solver.coefficients.items()}
    for name in solver.field_names:
        value = getattr(solver, name)
        if value is not None:
            tensors[f"field.{name}"] = value
    header: dict[str, Any] = {
        "domain": solver.name,
        "cells": solver.grid.cells,
        "length": solver.grid.length,
        "boundary": solver.grid.boundary,
        "frame_s": solver.frame_s,
        "refinement": solver.refinement,
        "options": {name: getattr(solver, name) for name in solver.option_names},
        "infer": list(infer),
        "watched": None if watched is None else list(watched),
        "card": card,
    }
    if closure is not None:
        tensors |= {f"flux.{name}": value for name, value in closure.network.state_dict().items()}
        body = closure.network.body
        header["closure"] = {
            # JSON has no infinity; a closed gate is written as null.
            "threshold": closure.gate.threshold if closure.gate.strength > 0 else None,
            "strength": closure.gate.strength,
            "width": body.bottom.norm.num_channels // 2 ** len(body.down),
            "levels": len(body.down),
        }
    content = to_bytes(
        {name: value.contiguous().clone() for name, value in tensors.items()},
        metadata={"format": FORMAT, "header": json.dumps(header, sort_keys=True, allow_nan=False)},
    )
    write_whole(path, content)
    return hashlib.sha256(content).hexdigest()


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise PredictorError(
            f"{path} cannot be read as a predictor", hint="give a .safetensors file"
        ) from error
    if metadata.get("format") != FORMAT:
        raise PredictorError(
            f"{path} has the format {metadata.get('format')!r}", hint=f"this version reads {FORMAT}"
        )
    header = json.loads(metadata["header"])
    for name, value in tensors.items():
        if not bool(torch.isfinite(value).all()):
            raise PredictorError(f"{name} in {path} has NaN or infinite values", hint="train it again")
    return header, tensors


def load_predictor_parts(path: str | Path) -> PredictorParts:
    """Reads a file written by `save_predictor_parts`.

    Raises:
        PredictorError: Not such a file, another version, or damaged.
    """
    header, tensors = _read(Path(path))
    try:
        solver = _solver(header, tensors)
        closure = _closure(header, tensors, solver)
        watched = header["watched"]
        return PredictorParts(
            solver,
            tuple(header["infer"]),
            None if watched is None else tuple(watched),
            closure,
            header["card"],
        )
    except (KeyError, TypeError, RuntimeError) as error:
        raise PredictorError(
            f"{path} is damaged or incomplete: {error}", hint="save the predictor again"
        ) from error


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _solver(header: dict[str, Any], tensors: dict[str, Tensor]) -> Solver:
    grid = Grid(header["cells"], header["length"], header["boundary"])
    arguments: dict[str, Any] = {**_part(tensors, "field."), **header["options"]}
    return solver_class(header["domain"])(
        grid,
        header["frame_s"],
        refinement=header["refinement"],
        **_part(tensors, "coefficient."),
        **arguments,
    )


def _closure(header: dict[str, Any], tensors: dict[str, Tensor], solver: Solver) -> LearnedFlux | None:
    if "closure" not in header:
        return None
    described = header["closure"]
    closure = LearnedFlux(solver, width=described["width"], levels=described["levels"])
    closure.network.load_state_dict(_part(tensors, "flux."))
    if described["threshold"] is not None:
        closure.gate = Gate(described["threshold"], described["strength"])
    return closure
