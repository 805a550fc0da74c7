"""The graph as a file of Cypher, and back: between engines, versions and machines.

The file is a script for ``cypher-shell``: every block sets ``$rows`` to a literal and runs the statements
that follow. Reading it back runs none of them: a block must consist of the statements that this version would
have written, its rows become records, checked like any other, and only those are written.
"""

import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from industriverse.atlas import cypher
from industriverse.atlas.archive import Segment
from industriverse.atlas.codec import decode, encode
from industriverse.atlas.cypher_tools import IMPORTS, INCIDENT_STATES, LIST_SEGMENTS, TRANSITIONS
from industriverse.atlas.engine import Row, Statement
from industriverse.atlas.errors import ExchangeError
from industriverse.atlas.graph import GraphAtlas, record_of, row_of
from industriverse.atlas.model import Incident, Kind, Transition, timestamp_of
from industriverse.storage import writing_whole

__all__ = ["Progress", "export_graph", "import_graph", "literal", "value_of"]

Progress = Callable[[str, int], None]

_HEADER = "// industriverse atlas export 2"
_ROWS = 500
_MAX_LINE = 64 * 1_024 * 1_024
_PARAMETER = re.compile(r":param rows => (\[.*\]);")
# A string is taken whole, so that nothing inside one is mistaken for a key.
_STRING_OR_KEY = re.compile(r'"(?:[^"\\]|\\.)*"|([A-Za-z_]\w*)(?=:)')
# Only the escapes that every engine knows. Neo4j may unfold \u before it looks at what stands in front of it,
# so that a backslash before a u takes the u along.
_ESCAPED = re.compile(r'\\u|[\x00-\x1f"\\\x7f-\x9f\u2028\u2029]')
_ESCAPES = {"\\u": r"\\\u0075", '"': r"\"", "\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
_ORDER = (
    Kind.SERVICE,
    Kind.ENTITY,
    Kind.TERM,
    Kind.MODEL,
    Kind.STATE,
    Kind.SHIFT,
    Kind.INCIDENT,
    Kind.ACTION,
    Kind.PROOF,
)
# The records that end by returning how many links they wrote, and how many that must be.
_EXPECTED: dict[str, Callable[[Row], int]] = {
    "Transition": lambda _: 1,
    "RegimeShift": lambda _: 1,
    "Incident": lambda row: len(row["states"]),
    "Action": lambda _: 1,
    "Proof": lambda row: len(row["states"]),
    "ArchiveSegment": lambda _: 1,
}


def export_graph(atlas: GraphAtlas, path: Path | str, *, progress: Progress | None = None) -> dict[str, int]:
    """Write the whole graph as Cypher; the file appears complete or not at all.

    What is written to the graph meanwhile may or may not be in the file.

    Args:
        atlas: The graph.
        path: The file; replaced if there is one. Only its owner may read it.
        progress: Told the kind of record and how many were written.

    Returns:
        How many records of each kind the file holds.

    Raises:
        ExchangeError: If the file cannot be written.
    """
    target = Path(path)
    try:
        with writing_whole(target, private=True) as file:
            text = io.TextIOWrapper(file, encoding="utf-8", newline="\n")
            totals = _write(atlas, text, progress or _silent)
            text.flush()
            text.detach()
    except OSError as error:
        raise ExchangeError(
            f"cannot write {target} ({error.strerror})",
            hint="name a file in a folder that exists and can be written",
        ) from error
    return totals


def import_graph(path: Path | str, atlas: GraphAtlas, *, progress: Progress | None = None) -> dict[str, int]:
    """Write an export into a graph; what is there already is written over, nothing is removed.

    Args:
        path: The file.
        atlas: The graph.
        progress: Told the kind of record and how many were read.

    Returns:
        How many records of each kind were read.

    Raises:
        ExchangeError: If the file is torn, changed or none of ours. Blocks before the fault are in the graph;
            importing the whole file later makes it complete.
        UnknownRecordError: If a record refers to one that is neither in the file before it nor in the graph.
    """
    totals: dict[str, int] = dict.fromkeys(IMPORTS, 0)
    tell = progress or _silent
    with Path(path).open(encoding="utf-8", newline="\n") as file:
        for name, rows in _blocks(file, totals):
            try:
                checked = [_checked(name, row) for row in rows]
            except (TypeError, KeyError, ValueError, AttributeError) as error:
                raise ExchangeError(f"a {name} does not fit: {error}", hint="export again") from error
            *before, last = IMPORTS[name]
            expected = sum(map(_EXPECTED[name], checked)) if name in _EXPECTED else None
            statements = [Statement(text, {"rows": checked}) for text in before]
            statements.append(Statement(last, {"rows": checked}, expected, f"what a {name} refers to"))
            atlas.engine.write(statements)
            totals[name] += len(rows)
            tell(name, totals[name])
    return totals


def literal(value: object) -> str:
    """A value as Cypher writes it: text, numbers, booleans, null, lists and maps of these.

    Raises:
        ExchangeError: If the value is none of these, or a number is not finite.
    """
    if isinstance(value, dict):
        if not all(isinstance(name, str) and name.isidentifier() and name.isascii() for name in value):
            raise ExchangeError(
                f"{list(value)!r:.80} are not all plain names", hint="use plain names as keys"
            )
        return "{" + ", ".join(f"{name}: {literal(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, str):
        return '"' + _ESCAPED.sub(_escape, value) + '"'
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    if isinstance(value, float) and value - value == 0:
        # Cypher's exponents carry no plus sign.
        return repr(value).replace("e+", "e")
    raise ExchangeError(f"{value!r:.80} has no place in an export", hint="give text and finite numbers")


def value_of(text: str) -> Any:
    """The value that :func:`literal` wrote.

    Raises:
        ExchangeError: If the text is anything else.
    """

    def quoted(match: re.Match[str]) -> str:
        return f'"{match[1]}"' if match[1] else match[0]

    try:
        return json.loads(_STRING_OR_KEY.sub(quoted, text), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ExchangeError(f"{text[:60]!r}… is no literal: {error}", hint="export again") from error


def _escape(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04x}"


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _silent(_: str, __: int) -> None:
    """No one asked to be told."""


def _write(atlas: GraphAtlas, file: IO[str], progress: Progress) -> dict[str, int]:
    totals: dict[str, int] = dict.fromkeys(IMPORTS, 0)

    def block(name: str, rows: Sequence[Row]) -> None:
        if rows:
            file.write(f":param rows => {literal(list(rows))};\n")
            file.writelines(f"{text};\n" for text in IMPORTS[name])
            totals[name] += len(rows)
            progress(name, totals[name])

    file.write(f"{_HEADER}\n")
    file.writelines(f"{text};\n" for text in cypher.SCHEMA)
    for kind in _ORDER:
        for rows in _pages(atlas, kind):
            block(kind.value, [_with_datetime(row) for row in rows])
        if kind is Kind.STATE:
            # Only now are both ends of every transition in the file.
            for states in _pages(atlas, kind):
                ids = [row["id"] for row in states]
                [links] = atlas.engine.read([Statement(TRANSITIONS, {"ids": ids})])
                for start in range(0, len(links), _ROWS):
                    block("Transition", links[start : start + _ROWS])
    [segments] = atlas.engine.read([Statement(LIST_SEGMENTS)])
    block("ArchiveSegment", segments)
    file.write(f"// end {json.dumps(totals)}\n")
    return totals


def _pages(atlas: GraphAtlas, kind: Kind) -> Iterator[list[Row]]:
    after: Row = {"after_ns": -1, "after_id": ""}
    text = cypher.find(kind, frozenset(), newest_first=False, after=True)
    while True:
        [rows] = atlas.engine.read([Statement(text, {**after, "limit": _ROWS})])
        if not rows:
            return
        after = {"after_ns": rows[-1].get("timestamp_ns", 0), "after_id": rows[-1]["id"]}
        if kind is Kind.INCIDENT:
            _add_states(atlas, rows)
        yield rows


def _add_states(atlas: GraphAtlas, incidents: list[Row]) -> None:
    by_id = {row["id"]: row for row in incidents}
    for row in incidents:
        row["states"] = []
    [links] = atlas.engine.read([Statement(INCIDENT_STATES, {"ids": list(by_id)})])
    for link in links:
        by_id[link["id"]]["states"].append(link["state"])


def _with_datetime(row: Row) -> Row:
    if "timestamp_ns" not in row:
        return row
    return {**row, "timestamp": timestamp_of(row["timestamp_ns"]).isoformat()}


def _blocks(file: IO[str], totals: dict[str, int]) -> Iterator[tuple[str, list[Row]]]:
    lines = _lines(file)
    if next(lines, "") != _HEADER:
        raise ExchangeError("the file is no export of the Atlas", hint="make one with `atlas export`")
    names = {texts: name for name, texts in IMPORTS.items()}
    known = {f"{text};" for text in cypher.SCHEMA}
    rows: list[Row] = []
    texts: tuple[str, ...] = ()
    ended = False
    for line in lines:
        if ended:
            raise ExchangeError("something follows the end of the export", hint="export again")
        if parameter := _PARAMETER.fullmatch(line):
            if rows:
                raise ExchangeError("the statements of a block are missing", hint="export again")
            rows, texts = value_of(parameter[1]), ()
        elif line.startswith("// end "):
            _compare(totals, value_of(line.removeprefix("// end ")), bool(rows))
            ended = True
        elif rows:
            texts = (*texts, line.removesuffix(";"))
            if texts in names:
                yield names[texts], rows
                rows = []
            elif not any(texts == known_texts[: len(texts)] for known_texts in names):
                raise ExchangeError(f"{line[:80]!r} is no statement of an export", hint="export again")
        elif line not in known:
            raise ExchangeError(f"{line[:80]!r} is no line of an export", hint="export again")
    if not ended:
        raise ExchangeError("the export is torn: its end is missing", hint="export again")


def _lines(file: IO[str]) -> Iterator[str]:
    try:
        while line := file.readline(_MAX_LINE):
            yield line.removesuffix("\n")
    except UnicodeDecodeError as error:
        raise ExchangeError("the file is not UTF-8", hint="export again") from error


def _compare(read: dict[str, int], promised: object, open_block: bool) -> None:
    if open_block or read != promised:
        raise ExchangeError(
            f"the export promises {promised} and holds {read}", hint="it was cut or changed; export again"
        )


def _checked(name: str, row: Row) -> Row:
    if name == "ArchiveSegment":
        return asdict(Segment(**row))
    if name == "Transition":
        transition = decode(name, row)
        assert isinstance(transition, Transition)
        return encode(transition)
    names = (*cypher.PROPERTIES[Kind(name)], *(["states"] if name == "Incident" else []))
    if missing := [one for one in names if one not in row]:
        raise ExchangeError(f"a {name} has no {missing[0]}", hint="export again")
    record = record_of(Kind(name), {one: row[one] for one in cypher.PROPERTIES[Kind(name)]})
    if isinstance(record, Incident):
        decode("Incident", encode(record))
        return _with_datetime({one: row[one] for one in names})
    if name in {"Service", "Entity", "Term"}:
        return encode(record)
    return row_of(record)  # type: ignore[arg-type]
