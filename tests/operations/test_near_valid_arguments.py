"""Arguments made from the schemas, valid and nearly so: nothing but errors on purpose may come back."""

import asyncio
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from industriverse.operations.platform import Platform
from industriverse.operations.registry import Operation, registry
from industriverse.operations.toolsets import load
from industriverse.physics import IndustriverseError
from prepared_plant import PLANT, Prepared, call, copied, opened

load()
# Making a plan takes seconds of hydraulics; its arguments are the same as those of shield_explain.
READ_ONLY = [declared for declared in registry if declared.read_only and declared.name != "shield_plan"]

ODD_TEXT = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "",
            " ",
            "\x00",
            "..",
            "../../etc/passwd",
            "%",
            "'; DROP TABLE stream; --",
            "a" * 5000,
            "\ud800",
            "∞",
            "NaN",
        ]
    ),
    st.sampled_from(
        ["2026-02-30T00:00:00Z", "0001-01-01", "9999-12-31T23:59:59+14:00", "2026-02-05T00:00:00Z"]
    ),
)
ODD_NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70), st.floats(), st.sampled_from([0, -1, 1e308, math.nan, math.inf, True])
)
ANYTHING = st.one_of(st.none(), ODD_TEXT, ODD_NUMBERS, st.lists(ODD_TEXT, max_size=2), st.just({}))


def by_schema(schema: dict[str, Any], known: list[str]) -> st.SearchStrategy[Any]:
    """Values that fit a JSON schema's type, with the names of things that exist among them."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of(*(by_schema(choice, known) for choice in schema["anyOf"]))
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "string": st.one_of(st.sampled_from(known), ODD_TEXT),
        "integer": st.integers(schema.get("minimum", -3), schema.get("maximum", 200)),
        "number": st.floats(schema.get("minimum", 0), schema.get("maximum", 60), allow_nan=False),
        "boolean": st.booleans(),
        "null": st.none(),
        "array": st.lists(st.one_of(st.sampled_from(known), ODD_TEXT), max_size=3),
    }
    return kinds.get(schema.get("type", ""), ANYTHING)


def arguments(declared: Operation, known: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Arguments of an operation, some fields wrong, some missing, some unknown."""
    fields = declared.input_model.model_json_schema().get("properties", {})
    values = {name: st.one_of(by_schema(schema, known), ANYTHING) for name, schema in fields.items()}
    fitting = st.fixed_dictionaries(
        {}, optional={name: by_schema(schema, known) for name, schema in fields.items()}
    )
    return st.one_of(fitting, st.fixed_dictionaries({}, optional={**values, "nonsense": ANYTHING}))


@pytest.fixture(scope="module")
def platform(story: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder: Path = copied(story.alarmed, tmp_path_factory.mktemp("fuzz") / "home")
    with opened(folder) as platform:
        yield platform


@pytest.mark.parametrize("declared", READ_ONLY, ids=lambda declared: declared.name)
def test_nothing_unexpected_comes_back(declared: Operation, platform: Platform, story: Prepared) -> None:
    known = [
        PLANT,
        story.incident_id,
        f"state-{story.incident_id}-disturbed",
        "tank-1",
        "treasury",
        "tank-1.level",
    ]

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(given_arguments=arguments(declared, known))
    def calls(given_arguments: dict[str, Any]) -> None:
        try:
            result = asyncio.run(call(platform, declared.name, **given_arguments))
        except IndustriverseError:
            return
        assert str(result)
        json.dumps(result.model_dump(mode="json"), allow_nan=False)

    calls()
