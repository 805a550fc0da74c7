"""A training that is killed goes on where it was, to the same weights."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from industriverse.nvp.field_errors import PredictorError, UnknownDomainError
from industriverse.nvp.predictor import Predictor
from industriverse.nvp.recipes import RECIPES, Recipe, recipe
from industriverse.nvp.training_run import Plan, train

PLAN = Plan(budget_s=60.0, seed=3, trajectories=3, held_out=2, updates=24, batch=4)
SUICIDE = """
import os, signal, sys
from pathlib import Path
from nvp_fields.test_training_run import PLAN, small
from industriverse.nvp.training_run import train

def told(phase, share, loss):
    if phase == "updates" and share > float(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
train(small(), PLAN, folder / "work", folder / "out.safetensors", told, checkpoint_s=0.0)
"""


def small() -> Recipe:
    """Burgers on 16 by 16 sensors, trained in a second."""
    return replace(RECIPES["burgers"], cells=16, truth_cells=32, frames=5, width=8)


def weights(path: Path) -> dict[str, torch.Tensor]:
    closure = Predictor.load(path).closure
    assert closure is not None
    return dict(closure.network.state_dict())


@pytest.mark.skipif(sys.platform == "win32", reason="needs signal 9")
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    calm = tmp_path / "calm.safetensors"
    card = train(small(), PLAN, tmp_path / "calm", calm)
    environment = dict(os.environ) | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    # The second kill falls after the closure's own states were added to the data.
    for share in ("0.3", "0.8"):
        killed = subprocess.run(
            [sys.executable, "-c", SUICIDE, str(tmp_path), share], env=environment, check=False, timeout=120
        )
        assert killed.returncode == -signal.SIGKILL
        assert not (tmp_path / "out.safetensors").exists()
    resumed = train(small(), PLAN, tmp_path / "work", tmp_path / "out.safetensors")
    assert resumed["updates"] == card["updates"] == PLAN.updates
    assert resumed["data_sha256"] == card["data_sha256"]
    expected = weights(calm)
    for name, value in weights(tmp_path / "out.safetensors").items():
        assert torch.equal(value, expected[name]), name
    with pytest.raises(PredictorError, match="holds another training"):
        train(small(), replace(PLAN, seed=4), tmp_path / "work", tmp_path / "out.safetensors")


def test_a_domain_without_a_recipe_is_told_which_have_one() -> None:
    with pytest.raises(UnknownDomainError, match="vorticity, burgers"):
        recipe("wave")
