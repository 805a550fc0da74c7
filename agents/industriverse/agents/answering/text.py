"""Words of a question: folded, reduced to stems, and joined with those that mean the same here."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

__all__ = ["FUNCTION_WORDS", "RELATED_WORDS", "fold", "nearest", "stem", "stems", "tokens", "ungreeted"]

_TOKEN = re.compile(r"[A-Z]{3,}|[a-z0-9]+(?:'[a-z]+)?")
_SUFFIXES = ("ings", "ing", "edly", "ed", "ies", "es", "s", "ly")
_SHORTEST_STEM = 3

FUNCTION_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "or",
        "the",
        "of",
        "on",
        "in",
        "at",
        "to",
        "for",
        "from",
        "by",
        "with",
        "about",
        "as",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "am",
        "do",
        "does",
        "did",
        "done",
        "has",
        "have",
        "had",
        "can",
        "could",
        "would",
        "will",
        "shall",
        "may",
        "might",
        "i",
        "me",
        "my",
        "we",
        "us",
        "our",
        "you",
        "your",
        "it",
        "its",
        "he",
        "she",
        "they",
        "them",
        "their",
        "this",
        "that",
        "these",
        "another",
        "further",
        "those",
        "there",
        "here",
        "then",
        "now",
        "please",
        "just",
        "so",
        "too",
        "also",
        "again",
        "same",
        "instead",
        "one",
        "ones",
        "what",
        "which",
        "how",
        "whats",
        "hows",
        "and's",
        "tell",
        "show",
        "give",
        "let",
        "say",
        "ok",
        "okay",
        "hey",
        "hi",
        "still",
        "yet",
        "any",
        "some",
        "more",
    ]
)
"""Words that alone ask nothing: a question of these goes on with the one before."""

_MEANS = {
    "alarm": "alert warning alerts warnings alarming",
    "attack": "hack hacked hacker intrusion intruder breach compromised assault attacker attacked cyberattack",
    "incident": "incidents case cases event events ticket tickets trouble issue issues problem problems threat threats",
    "forecast": "predict prediction predictions predicted prognosis outlook projection projected forecasted",
    "calm": "normal fine okay healthy stable quiet nominal",
    "disturb": "abnormal anomalous anomaly unusual upset unstable weird odd strange",
    "recommend": "advise advice suggest suggestion recommendation advised",
    "cause": "caused causes reason reasons culprit responsible blame",
    "explain": "explanation elaborate clarify",
    "stream": "streams feed feeds telemetry",
    "plan": "plans mitigation countermeasures countermeasure remediation playbook",
    "token": "tokens coin coins",
    "list": "enumerate",
    "history": "past previously historic historical",
    "open": "active ongoing unresolved current",
    "run": "runs running",
    "audit": "auditing journal",
    "refused": "denied rejected forbidden",
    "energy": "energies energetic",
    "latest": "newest recent last",
    "asset": "assets device devices equipment component components machine machines",
    "certificate": "certificates cert certs",
    "record": "records recorded entry entries",
    "who": "whom whose",
    "temperature": "temp temps",
}
_CANON = {word: root for root, words in _MEANS.items() for word in words.split()}

RELATED_WORDS = frozenset(_CANON)
"""Words that are understood as others, so that no example need have them."""


_SHORT = {
    "tmrw": "tomorrow",
    "tmr": "tomorrow",
    "tomorow": "tomorrow",
    "yday": "yesterday",
    "fcst": "forecast",
    "tk": "tank",
    "jct": "junction",
    "prob": "probability",
    "u": "you",
    "ur": "your",
    "rn": "right now",
    "ack": "acknowledge",
}
_ABBREVIATED = re.compile(r"(?<![\w.-])(?:" + "|".join(_SHORT) + r")(?![\w.-])")


def fold(text: str) -> str:
    """Lower case, plain quotes and spaces, chat abbreviations written out; control and look-alike signs are gone."""
    plain = unicodedata.normalize("NFKC", text).translate(
        {0x2019: "'", 0x2018: "'", 0x2013: "-", 0x2212: "-"}
    )
    kept = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in plain)
    return _ABBREVIATED.sub(lambda match: _SHORT[match[0]], " ".join(kept.casefold().split()))


_GREETING = re.compile(
    r"^(?:(?:hi|hello|hey|yo|hmm+|um+|well|good (?:morning|evening|afternoon|day)|morning(?=[!,.])|sorry|me again|"
    r"excuse me|quick question|thanks|thank you)(?: there| again| all| everybody)?[,.!:; ]+)+(?=\w+\W+\w)"
)


def ungreeted(folded: str) -> str:
    """A folded text without the greeting that it begins with, if a question follows."""
    return _GREETING.sub("", folded)


def tokens(masked: str) -> list[str]:
    """Words of a folded text; upper-case words are masks for what was recognised."""
    return _TOKEN.findall(masked)


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """The stem of one word, or of the word that stands for its meaning."""
    if word.isupper():
        return word
    word = _CANON.get(word, word).removesuffix("'s")
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _SHORTEST_STEM:
            return word.removesuffix(suffix) + ("y" if suffix == "ies" else "")
    return word


def stems(masked: str) -> list[str]:
    """Stems of the words, in order, each replaced by the word that stands for its meaning."""
    return [stem(word) for word in tokens(masked)]


def _distance(a: str, b: str, limit: int) -> int:
    """Edits between two words (insert, delete, replace, swap neighbours), or more than the limit."""
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    before: list[int] = []
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        row = [i]
        for j, y in enumerate(b, start=1):
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, previous = previous, row
    return previous[-1]


def nearest(word: str, vocabulary: Iterable[str]) -> str | None:
    """The known word that this one misspells, None if none is near or the word is too short to tell.

    One edit is forgiven from four letters on, two from eight, and the first letter must be right, which it is
    in most misspelt words (Yannakoudakis & Fawthrop, Information Processing & Management 19, 1983).
    """
    if len(word) < 4 or not word.isalpha() or word.isupper():
        return None
    limit = 2 if len(word) >= 8 else 1
    best, least = None, limit + 1
    for known in vocabulary:
        if known[:1] != word[:1] or len(known) < 4 or abs(len(known) - len(word)) > 1:
            continue
        distance = _distance(word, known, limit)
        if distance < least:
            best, least = known, distance
    return best
