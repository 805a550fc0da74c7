r"""Entropy production of a symbol stream: how far it runs one way round.

With :math:`p_{ij}` the share of transitions from symbol i to symbol j and currents :math:`J_{ij} = p_{ij} - p_{ji}`

.. math:: \sigma = \sum_{i<j} J_{ij} \ln\frac{p_{ij}}{p_{ji}} = D_{KL}(p_{ij} \,\|\, p_{ji}) \ge 0

in nats per transition (Schnakenberg 1976, eq. 7.6, for a stationary Markov chain). It is zero if and only if
the chain is time-reversible, so a replay run backwards changes the sign of the work done along the path.
"""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping

__all__ = ["entropy_production", "transition_counts", "transition_work"]

# Added to both directions of a pair, so that a transition never seen backwards costs a finite amount
# (Jeffreys 1946). The estimate is therefore biased towards zero on short streams.
PSEUDO_COUNT = 0.5


def transition_counts(symbols: Iterable[Hashable]) -> Counter[tuple[Hashable, Hashable]]:
    """Count the transitions between successive symbols."""
    counts: Counter[tuple[Hashable, Hashable]] = Counter()
    before: Hashable = None
    for index, symbol in enumerate(symbols):
        if index:
            counts[before, symbol] += 1
        before = symbol
    return counts


def transition_work(
    counts: Mapping[tuple[Hashable, Hashable], int], before: Hashable, after: Hashable
) -> float:
    """``ln(p_ij / p_ji)`` of one transition, nats: positive with the clean currents, negative against them."""
    forward = counts.get((before, after), 0) + PSEUDO_COUNT
    backward = counts.get((after, before), 0) + PSEUDO_COUNT
    return math.log(forward) - math.log(backward)


def entropy_production(counts: Mapping[tuple[Hashable, Hashable], int]) -> float:
    """Entropy production of counted transitions, nats per transition; 0.0 without any."""
    total = sum(counts.values())
    if total == 0:
        return 0.0
    return sum(count * transition_work(counts, *pair) for pair, count in counts.items()) / total
