"""What ships was made by the training command, is small, and does no harm."""

import json
from dataclasses import replace

import torch

from industriverse.nvp.recipes import RECIPES
from industriverse.nvp.service import SHIPPED, shipped_predictor


def test_what_ships_is_small_says_how_it_was_made_and_does_no_harm() -> None:
    files = list(SHIPPED.glob("*.safetensors"))
    assert files
    assert sum(path.stat().st_size for path in files) < 10_000_000
    for path in files:
        card = json.loads(path.with_suffix(".json").read_text())
        assert set(card["data_sha256"]) == {"train", "held_out", "test"}
        assert {"persistence", "mean", "solver", "solver + gated flux"} <= set(card["rows"])
        assert card["ratio_to_solver"]["test"]["worst"] <= 1.02
        predictor = shipped_predictor(path.stem)
        assert predictor is not None
        assert predictor.closure is not None
        inside = json.loads(predictor.card["card"])
        assert inside["data_sha256"] == card["data_sha256"]


def test_the_shipped_closure_beats_its_solver_on_turbulence_it_never_saw() -> None:
    predictor = shipped_predictor("vorticity")
    assert predictor is not None
    assert predictor.closure is not None
    known = RECIPES["vorticity"]
    truth = replace(known, truth_cells=128, spin_up=8, frames=2).trajectories(1, 11)
    with torch.no_grad():
        ours = predictor.closure(truth[0]).state
        base = predictor.closure.finer.advance(truth[0])
    assert float((ours - truth[1]).norm()) < float((base - truth[1]).norm())
    assert float(ours.mean(dim=(-2, -1)).abs().max()) < 1e-6
