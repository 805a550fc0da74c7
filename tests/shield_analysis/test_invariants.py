"""Relations that clean rows keep are found, held up against later rows, and broken by an attack."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from industriverse.shield.errors import AnalysisError
from industriverse.shield.isomorphism.invariants import Balance, find_invariants
from industriverse.signals import Channel, Frame

BALANCE = Balance("flows", (("c0", 1.0), ("c1", 1.0), ("c2", -1.0)), "m3/h")


def test_the_two_relations_of_the_plant_are_found_and_no_third(clean: Frame) -> None:
    learned = find_invariants(clean).invariants
    assert len(learned) == 2
    named = [{name for name, _ in entry.coefficients} for entry in learned]
    assert {"c3", "c4"} in named
    assert {"c0", "c1", "c2"} in named


def test_independent_noise_has_no_invariant() -> None:
    noise = np.random.default_rng(0).standard_normal((800, 6))
    channels = tuple(Channel(f"n{j}") for j in range(6))
    assert not find_invariants(Frame(np.arange(800) * 10**9, noise, channels)).invariants


def test_clean_rows_keep_the_relations_and_a_lie_breaks_them(clean: Frame, later: Frame) -> None:
    found = find_invariants(clean, balances=(BALANCE,))
    assert [entry.kind for entry in found.invariants] == ["learned", "learned", "declared"]
    calm = found.statistic(later.values)
    lying = later.values.copy()
    lying[:, 2] += 3.0
    assert np.quantile(calm, 0.99) < 5.0
    assert np.median(found.statistic(lying)) > 20.0
    assert np.abs(found.residuals(lying)[:, 2]).min() > np.abs(found.residuals(later.values)[:, 2]).max()


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(1e-3, 1e3), offset=st.floats(-1e3, 1e3))
def test_units_do_not_change_what_is_found(clean: Frame, scale: float, offset: float) -> None:
    converted = Frame(clean.timestamps_ns, clean.values * scale + offset, clean.channels)
    assert len(find_invariants(converted).invariants) == 2


def test_a_balance_over_an_unknown_channel_is_refused(clean: Frame) -> None:
    with pytest.raises(AnalysisError, match="'pump'"):
        find_invariants(clean, balances=(Balance("wrong", (("pump", 1.0),)),))
