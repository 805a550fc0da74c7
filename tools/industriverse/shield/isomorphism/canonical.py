"""Simulated systems of known kind, to measure the mapper with. Each returns a frame's values, shape (n, d)."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["CANONICAL_SYSTEMS", "FOREIGN_SYSTEMS", "simulate_system"]

Array = NDArray[np.float64]


def simulate_system(name: str, samples: int, rng: np.random.Generator) -> Array:
    """A path of a canonical or of a foreign system with random parameters and a little sensor noise."""
    path = {**CANONICAL_SYSTEMS, **FOREIGN_SYSTEMS}[name](samples, rng)
    return np.asarray(path + 0.005 * path.std(axis=0) * rng.standard_normal(path.shape))


def _relaxation(samples: int, rng: np.random.Generator) -> Array:
    """Heat on a rod with insulated ends, stirred by noise."""
    size, rate = int(rng.integers(5, 10)), rng.uniform(0.1, 0.3)
    laplacian = -2.0 * np.eye(size) + np.eye(size, k=1) + np.eye(size, k=-1)
    laplacian[0, 0] = laplacian[-1, -1] = -1.0
    step = np.eye(size) * (1.0 - rng.uniform(0.005, 0.03)) + rate * laplacian
    return _linear(step, samples, rng)


def _oscillator(samples: int, rng: np.random.Generator) -> Array:
    angle, damping = rng.uniform(0.1, 0.6), rng.uniform(0.98, 0.998)
    step = damping * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.asarray(_linear(step, samples, rng) * np.array([1.0, rng.uniform(0.3, 3.0)]))


def _advection(samples: int, rng: np.random.Generator) -> Array:
    """A pipe: what enters passes one sensor after another."""
    size, delay, memory = int(rng.integers(5, 9)), int(rng.integers(1, 4)), rng.uniform(0.0, 0.9)
    long = samples + size * delay
    inflow = np.zeros(long)
    shocks = rng.standard_normal(long)
    for row in range(1, long):
        inflow[row] = memory * inflow[row - 1] + shocks[row]
    columns = [inflow[(size - j) * delay : (size - j) * delay + samples] for j in range(size)]
    return np.stack(columns, axis=1) * 0.98 ** np.arange(size)


def _queue(samples: int, rng: np.random.Generator) -> Array:
    """Jobs waiting for one server, observed once a tick."""
    service = rng.uniform(2.0, 8.0)
    load = rng.uniform(0.8, 0.97)
    waiting = np.zeros(samples)
    arrivals, served = rng.poisson(service * load, samples), rng.poisson(service, samples)
    for row in range(1, samples):
        waiting[row] = max(waiting[row - 1] + arrivals[row] - served[row], 0.0)
    return waiting[:, None]


def _epidemic(samples: int, rng: np.random.Generator) -> Array:
    """Susceptible, infected, recovered; hosts of a worm."""
    size, recovery = 1e4, rng.uniform(0.02, 0.06)
    contact = recovery * rng.uniform(2.0, 5.0)
    step = 300.0 / samples
    state = np.array([size - 20.0, 20.0, 0.0])
    path = np.zeros((samples, 3))
    for row in range(samples):
        path[row] = state
        infections = step * contact * state[0] * state[1] / size
        infections += np.sqrt(max(infections, 0.0)) * rng.standard_normal()
        recoveries = step * recovery * state[1] + np.sqrt(step * recovery * state[1]) * rng.standard_normal()
        infections, recoveries = np.clip(infections, 0, state[0]), np.clip(recoveries, 0, state[1])
        state = state + np.array([-infections, infections - recoveries, recoveries])
    return path


def _predator_prey(samples: int, rng: np.random.Generator) -> Array:
    growth, death = rng.uniform(0.5, 1.2), rng.uniform(0.3, 0.8)
    state, step = np.log(np.array([rng.uniform(1.5, 3.0), rng.uniform(0.5, 1.5)])), 0.05
    path = np.zeros((samples, 2))
    for row in range(samples):
        path[row] = np.exp(state)
        for _ in range(2):
            prey, predator = np.exp(state)
            drift = np.array([growth * (1 - predator), death * (prey - 1)])
            state = state + 0.5 * step * drift + 0.01 * np.sqrt(0.5 * step) * rng.standard_normal(2)
    return path


def _restoring(samples: int, rng: np.random.Generator) -> Array:
    """A random walk with restoring force (Ornstein-Uhlenbeck), one channel or several that do not speak."""
    size = int(rng.integers(1, 4))
    return _linear(np.diag(rng.uniform(0.7, 0.98, size)), samples, rng)


def _linear(step: Array, samples: int, rng: np.random.Generator) -> Array:
    state, path = np.zeros(len(step)), np.zeros((samples + 200, len(step)))
    for row in range(len(path)):
        state = step @ state + rng.standard_normal(len(step))
        path[row] = state
    return path[200:]


def _lorenz(samples: int, rng: np.random.Generator) -> Array:
    state, path = rng.normal(0, 5, 3), np.zeros((samples, 3))
    for row in range(-200, samples):
        for _ in range(5):
            x, y, z = state
            state = state + 0.01 * np.array([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])
        if row >= 0:
            path[row] = state
    return path


def _white(samples: int, rng: np.random.Generator) -> Array:
    return rng.standard_normal((samples, 3))


def _logistic(samples: int, rng: np.random.Generator) -> Array:
    state, path = rng.uniform(0.2, 0.8), np.zeros((samples, 1))
    for row in range(samples):
        state = 3.9 * state * (1 - state)
        path[row] = state
    return path


def _random_network(samples: int, rng: np.random.Generator) -> Array:
    """Channels that drive one another at random: linear, irreversible, on no line."""
    step = rng.standard_normal((5, 5))
    step *= 0.9 / np.abs(np.linalg.eigvals(step)).max()
    return _linear(step, samples, rng)


def _switching(samples: int, rng: np.random.Generator) -> Array:
    state = np.cumsum(rng.random(samples) < 0.05) % 2
    return np.stack([state + 0.1 * rng.standard_normal(samples), rng.standard_normal(samples)], axis=1)


CANONICAL_SYSTEMS: dict[str, Callable[[int, np.random.Generator], Array]] = {
    "relaxation": _relaxation,
    "oscillator": _oscillator,
    "advection": _advection,
    "queue": _queue,
    "epidemic": _epidemic,
    "predator_prey": _predator_prey,
    "restoring_walk": _restoring,
}
FOREIGN_SYSTEMS: dict[str, Callable[[int, np.random.Generator], Array]] = {
    "lorenz": _lorenz,
    "white_noise": _white,
    "logistic_map": _logistic,
    "random_network": _random_network,
    "switching": _switching,
}
