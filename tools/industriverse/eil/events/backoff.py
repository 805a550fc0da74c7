r"""Conditional probabilities of symbols with back-off: one estimator for sequences, gaps and rarity.

Contexts run from general to specific. At each, the estimate of the more general one is what an unseen symbol
falls back to, weighted by how often new symbols were met there (Witten & Bell 1991, method C):

.. math:: p_k(x) = \frac{c_k(x) + u_k\, p_{k-1}(x)}{t_k + u_k}

with ``c`` the count of the symbol in the context, ``t`` the total and ``u`` the number of different symbols.
The bottom is uniform over the known symbols and one more that stands for all others, so a symbol that was
never seen has a probability, the novelty mass, and needs no special case.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

__all__ = ["BackoffCounts", "Context"]

Context = tuple[Hashable, ...]


class BackoffCounts:
    """Counts of symbols in contexts.

    Args:
        maximum_contexts: Contexts kept at most; later ones are not learnt, which makes them back off.
        maximum_symbols: Different symbols kept in one context at most; later ones stay novel there.
    """

    def __init__(self, *, maximum_contexts: int = 50_000, maximum_symbols: int = 4096) -> None:
        self.maximum_contexts = maximum_contexts
        self.maximum_symbols = maximum_symbols
        self._counts: dict[Context, dict[Hashable, int]] = {}
        self._totals: dict[Context, int] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def learn(self, contexts: Iterable[Context], symbol: Hashable) -> None:
        """Count a symbol in each of its contexts."""
        for context in contexts:
            counts = self._counts.get(context)
            if counts is None:
                if len(self._counts) >= self.maximum_contexts:
                    continue
                counts = self._counts[context] = {}
                self._totals[context] = 0
            if symbol in counts:
                counts[symbol] += 1
            elif len(counts) < self.maximum_symbols:
                counts[symbol] = 1
            else:
                continue
            self._totals[context] += 1

    def probability(self, contexts: Sequence[Context], symbol: Hashable) -> float:
        """Probability of the symbol in the last (most specific) of the contexts, in (0, 1].

        Args:
            contexts: From general to specific; the first is usually ``()``.
            symbol: A symbol, known or not. All unknown symbols share one novelty mass.
        """
        probability = 1.0 / (len(self._counts.get(contexts[0], ())) + 1)
        for context in contexts:
            counts = self._counts.get(context)
            if counts is None:
                break
            different = len(counts)
            probability = (counts.get(symbol, 0) + different * probability) / (
                self._totals[context] + different
            )
        return probability

    def likeliest(self, contexts: Sequence[Context], limit: int = 3) -> list[tuple[Hashable, float]]:
        """The symbols most expected in the most specific known context, with their probabilities."""
        known = [context for context in contexts if context in self._counts]
        if not known:
            return []
        counts = self._counts[known[-1]]
        best = sorted(counts, key=lambda symbol: (-counts[symbol], str(symbol)))[:limit]
        return [(symbol, self.probability(contexts, symbol)) for symbol in best]

    def knows(self, context: Context) -> bool:
        """Whether the context was met while learning."""
        return context in self._counts

    def total(self, context: Context) -> int:
        """How many symbols were met in the context."""
        return self._totals.get(context, 0)

    def state(self) -> dict[str, Any]:
        """Everything learnt, as JSON-ready values."""
        return {
            "maximum_contexts": self.maximum_contexts,
            "maximum_symbols": self.maximum_symbols,
            "counts": [[list(context), list(map(list, c.items()))] for context, c in self._counts.items()],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "BackoffCounts":
        """Rebuild from :meth:`state`."""
        table = cls(maximum_contexts=state["maximum_contexts"], maximum_symbols=state["maximum_symbols"])
        for context, counts in state["counts"]:
            key = tuple(context)
            table._counts[key] = {symbol: int(count) for symbol, count in counts}
            table._totals[key] = sum(table._counts[key].values())
        return table
