"""Find the verb that a question means, or that none does, from questions whose verbs are known.

Kernel ridge regression (Saunders, Gammerman & Vovk, ICML 1998) of one score per verb: two questions are alike by the
meaning of the sentence (:mod:`.sentences`), by words and pairs of words, and by 3- to 5-grams of letters, which
forgives misspelling. What is out of scope is a class of its own, known by questions like any other. Where no model
of sentences is installed, words and letters decide alone.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from industriverse.agents.answering.index import Candidate, Utterance, grams_of
from industriverse.agents.answering.sentences import installed_sentences
from industriverse.agents.answering.text import RELATED_WORDS, nearest, stem, stems, tokens
from industriverse.agents.answering.vectors import vectors_of

if TYPE_CHECKING:
    from industriverse.agents.answering.sentences import Sentences

__all__ = ["OUTSIDE", "Ranking", "ranking_of", "spoken"]

Array = NDArray[np.float64]

OUTSIDE = "outside"
"""Label of questions that nothing here answers."""

_SAID = {
    "ENTITY": "the pump",
    "STREAM": "the water network",
    "TIME": "at noon",
    "PERIOD": "yesterday",
    "AHEAD": "in two hours",
    "SHIFT": "an hour earlier",
    "UNIT": "",
    "AMOUNT": "some",
    "ADDRESS": "the address 10.0.0.9",
    "INCIDENT": "the incident",
    "RECORD": "the record state-1",
    "THREAD": "the run",
    "PLANID": "the plan",
    "DIGEST": "the certificate",
}


@dataclass(frozen=True, slots=True)
class _Mix:
    """How alikeness is made up and how closely the known questions are fitted; by cross-validation."""

    sentences: float
    words: float
    letters: float
    degree: int
    ridge: float
    balance: float
    """0 counts every question the same, 1 every verb."""


WITH_SENTENCES = _Mix(0.5, 0.15, 0.35, degree=2, ridge=0.25, balance=0.5)
WITHOUT_SENTENCES = _Mix(0.0, 0.5, 0.5, degree=1, ridge=0.05, balance=0.0)


def spoken(masked: str) -> str:
    """A masked question with ordinary words in place of the masks."""
    return " ".join(" ".join(_SAID.get(word, word) for word in masked.split()).split())


class _Features:
    """Counts of terms as vectors of length 1, weighted by inverse document frequency."""

    def __init__(self, documents: Sequence[Counter[str]]) -> None:
        seen: Counter[str] = Counter()
        for document in documents:
            seen.update(document.keys())
        self._column = {term: column for column, term in enumerate(seen)}
        self._weight = {term: math.log((len(documents) + 1) / (n + 0.5)) for term, n in seen.items()}
        self._rarest = max(self._weight.values(), default=1.0)
        self.known = self.rows(documents)

    def rows(self, documents: Sequence[Counter[str]]) -> Any:
        """A sparse matrix of one row a document; unknown terms lengthen a document and match nothing."""
        from scipy.sparse import csr_matrix

        data, columns, ends = [], [], [0]
        for document in documents:
            weights = {t: (1 + math.log(n)) * self._weight.get(t, self._rarest) for t, n in document.items()}
            norm = math.sqrt(sum(weight**2 for weight in weights.values())) or 1.0
            for term, weight in weights.items():
                if term in self._column:
                    data.append(weight / norm)
                    columns.append(self._column[term])
            ends.append(len(data))
        return csr_matrix(
            (np.array(data, dtype=np.float32), columns, ends), shape=(len(documents), len(self._column))
        )


class Ranking:
    """Ranks verbs for masked questions.

    Args:
        utterances: Questions whose verbs are known, :data:`OUTSIDE` among their labels.
        sentences: Model of sentences; None to compare words and letters alone.
    """

    def __init__(self, utterances: Sequence[Utterance], sentences: "Sentences | None") -> None:
        # Of questions that are the same but for names and times one is enough.
        first = {(utterance.label, utterance.masked): utterance for utterance in reversed(utterances)}
        self._utterances = tuple(reversed(first.values()))
        self._sentences = sentences
        self._mix = WITHOUT_SENTENCES if sentences is None else WITH_SENTENCES
        self._known = {word for utterance in self._utterances for word in stems(utterance.masked)}
        self._inside = {w for u in utterances if u.label != OUTSIDE for w in stems(u.masked)}
        self.vocabulary: frozenset[str] = RELATED_WORDS.union(*(tokens(u.masked) for u in utterances))
        """Words that some known question has."""
        self.labels = tuple(sorted({utterance.label for utterance in utterances}))

    def _spelt(self, masked: str) -> list[str]:
        return [self._spelt_word(word) for word in tokens(masked)]

    def _spelt_word(self, word: str) -> str:
        found = stem(word)
        if found in self._known:
            return found
        near = nearest(word, self.vocabulary)
        return found if near is None else stem(near)

    @staticmethod
    def _words_of(spelt: list[str]) -> Counter[str]:
        return Counter([*spelt, *(f"{a} {b}" for a, b in pairwise(spelt))])

    @cached_property
    def _spelt_examples(self) -> list[list[str]]:
        return [stems(utterance.masked) for utterance in self._utterances]

    @cached_property
    def _words(self) -> _Features:
        return _Features([self._words_of(spelt) for spelt in self._spelt_examples])

    @cached_property
    def _letters(self) -> _Features:
        return _Features([grams_of(spelt) for spelt in self._spelt_examples])

    @cached_property
    def _vectors(self) -> NDArray[np.float32] | None:
        if self._sentences is None:
            return None
        return vectors_of([spoken(utterance.masked) for utterance in self._utterances], self._sentences)

    def _alike(self, words: Any, letters: Any, vectors: NDArray[np.float32] | None) -> NDArray[np.float32]:
        mix = self._mix
        mixed = mix.words * (words @ self._words.known.T).toarray()
        mixed += mix.letters * (letters @ self._letters.known.T).toarray()
        if vectors is not None and self._vectors is not None:
            mixed += mix.sentences * (vectors @ self._vectors.T)
        return np.asarray(mixed**mix.degree, dtype=np.float32)

    @cached_property
    def _fitted(self) -> tuple[Array, Array]:
        """Weights of the known questions per label, and the score of a label that nothing speaks for."""
        from scipy.linalg import solve

        column = {label: i for i, label in enumerate(self.labels)}
        wanted = np.zeros((len(self._utterances), len(self.labels)))
        wanted[range(len(self._utterances)), [column[u.label] for u in self._utterances]] = 1.0
        counts = np.maximum(wanted.sum(0), 1.0)
        weight = wanted @ counts**-self._mix.balance
        weight /= weight.mean()
        offset = np.average(wanted, axis=0, weights=weight)
        alike = self._alike(self._words.known, self._letters.known, self._vectors)
        alike[np.diag_indices_from(alike)] += self._mix.ridge / weight
        # Powers of likenesses stay positive semidefinite (Schur), and the ridge makes them definite.
        fitted = solve(alike, (wanted - offset).astype(np.float32), assume_a="pos", overwrite_a=True)
        return np.asarray(fitted, dtype=np.float64), np.asarray(offset, dtype=np.float64)

    @cached_property
    def _rows_of(self) -> Mapping[str, NDArray[np.intp]]:
        named = np.array([utterance.label for utterance in self._utterances])
        return {label: np.flatnonzero(named == label) for label in self.labels}

    def rank(self, masked: str) -> list[Candidate]:
        """Labels from the best on, each with the known question that is most alike."""
        weights, offset = self._fitted
        spelt = self._spelt(masked)
        vectors = None if self._sentences is None else self._sentences([spoken(masked)])
        words = self._words.rows([self._words_of(spelt)])
        alike = self._alike(words, self._letters.rows([grams_of(spelt)]), vectors)[0]
        scores = alike @ weights + offset
        ranked = []
        for label, score in zip(self.labels, scores, strict=True):
            rows = self._rows_of[label]
            nearest_row = int(rows[np.argmax(alike[rows])])
            ranked.append(Candidate(label, float(score), self._utterances[nearest_row]))
        return sorted(ranked, key=lambda candidate: (-candidate.score, candidate.label))

    def foreign(self, masked: str, ignored: frozenset[str]) -> int:
        """How many of a question's words no known question in scope has, misspelt ones put right."""
        counted = [word for word in tokens(masked) if word not in ignored]
        return sum(self._spelt_word(word) not in self._inside for word in counted)


@lru_cache(maxsize=4)
def ranking_of(utterances: tuple[Utterance, ...], *, with_sentences: bool = True) -> Ranking:
    """The ranking by these questions, fitted once a process."""
    return Ranking(utterances, installed_sentences() if with_sentences else None)
