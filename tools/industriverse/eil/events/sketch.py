r"""Entropy of a stream of values in fixed memory, by hashed histograms.

Values are hashed into m buckets; the Shannon entropy of the bucket counts is updated in O(1) a value. Merging
values into one bucket can only lower the entropy, so each row is a lower bound. Merging values of shares a
and b costs :math:`g(a, b) = \eta(a) + \eta(b) - \eta(a + b)` with :math:`\eta(x) = -x \ln x`; as g is concave
and homogeneous, the cost of a bucket is at most the sum over its pairs, and :math:`g(a, b) \le (a + b)\ln 2`.
With a hash that collides pairs with probability 1/m, N distinct values lose on average at most

.. math:: \mathbb E[H - \hat H] \le \frac{(N - 1) \ln 2}{m}

and by Markov's inequality each of r independent rows loses more than twice that with probability at most
one half, so their maximum, which is what is reported, does so with probability at most :math:`2^{-r}`. The
answer is never above the true entropy and never above :math:`\ln m`. The sketch is that of the first row of
Cormode & Muthukrishnan's count-min (2005); entropies of traffic features follow Lakhina, Crovella & Diot (2005).
"""

import hashlib
import math

import numpy as np

from industriverse.eil.events.errors import EventDetectorError

__all__ = ["EntropySketch", "sketch_loss_bound"]


def sketch_loss_bound(distinct: int, buckets: int) -> float:
    """Largest mean loss of entropy, nats, of one row for this many distinct values."""
    return max(distinct - 1, 0) * math.log(2.0) / buckets


class EntropySketch:
    """Entropy of the values added so far.

    Args:
        buckets: Buckets of a row; memory is ``8 * rows * buckets`` bytes.
        rows: Independent rows, 1 to 8.
        seed: Chooses the hash functions; keep it secret where an attacker could choose colliding values.

    Raises:
        EventDetectorError: If the size is not usable.
    """

    def __init__(self, *, buckets: int = 512, rows: int = 2, seed: int = 0) -> None:
        if buckets < 2 or not 1 <= rows <= 8:
            raise EventDetectorError(
                f"a sketch of {rows} rows of {buckets} buckets", hint="use 1 to 8 rows of at least 2 buckets"
            )
        self.buckets = buckets
        self._key = seed.to_bytes(16, "little", signed=True)
        self._counts = np.zeros((rows, buckets), dtype=np.int64)
        self._weighted = [0.0] * rows  # sum of c ln c, so that H = ln n - weighted / n
        self.total = 0

    def add(self, value: object) -> None:
        """Count one value, told apart by its text."""
        digest = hashlib.blake2b(str(value).encode("utf-8", "replace"), key=self._key).digest()
        for row in range(len(self._counts)):
            bucket = int.from_bytes(digest[8 * row : 8 * row + 8], "little") % self.buckets
            count = int(self._counts[row, bucket])
            self._counts[row, bucket] = count + 1
            self._weighted[row] += _weight(count + 1) - _weight(count)
        self.total += 1

    @property
    def entropy(self) -> float:
        """Shannon entropy, nats; 0.0 before the first value."""
        if self.total == 0:
            return 0.0
        return max(0.0, math.log(self.total) - min(self._weighted) / self.total)

    def clear(self) -> None:
        """Start anew with the same hash functions."""
        self._counts[:] = 0
        self._weighted = [0.0] * len(self._weighted)
        self.total = 0


def _weight(count: int) -> float:
    return count * math.log(count) if count > 1 else 0.0
