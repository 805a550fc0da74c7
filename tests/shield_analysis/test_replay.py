"""Copies are convicted, chance is not."""

import numpy as np

from industriverse.shield.isomorphism.replay import RepeatWatch


def walk(rows: int, seed: int, decimals: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    level = np.zeros((rows, 1))
    for row in range(1, rows):
        level[row] = 0.95 * level[row - 1] + rng.standard_normal()
    return np.round(level, decimals)


def test_a_replayed_stretch_is_convicted_while_it_plays() -> None:
    values = walk(3000, 1, 2)
    watch = RepeatWatch(values[:1000])
    values[2500:2560] = values[2000:2060]
    evidence = watch.evidence(values[1000:])[:, 0]
    inside = evidence[1500:1560]
    assert (inside > 0).sum() >= 40
    assert evidence[:1500].max() == 0.0
    assert evidence[1565:].max() == 0.0


def test_a_coarse_sensor_that_repeats_itself_by_chance_is_not() -> None:
    values = walk(6000, 2, 0)
    watch = RepeatWatch(values[:2000])
    assert (watch.evidence(values[2000:]) > 0).mean() < 0.005


def test_a_frozen_channel_is_convicted_and_a_constant_one_is_not() -> None:
    values = np.hstack([walk(2000, 3, 3), np.full((2000, 1), 7.0)])
    watch = RepeatWatch(values[:1000])
    values[1500:1600, 0] = values[1500, 0]
    evidence = watch.evidence(values[1000:])
    assert evidence[560:600, 0].min() > 0.0
    assert evidence[:, 1].max() == 0.0


def test_one_by_one_is_the_same_as_in_a_block() -> None:
    values = walk(1500, 4, 2)
    values[1300:1360] = values[900:960]
    block = RepeatWatch(values[:500]).evidence(values[500:])
    single = RepeatWatch(values[:500])
    assert np.array_equal(block, np.vstack([single.evidence(row[None]) for row in values[500:]]))
