"""A field with a known equation and a truth to compare with."""

import math
from typing import Any

import torch
from torch import Tensor

from industriverse.nvp.grid import Grid
from industriverse.nvp.solvers import solver_class

__all__ = ["burgers_question"]


def burgers_question(
    *, viscosity_believed: float, noise: float = 0.005, frames: int = 4, ahead: int = 5, seed: int = 1
) -> tuple[dict[str, Any], Tensor]:
    """Arguments of ``nvp_field`` and the noise-free frame ``ahead`` frames later; the viscosity is 5e-3."""
    grid, fine = Grid(16), Grid(64)
    solver = solver_class("burgers")(fine, 0.02, refinement=2, viscosity=5e-3)
    x, y = fine.coordinates()
    state = 0.4 * (torch.sin(2 * math.pi * (x + y)) + 0.5 * torch.cos(2 * math.pi * (x - 2 * y)))[None, None]
    seen = []
    for _ in range(frames + ahead):
        seen.append(torch.nn.functional.avg_pool2d(state, fine.cells // grid.cells))
        state = solver.advance(state)
    generator = torch.Generator().manual_seed(seed)
    shown = torch.stack(seen[:frames])
    shown = shown + noise * torch.randn(shown.shape, dtype=torch.float64, generator=generator)
    question = {
        "domain": "burgers",
        "frames": shown[:, 0].tolist(),
        "frame_s": 0.02,
        "coefficients": {"viscosity": viscosity_believed},
        "infer": ["viscosity"],
    }
    return question, seen[-1]
