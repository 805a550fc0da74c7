"""Fixtures shared by the tests of proof of equilibrium."""

from collections.abc import Callable

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from industriverse.eil.proof import EquilibriumReference, public_key_pem
from proof.irreversible import ALPHA, WINDOW, Issuer, frame_of, simulate, windows


@pytest.fixture(scope="session")
def clean() -> NDArray[np.float64]:
    return simulate(20_000, seed=1)


@pytest.fixture(scope="session")
def reference(clean: NDArray[np.float64]) -> EquilibriumReference:
    return EquilibriumReference.fit(frame_of(clean), window=WINDOW)


@pytest.fixture(scope="session")
def issuer(reference: EquilibriumReference) -> Issuer:
    key = Ed25519PrivateKey.generate()
    fresh = [frame_of(values) for values in windows(60, seed=7)]
    calm = [frame for frame in fresh if all(r.p_value > ALPHA / 4 for r in reference.check(frame))]
    return Issuer(reference, key, public_key_pem(key), tuple(calm))


@pytest.fixture
def refusal_rates(
    reference: EquilibriumReference,
) -> Callable[[Callable[[NDArray[np.float64]], NDArray[np.float64]]], dict[str, float]]:
    """Share of 60 fresh windows that each check, and any check, refuses after a transformation."""

    def rates(forge: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> dict[str, float]:
        results = [reference.check(frame_of(forge(values))) for values in windows(60, seed=11)]
        refused = np.array([[r.p_value <= ALPHA / 4 for r in window] for window in results])
        each = {str(r.name): float(refused[:, i].mean()) for i, r in enumerate(results[0])}
        return {**each, "any": float(refused.any(axis=1).mean())}

    return rates
