"""Sketched entropies keep their proven bound."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from industriverse.eil.events import EntropySketch, EventDetectorError, sketch_loss_bound


def exact(values: list[object]) -> float:
    counts = Counter(map(str, values))
    return -sum(c / len(values) * math.log(c / len(values)) for c in counts.values())


@settings(deadline=None)
@given(st.lists(st.integers(0, 50) | st.text(max_size=3), min_size=1, max_size=150), st.integers(0, 9))
def test_the_sketch_never_exceeds_the_true_entropy(values: list[object], seed: int) -> None:
    sketch = EntropySketch(buckets=16, rows=2, seed=seed)
    for value in values:
        sketch.add(value)
    assert -1e-9 <= sketch.entropy <= min(exact(values), math.log(16)) + 1e-9


@pytest.mark.parametrize("shape", ["uniform", "skewed"])
def test_the_mean_loss_of_a_row_is_within_its_bound(shape: str) -> None:
    distinct, buckets = 60, 128
    share = np.ones(distinct) if shape == "uniform" else 1.0 / np.arange(1, distinct + 1) ** 1.5
    generator = np.random.default_rng(5)
    values: list[object] = [int(v) for v in generator.choice(distinct, 2000, p=share / share.sum())]
    losses = []
    for seed in range(30):
        sketch = EntropySketch(buckets=buckets, rows=1, seed=seed)
        for value in values:
            sketch.add(value)
        losses.append(exact(values) - sketch.entropy)
    bound = sketch_loss_bound(distinct, buckets)
    assert float(np.mean(losses)) <= bound
    assert float(np.mean(np.array(losses) > 2 * bound)) <= 0.5


def test_more_rows_lose_less_and_clearing_forgets() -> None:
    one, four = EntropySketch(buckets=16, rows=1), EntropySketch(buckets=16, rows=4)
    for value in range(40):
        one.add(value)
        four.add(value)
    assert four.entropy >= one.entropy
    four.clear()
    assert (four.entropy, four.total) == (0.0, 0)


@pytest.mark.parametrize("size", [{"buckets": 1}, {"rows": 0}, {"rows": 9}])
def test_an_unusable_size_is_refused(size: dict[str, int]) -> None:
    with pytest.raises(EventDetectorError, match="sketch"):
        EntropySketch(**size)
