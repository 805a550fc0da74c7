"""Values that fit a JSON schema, for the part of the language that the operations' inputs use."""

from typing import Any

from hypothesis import strategies as st

__all__ = ["fitting"]

LARGEST = 1e12


def fitting(schema: dict[str, Any], root: dict[str, Any] | None = None) -> st.SearchStrategy[Any]:
    """Values that fit.

    Args:
        schema: A schema, or a part of one.
        root: The whole that ``$ref`` points into; the schema itself if not given.

    Raises:
        ValueError: If the schema uses something that is not known here.
    """
    whole = schema if root is None else root
    if "$ref" in schema:
        return fitting(whole["$defs"][schema["$ref"].rsplit("/", 1)[1]], whole)
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return st.one_of(*(fitting(part, whole) for part in schema[choice]))
    if "allOf" in schema:
        return fitting(schema["allOf"][0], whole)
    makers = {
        "null": _null,
        "boolean": _boolean,
        "integer": _integer,
        "number": _number,
        "string": _string,
        "array": _array,
        "object": _object,
    }
    kind = schema.get("type")
    if kind is None:
        return st.one_of(st.none(), st.text(max_size=5), st.integers(-5, 5))
    if kind not in makers:
        raise ValueError(f"schema type {kind!r} is not known")
    return makers[kind](schema, whole)


def _null(schema: dict[str, Any], whole: dict[str, Any]) -> st.SearchStrategy[Any]:
    return st.none()


def _boolean(schema: dict[str, Any], whole: dict[str, Any]) -> st.SearchStrategy[Any]:
    return st.booleans()


def _integer(schema: dict[str, Any], whole: dict[str, Any]) -> st.SearchStrategy[Any]:
    low = schema.get("minimum", schema.get("exclusiveMinimum", -(10**6) - 1) + 1)
    high = schema.get("maximum", schema.get("exclusiveMaximum", 10**6 + 1) - 1)
    return st.integers(int(low), int(high))


def _number(schema: dict[str, Any], whole: dict[str, Any]) -> st.SearchStrategy[Any]:
    return st.floats(
        float(schema.get("minimum", schema.get("exclusiveMinimum", -LARGEST))),
        float(schema.get("maximum", schema.get("exclusiveMaximum", LARGEST))),
        exclude_min="exclusiveMinimum" in schema,
        exclude_max="exclusiveMaximum" in schema,
        allow_nan=False,
        allow_infinity=False,
    )


def _string(schema: dict[str, Any], whole: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    least = schema.get("minLength", 0)
    return st.text(min_size=least, max_size=min(max(20, least), schema.get("maxLength", 20)))


def _array(schema: dict[str, Any], whole: dict[str, Any]) -> st.SearchStrategy[Any]:
    least = schema.get("minItems", 0)
    items = [fitting(part, whole) for part in schema.get("prefixItems", ())]
    if items:
        return st.tuples(*items).map(list)
    return st.lists(
        fitting(schema.get("items", {}), whole),
        min_size=least,
        max_size=min(max(3, least), schema.get("maxItems", 3)),
    )


def _object(schema: dict[str, Any], whole: dict[str, Any]) -> st.SearchStrategy[Any]:
    fields = {name: fitting(part, whole) for name, part in schema.get("properties", {}).items()}
    required = {name: fields[name] for name in schema.get("required", ())}
    optional = {name: values for name, values in fields.items() if name not in required}
    return st.fixed_dictionaries(required, optional=optional)
