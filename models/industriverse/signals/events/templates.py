"""Log lines to template ids: the fixed-depth parse tree Drain of He, Zhu, Zheng & Lyu (ICWS 2017).

A line is routed by its number of words and its first words (words with digits count as wildcards); within
the leaf it joins the template with which it agrees in the largest share of words, if that share is at least
``similarity``; words that differ become ``<*>``. Ids never change once given, so they serve as symbols. The
share is set higher than in the paper, so that short commands that differ in their verb ("pump 1 started",
"pump 1 stopped") stay apart.

Memory is bounded: at most ``maximum_templates`` templates of at most ``maximum_words`` words. When full, a
line of no known template gets :data:`OVERFLOW`, which a sequence model then sees like any other symbol.
"""

from dataclasses import dataclass
from typing import Any, Final

from industriverse.signals.events.errors import TemplateError

__all__ = ["OVERFLOW", "WILDCARD", "TemplateMiner"]

WILDCARD: Final = "<*>"
OVERFLOW: Final = "template-other"
STATE_FORMAT: Final = "industriverse-templates"
STATE_VERSION: Final = 1


@dataclass
class _Template:
    identity: int
    words: list[str]
    count: int = 0


class TemplateMiner:
    """Learns templates line by line and names the template of a line.

    Args:
        depth: Leading words that route a line; more separates more.
        similarity: Share of equal words from which a line joins a template, in (0, 1].
        maximum_children: Different words a route step may hold before the rest share a wildcard step.
        maximum_templates: Templates kept at most.
        maximum_words: Words of a line that are read; the rest is ignored.

    Raises:
        TemplateError: If a setting is out of range.

    Example:
        >>> miner = TemplateMiner()
        >>> miner.learn("pump 3 started") == miner.learn("pump 7 started")
        True
    """

    def __init__(
        self,
        *,
        depth: int = 2,
        similarity: float = 0.7,
        maximum_children: int = 64,
        maximum_templates: int = 4096,
        maximum_words: int = 128,
    ) -> None:
        limits = (depth, maximum_children, maximum_templates, maximum_words)
        if min(limits) < 1 or not 0.0 < similarity <= 1.0:
            raise TemplateError(
                f"depth and limits are {limits}, similarity is {similarity}",
                hint="use positive limits and a similarity in (0, 1]",
            )
        self.depth = depth
        self.similarity = similarity
        self.maximum_children = maximum_children
        self.maximum_templates = maximum_templates
        self.maximum_words = maximum_words
        self._templates: list[_Template] = []
        self._leaves: dict[tuple[str, ...], list[_Template]] = {}
        self._children: dict[tuple[str, ...], set[str]] = {}

    def __len__(self) -> int:
        return len(self._templates)

    def learn(self, line: str) -> str:
        """Name the template of a line, making or widening one where needed."""
        words = self._words(line)
        route = self._route(words, grow=True)
        found = self._nearest(route, words)
        if found is None:
            if len(self._templates) >= self.maximum_templates:
                return OVERFLOW
            found = _Template(len(self._templates), words)
            self._templates.append(found)
            self._leaves.setdefault(route, []).append(found)
        found.count += 1
        found.words = [
            ours if ours == word else WILDCARD for ours, word in zip(found.words, words, strict=True)
        ]
        return _name(found)

    def match(self, line: str) -> str:
        """Name the template of a line without learning; :data:`OVERFLOW` if there is none."""
        words = self._words(line)
        found = self._nearest(self._route(words, grow=False), words)
        return OVERFLOW if found is None else _name(found)

    def text(self, template: str) -> str:
        """The words of a template, variables as ``<*>``.

        Raises:
            TemplateError: If there is no such template.
        """
        number = template.removeprefix("template-")
        if not number.isdecimal() or int(number) >= len(self._templates):
            raise TemplateError(f"there is no template {template[:40]!r}", hint="use an id that learn() gave")
        return " ".join(self._templates[int(number)].words)

    def _words(self, line: str) -> list[str]:
        words = line.split(maxsplit=self.maximum_words)[: self.maximum_words]
        return [WILDCARD if any(map(str.isdigit, word)) else word for word in words]

    def _route(self, words: list[str], *, grow: bool) -> tuple[str, ...]:
        route: tuple[str, ...] = (str(len(words)),)
        for word in words[: self.depth]:
            known = self._children.get(route, set())
            step = word
            if step not in known:
                if not grow or len(known) >= self.maximum_children:
                    step = WILDCARD
                else:
                    self._children.setdefault(route, set()).add(step)
            route = (*route, step)
        return route

    def _nearest(self, route: tuple[str, ...], words: list[str]) -> _Template | None:
        best, best_share = None, 0.0
        for template in self._leaves.get(route, ()):
            equal = sum(ours == word for ours, word in zip(template.words, words, strict=True))
            share = equal / len(words) if words else 1.0
            if share > best_share:
                best, best_share = template, share
        return best if best_share >= self.similarity else None

    def state(self) -> dict[str, Any]:
        """Everything learnt, as JSON-ready values."""
        return {
            "format": STATE_FORMAT,
            "version": STATE_VERSION,
            "settings": {
                "depth": self.depth,
                "similarity": self.similarity,
                "maximum_children": self.maximum_children,
                "maximum_templates": self.maximum_templates,
                "maximum_words": self.maximum_words,
            },
            "leaves": [
                {"route": list(route), "templates": [[t.identity, t.count, t.words] for t in members]}
                for route, members in self._leaves.items()
            ],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "TemplateMiner":
        """Rebuild a miner from :meth:`state`.

        Raises:
            TemplateError: If the state is of another format or damaged.
        """
        if state.get("format") != STATE_FORMAT or state.get("version") != STATE_VERSION:
            raise TemplateError("this is no template state of this version", hint="learn the templates again")
        try:
            miner = cls(**state["settings"])
            templates: dict[int, _Template] = {}
            for leaf in state["leaves"]:
                route = tuple(map(str, leaf["route"]))
                members = [
                    _Template(int(i), [str(w) for w in words], int(n)) for i, n, words in leaf["templates"]
                ]
                miner._leaves[route] = members
                templates.update({member.identity: member for member in members})
                for stop in range(1, len(route)):
                    miner._children.setdefault(route[:stop], set()).add(route[stop])
            miner._templates = [templates[i] for i in range(len(templates))]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TemplateError(f"the template state is damaged: {error}", hint="learn again") from error
        return miner


def _name(template: _Template) -> str:
    return f"template-{template.identity}"
