"""Which verb a question is about: BM25 over words and cosine over letter groups, against the declared examples.

Words carry the meaning, letter groups forgive spelling. Names, times and numbers are masked first, so that "is
boiler-7 calm" and "is water calm" are one question.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Hit", "Retriever", "words_of"]

_WORD = re.compile(r"[a-z][a-z\-']*|<[a-z]+>")
_K1, _B = 1.2, 0.6
SPELT_ALIKE = 0.6
# What BM25 cannot bridge: words that users take for those of the examples.
_SAME = {
    "intrusion": "threat", "attack": "threat", "attacks": "threat", "threats": "threat", "incidents": "incident",
    "hack": "threat", "hacked": "threat", "alerts": "ticket", "alert": "ticket", "tickets": "ticket",
    "alarms": "alarm", "ok": "calm", "okay": "calm", "fine": "calm", "normal": "calm", "healthy": "calm",
    "predict": "forecast", "prediction": "forecast", "predicted": "forecast", "expect": "forecast",
    "reason": "why", "cause": "why", "caused": "why", "temp": "temperature", "wallet": "balance",
    "tokens": "pft", "token": "pft", "runs": "run", "streams": "stream", "sensors": "sensor", "states": "state",
    "proofs": "proof", "certificates": "certificate", "cert": "certificate",
}  # fmt: skip
_IDLE_TEXT = """
a an the of to in on at is are was were be been do does did it its this that i me my we our you your us please can
could would will shall right now just so and or for from with by as any some there here what which who how has have
had much many pls tell kt above doing days hours minutes min hour minute
"""
_IDLE = frozenset(_IDLE_TEXT.split())


@dataclass(frozen=True, slots=True)
class Hit:
    """A verb with how well its best example fits; 1 is an example word for word."""

    verb: str
    score: float
    example: str


def words_of(text: str) -> list[str]:
    """Words of a question, lower case, plain plurals and synonyms folded, idle words left out."""
    found = []
    for word in _WORD.findall(text.lower()):
        plain = _SAME.get(word, word)
        if plain not in _IDLE:
            found.append(plain)
    return found


def _letters(text: str) -> Counter[str]:
    padded = f" {' '.join(words_of(text))} "
    return Counter(padded[i : i + 3] for i in range(max(len(padded) - 2, 0)))


class Retriever:
    """Ranks verbs by their nearest example.

    Args:
        examples: Pairs of a verb and a question that it answers, already masked.
    """

    def __init__(self, examples: Iterable[tuple[str, str]]) -> None:
        self._examples = [(verb, text) for verb, text in examples if words_of(text)]
        self._bags = [Counter(words_of(text)) for _, text in self._examples]
        self._groups = [_letters(text) for _, text in self._examples]
        self._norms = [math.sqrt(sum(n * n for n in group.values())) for group in self._groups]
        documents = len(self._bags)
        seen = Counter(word for bag in self._bags for word in bag)
        self._idf = {word: math.log(1 + (documents - n + 0.5) / (n + 0.5)) for word, n in seen.items()}
        self._unknown_idf = math.log(1 + documents / 0.5)
        self._mean = sum(sum(bag.values()) for bag in self._bags) / max(documents, 1)

    def foreign_share(self, question: str) -> float:
        """Share of the question's words, weighed by rarity, that no example knows and none is spelt like."""
        asked = words_of(question)
        weights = [self._idf.get(word, self._unknown_idf) for word in asked]
        foreign = sum(
            weight for word, weight in zip(asked, weights, strict=True) if not self._is_familiar(word)
        )
        return foreign / sum(weights) if asked else 0.0

    def _is_familiar(self, word: str) -> bool:
        if word in self._idf or word.removesuffix("s") in self._idf or word.startswith("<"):
            return True
        return any(_alike(word, known) for known in self._idf)

    def rank(self, question: str) -> list[Hit]:
        """Verbs, best first; none for a question without words."""
        asked = words_of(question)
        if not asked:
            return []
        bag, group = Counter(asked), _letters(question)
        norm = math.sqrt(sum(n * n for n in group.values()))
        best: dict[str, Hit] = {}
        for k, (verb, text) in enumerate(self._examples):
            score = 0.6 * self._words(bag, k) + 0.4 * self._spelling(group, norm, k)
            if verb not in best or score > best[verb].score:
                best[verb] = Hit(verb, score, text)
        return sorted(best.values(), key=lambda hit: (-hit.score, hit.verb))

    def _words(self, asked: Counter[str], k: int) -> float:
        """BM25 of the question against an example, over that of the question against itself."""
        length = sum(self._bags[k].values())
        gained = self._bm25(asked, self._bags[k], length)
        most = self._bm25(asked, asked, sum(asked.values()))
        back = self._bm25(self._bags[k], asked, sum(asked.values()))
        whole = self._bm25(self._bags[k], self._bags[k], length)
        # Both ways: an example of one word must not swallow every question that holds it.
        return math.sqrt(max(gained / most, 0.0) * max(back / whole, 0.0)) if most > 0 and whole > 0 else 0.0

    def _bm25(self, query: Counter[str], document: Counter[str], length: int) -> float:
        total = 0.0
        for word, times in query.items():
            found = document.get(word, 0)
            if found:
                weight = found * (_K1 + 1) / (found + _K1 * (1 - _B + _B * length / self._mean))
                total += times * self._idf.get(word, self._unknown_idf) * weight
        return total

    def _spelling(self, group: Counter[str], norm: float, k: int) -> float:
        other = self._groups[k]
        shared = sum(n * other[key] for key, n in group.items() if key in other)
        return shared / (norm * self._norms[k]) if norm and self._norms[k] else 0.0


def _alike(word: str, known: str) -> bool:
    """Whether two words differ by no more than a slip: most of their letter pairs are shared."""
    if abs(len(word) - len(known)) > 2 or min(len(word), len(known)) < 4:
        return False
    pairs, others = _pairs(word), _pairs(known)
    return 2 * sum((pairs & others).values()) >= SPELT_ALIKE * (sum(pairs.values()) + sum(others.values()))


def _pairs(word: str) -> Counter[str]:
    padded = f" {word} "
    return Counter(padded[i : i + 2] for i in range(len(padded) - 1))
