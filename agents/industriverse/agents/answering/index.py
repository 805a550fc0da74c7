"""Find the passage that a question means: words and letters compared.

Words are compared by BM25 (Robertson & Zaragoza, The Probabilistic Relevance Framework, 2009) as a share of the
most that the question could score, so that words that no example knows count against every verb; letters by the
cosine of 3- to 5-grams weighted by inverse document frequency, which forgives misspelling and inflection.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from industriverse.agents.answering.text import RELATED_WORDS, nearest, stem, stems, tokens

__all__ = ["Candidate", "Index", "Utterance", "grams_of"]

K1, B = 1.2, 0.3
WORD_SHARE = 0.6
BEST_SHARE = 0.75
"""How much the best example of a verb counts against the mean of its best three."""

GRAMS = (3, 4, 5)


@dataclass(frozen=True, slots=True)
class Utterance:
    """An example question with what was recognised masked.

    Attributes:
        label: What it is an example of.
        masked: The masked text.
        position: Which of the label's examples it is.
    """

    label: str
    masked: str
    position: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A label with its score in [0, 1] and its best example."""

    label: str
    score: float
    utterance: Utterance


def grams_of(words: Sequence[str]) -> Counter[str]:
    """Sequences of 3 to 5 letters in words, their beginnings and ends among them."""
    found: Counter[str] = Counter()
    for word in words:
        padded = f" {word} "
        for size in GRAMS:
            found.update(padded[i : i + size] for i in range(max(1, len(padded) - size + 1)))
    return found


class Index:
    """Ranks labels for a masked question.

    Args:
        utterances: The examples of all labels.
    """

    def __init__(self, utterances: Sequence[Utterance]) -> None:
        self._utterances = tuple(utterances)
        self._words = [Counter(stems(utterance.masked)) for utterance in utterances]
        self._grams = [grams_of(list(words)) for words in self._words]
        self._spellings = RELATED_WORDS.union(*(tokens(utterance.masked) for utterance in utterances))
        count = max(1, len(utterances))
        self._idf = self._frequencies(self._words, count)
        self._gram_idf = self._frequencies(self._grams, count)
        self._rarest = math.log(1.0 + (count + 0.5) / 0.5)
        self._mean_length = sum(sum(words.values()) for words in self._words) / count
        self._norms = [self._norm(grams) for grams in self._grams]

    @staticmethod
    def _frequencies(documents: Sequence[Counter[str]], count: int) -> dict[str, float]:
        seen: Counter[str] = Counter()
        for document in documents:
            seen.update(document.keys())
        return {term: math.log(1.0 + (count - n + 0.5) / (n + 0.5)) for term, n in seen.items()}

    def _norm(self, grams: Counter[str]) -> float:
        return math.sqrt(sum((n * self._gram_idf.get(gram, self._rarest)) ** 2 for gram, n in grams.items()))

    def _word_score(self, query: Counter[str], row: int) -> float:
        document = self._words[row]
        length = sum(document.values())
        damping = K1 * (1 - B + B * length / self._mean_length)
        got = sum(
            self._idf[term] * document[term] * (K1 + 1) / (document[term] + damping)
            for term in query
            if term in document
        )
        # An unknown word is as informative as the rarest known one; nothing can explain it.
        most = sum(self._idf.get(term, self._rarest) for term in query)
        return min(1.0, got / most) if most else 0.0

    def _gram_score(self, query: Counter[str], norm: float, row: int) -> float:
        document = self._grams[row]
        shared = sum(
            n * document[gram] * self._gram_idf[gram] ** 2 for gram, n in query.items() if gram in document
        )
        return shared / (norm * self._norms[row]) if norm and self._norms[row] else 0.0

    def spelt(self, masked: str) -> list[str]:
        """Stems of a question, misspelt words put right where one known word is near."""
        return [self._spelt(word) for word in tokens(masked)]

    def knows(self, word: str) -> bool:
        """Whether some example has a word, misspelt or not."""
        return self._spelt(word) in self._idf

    def _spelt(self, word: str) -> str:
        found = stem(word)
        if found in self._idf:
            return found
        near = nearest(word, self._spellings)
        return found if near is None else stem(near)

    def rank(self, masked: str) -> list[Candidate]:
        """Labels from the best on."""
        words = self.spelt(masked)
        query, grams = Counter(words), grams_of(words)
        norm = self._norm(grams)
        scores: dict[str, list[tuple[float, Utterance]]] = {}
        for row, utterance in enumerate(self._utterances):
            score = WORD_SHARE * self._word_score(query, row)
            score += (1 - WORD_SHARE) * self._gram_score(grams, norm, row)
            scores.setdefault(utterance.label, []).append((score, utterance))
        ranked = [self._candidate(label, found) for label, found in scores.items()]
        return sorted(ranked, key=lambda candidate: (-candidate.score, candidate.label))

    @staticmethod
    def _candidate(label: str, found: list[tuple[float, Utterance]]) -> Candidate:
        found.sort(key=lambda item: (-item[0], item[1].position))
        best_three = [score for score, _ in found[:3]]
        mean = sum(best_three) / len(best_three)
        return Candidate(label, BEST_SHARE * best_three[0] + (1 - BEST_SHARE) * mean, found[0][1])
