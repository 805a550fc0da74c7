"""The documentation as short passages that can be quoted."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from industriverse.agents.answering.index import Index, Utterance
from industriverse.agents.answering.text import FUNCTION_WORDS, fold, stem, tokens

__all__ = ["Page", "Pages", "documentation"]

LONGEST_PASSAGE = 700
LEAST_SCORE = 0.3
_ABBREVIATION = re.compile(r"\b[A-Z]{3,6}\b")
_ASKING = frozenset(
    [
        "what",
        "whats",
        "does",
        "mean",
        "meaning",
        "explain",
        "define",
        "definition",
        "stand",
        "stands",
        "difference",
        "between",
    ]
)


@dataclass(frozen=True, slots=True)
class Page:
    """A passage of a page, as it is written there."""

    page: str
    heading: str
    text: str

    @property
    def link(self) -> str:
        """Where it stands."""
        anchor = re.sub(r"[^\w\- ]", "", self.heading.casefold()).strip().replace(" ", "-")
        return f"docs://{self.page}{'#' + anchor if anchor else ''}"


def _folder() -> Iterator[tuple[str, str]]:
    """Names and texts of the pages: those of the installed package, or of the source tree."""
    packaged = resources.files("industriverse.agents").joinpath("pages")
    if packaged.is_dir():
        for entry in packaged.iterdir():
            if entry.name.endswith(".md"):
                yield entry.name.removesuffix(".md").casefold(), entry.read_text(encoding="utf-8")
        return
    root = Path(__file__).parents[4]
    for path in sorted([*root.glob("docs/*.md"), *root.glob("README.md")]):
        yield path.stem.casefold(), path.read_text(encoding="utf-8")


@cache
def documentation() -> dict[str, str]:
    """The pages of the documentation, Markdown by name."""
    return dict(_folder())


def _is_prose(line: str) -> bool:
    """Whether a row of a table says something; a row of figures says nothing without its header."""
    return sum(c.isalpha() for c in line) > 3 * sum(c.isdigit() for c in line)


def _row(line: str) -> str:
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    return ": ".join((cells[0], "; ".join(cell for cell in cells[1:] if cell)))


def _passages(page: str, text: str) -> Iterator[Page]:
    heading, fenced = "", False
    block: list[str] = []

    def ready() -> Iterator[Page]:
        joined = "\n".join(block).strip()
        if not joined:
            return
        if joined.startswith("|"):
            rows = [line for line in joined.splitlines()[2:] if line.count("|") > 2 and _is_prose(line)]
            yield from (Page(page, heading, _row(line)) for line in rows)
        else:
            yield Page(
                page, heading, joined[:LONGEST_PASSAGE] + ("…" if len(joined) > LONGEST_PASSAGE else "")
            )

    for line in text.splitlines():
        fenced ^= line.startswith("```")
        if not fenced and (line.startswith("#") or not line.strip()):
            yield from ready()
            block = []
            heading = line.lstrip("# ").strip() if line.startswith("#") else heading
        elif not line.startswith("```"):
            block.append(line)
    yield from ready()


class Pages:
    """Finds the passage that a question is about."""

    def __init__(self) -> None:
        self.passages = tuple(
            passage
            for name, text in _folder()
            if name != "reference-tools"
            for passage in _passages(name, text)
        )
        self._abbreviations = {
            found for passage in self.passages for found in _ABBREVIATION.findall(passage.text)
        }
        self._index = Index(
            [Utterance(str(i), f"{fold(p.heading)} {fold(p.text)}", i) for i, p in enumerate(self.passages)]
        )

    def explains(self, word: str) -> bool:
        """Whether an abbreviation, in capitals, stands in the documentation."""
        return word.upper() in self._abbreviations

    def strangers(self, folded: str) -> list[str]:
        """Words of a question that stand on no page, misspelt or not."""
        asked = [word for word in tokens(folded) if word not in FUNCTION_WORDS | _ASKING]
        return [word for word in asked if not self._index.knows(word)]

    def find(self, folded: str) -> Page | None:
        """The passage nearest to a question, an abbreviation's own entry before all; None if none is near."""
        content = [stem(word) for word in tokens(folded) if word not in FUNCTION_WORDS | _ASKING]
        if not content or not self.passages:
            return None
        if len(content) == 1 and self.explains(content[0]):
            entry = re.compile(rf"{re.escape(content[0])}[,:] ", re.IGNORECASE)
            for passage in self.passages:
                if entry.match(passage.text):
                    return passage
        best = self._index.rank(" ".join(content))[0]
        return self.passages[int(best.label)] if best.score >= LEAST_SCORE else None
