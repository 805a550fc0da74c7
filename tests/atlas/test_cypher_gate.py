"""Neo4j's own front end accepts every query text.

It comes from npm. A copy is looked for under ``INDUSTRIVERSE_CYPHER_GATE`` (a folder with ``node_modules``)
and in a cache of the user, where it is installed if npm can have it. A text that has passed once is not
parsed again.
"""

import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import platformdirs
import pytest

from industriverse.atlas import Kind, cypher, cypher_tools
from industriverse.atlas.exchange import literal
from industriverse.atlas.roles import role_statements

PACKAGE = "@neo4j-cypher/language-support"
VERSION = "2.0.0-next.38"
SCRIPT = Path(__file__).with_name("cypher_gate.cjs")


@pytest.fixture(scope="module")
def modules() -> Path:
    if shutil.which("node") is None:
        pytest.skip("the query texts are not parsed by Neo4j's front end: Node is not installed")
    named = os.environ.get("INDUSTRIVERSE_CYPHER_GATE")
    folder = Path(named) if named else platformdirs.user_cache_path("industriverse-tests") / "cypher-gate"
    if not (folder / "node_modules" / PACKAGE).is_dir():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("the query texts are not parsed by Neo4j's front end: npm is not installed")
        folder.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", f"{PACKAGE}@{VERSION}"]
        try:
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            pytest.skip(f"the query texts are not parsed by Neo4j's front end: npm cannot have {PACKAGE}")
    return folder / "node_modules"


def errors_in(texts: list[str], modules: Path) -> list[list[str]]:
    run = subprocess.run(
        ["node", str(SCRIPT)],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        env={**os.environ, "NODE_PATH": str(modules)},
        check=True,
    )
    answers: list[list[str]] = json.loads(run.stdout)
    assert len(answers) == len(texts)
    return answers


def test_the_gate_refuses_what_neo4j_refuses(modules: Path) -> None:
    wrong = ["MATCH (n RETURN n", "MATCH (n) RETURN m", "MATCH (n) SET n.a = RETURN n"]
    assert all(errors_in(wrong, modules))


def test_neo4j_accepts_every_kind_of_text(modules: Path, request: pytest.FixtureRequest) -> None:
    nasty = literal([{"id": "a'\"`\\u0041\n\x00\x08\u2028😀", "n": [-1, 1e300, -1e-9, None, True]}])
    texts = [text for text in cypher.all_texts() if text not in combinations()]
    shapes = {shape(text): text for text in reversed([*texts, *cypher_tools.all_texts()])}
    names = f"MATCH {', '.join(f'(:{kind})' for kind in Kind)} RETURN 1 AS one"
    assert_accepted(
        [
            *role_statements("atlas.1"),
            *shapes.values(),
            *map(cypher.fetch, Kind),
            names,
            f"UNWIND {nasty} AS row RETURN row",
        ],
        modules,
        request,
    )


def test_texts_of_one_shape_differ_in_names_alone() -> None:
    assert shape(cypher.fetch(Kind.PROOF)) == shape(cypher.fetch(Kind.MODEL))
    assert shape(cypher.count_nodes(Kind.PROOF)) != shape(cypher.fetch(Kind.PROOF))
    assert shape("MATCH (n:Model) WHERE n.a = $a RETURN n.a AS a") == shape(
        "MATCH (n:Proof) WHERE n.b = $b RETURN n.b AS b"
    )
    assert shape("MATCH (n:A) RETURN m") != shape("MATCH (n:A) RETURN n")


@pytest.mark.slow
def test_neo4j_accepts_every_combination_of_filters(modules: Path, request: pytest.FixtureRequest) -> None:
    if "INDUSTRIVERSE_CYPHER_GATE_ALL" not in os.environ:
        pytest.skip("500 searches that differ in which filters they join: set INDUSTRIVERSE_CYPHER_GATE_ALL")
    assert_accepted(sorted(combinations()), modules, request)


def assert_accepted(texts: list[str], modules: Path, request: pytest.FixtureRequest) -> None:
    cache: pytest.Cache | None = getattr(request.config, "cache", None)  # pytest may run without one
    place = f"atlas/cypher-{VERSION}"
    passed = set(cache.get(place, [])) if cache else set()
    new = [text for text in texts if digest(text) not in passed]
    failed = {text: errors for text, errors in zip(new, errors_in(new, modules), strict=True) if errors}
    passed |= {digest(text) for text in new if text not in failed}
    if cache:
        cache.set(place, sorted(passed))
    assert failed == {}


def shape(text: str) -> str:
    """A text without the names of labels, properties and parameters: what a parser makes its tree of.

    Each name is parsed in the text that fetches a node of its kind; a list of like items is one item.
    """
    for kind in Kind:
        text = text.replace(cypher.projection(kind, "m"), "…m").replace(cypher.projection(kind), "…n")
    text = re.sub(rf"\b({'|'.join(Kind)})\b", "Label", text)
    text = re.sub(rf"\[r:({'|'.join(cypher.RELATIONS)})\]", "[r:RELATION]", text)
    text = re.sub(r"(CONSTRAINT|INDEX) \w+ IF", r"\1 named IF", text)
    text = re.sub(r"\$\w+", "$p", text)
    text = re.sub(r"(\b[a-z]+)\.(\w+) AS \2\b", r"\1.p AS p", text)
    text = re.sub(r"(\b[a-z]+\.)\w+", r"\1p", text)
    return re.sub(r"(, | AND | OR )(.{3,60}?)(?:\1\2)+(?=[ ,)]|$)", r"\1\2", text)


def combinations() -> set[str]:
    """Searches with several filters but not all: they join clauses that the other searches hold one by one."""
    ways = [(newest, after) for newest in (True, False) for after in (True, False)]
    joined: set[str] = set()
    plain: set[str] = set()
    for kind in Kind:
        names = frozenset(cypher.FILTERS[kind])
        for size in range(len(names) + 1):
            for chosen in map(frozenset, itertools.combinations(sorted(names), size)):
                texts = {cypher.find(kind, chosen, newest_first=one, after=two) for one, two in ways}
                joined.update(texts)
                if size in {0, 1, len(names)}:
                    # One direction stands for the other here; both are parsed without filters and with all.
                    few = ways[:1] if size == 1 and size < len(names) else ways
                    plain.update(cypher.find(kind, chosen, newest_first=one, after=two) for one, two in few)
                    plain.add(cypher.total(kind, chosen))
                else:
                    joined.add(cypher.total(kind, chosen))
    return joined - plain


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def test_every_text_of_the_package_is_listed_for_the_gate() -> None:
    listed = {*cypher.all_texts(), *cypher_tools.all_texts()}
    folder = Path(cypher.__file__).parent
    clause = re.compile(r"\"[^\"]*\b(MATCH|MERGE|UNWIND|CREATE) ?[(\[{$]")
    elsewhere = {
        path.name
        for path in folder.glob("*.py")
        if path.name not in {"cypher.py", "cypher_tools.py", "roles.py"} and clause.search(path.read_text())
    }
    assert elsewhere == set()
    for module in (cypher, cypher_tools):
        named = [value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)]
        assert {text for text in named if re.match(r"MATCH|MERGE|UNWIND|CREATE", text)} <= listed
