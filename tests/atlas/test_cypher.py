"""The query texts keep to what both engines accept."""

import re

from industriverse.atlas import Kind
from industriverse.atlas.cypher import FILTERS, NEO4J_ONLY, SCHEMA, all_texts

AVOIDED = re.compile(
    r"SHORTEST |percentileCont|COLLECT\s*\{|IN TRANSACTIONS|datetime\(\{|properties\(|LOAD|CALL",
    re.IGNORECASE,
)


def test_texts_avoid_what_one_of_the_engines_lacks() -> None:
    shared = set(all_texts()) - set(NEO4J_ONLY)
    assert [text for text in shared if AVOIDED.search(text)] == []


def test_values_are_parameters_so_that_no_text_holds_a_literal_but_the_empty_one() -> None:
    shared = set(all_texts()) - set(NEO4J_ONLY)
    literals = {literal for text in shared for literal in re.findall(r"'[^']*'|\"[^\"]*\"", text)}
    assert literals <= {"''"}


def test_no_index_covers_two_properties() -> None:
    assert not [text for text in SCHEMA if re.search(r"ON \([^)]*,", text)]


def test_every_combination_of_filters_is_listed_for_the_gate() -> None:
    searches = [text for text in all_texts() if "LIMIT $limit MATCH (m:" in text]
    assert len(searches) == sum(4 * 2 ** len(FILTERS[kind]) for kind in Kind)
