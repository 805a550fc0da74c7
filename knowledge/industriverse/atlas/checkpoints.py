"""Weights of models as objects, each version a node of the graph, old versions let go."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from industriverse.atlas.cypher_tools import HOLDERS
from industriverse.atlas.engine import Statement
from industriverse.atlas.errors import ObjectMissingError, SearchError, UnknownRecordError
from industriverse.atlas.graph import GraphAtlas
from industriverse.atlas.model import Kind, Model
from industriverse.atlas.objects import ObjectStore
from industriverse.atlas.search import MAX_LIMIT, Search

__all__ = ["Checkpoints"]

_DIGEST_SHOWN = 16


class Checkpoints:
    """Versions of models, newest first.

    Args:
        atlas: Where versions are nodes.
        objects: Where weights lie; bytes that nobody unpickles.
        clock: Nanoseconds since 1970.
    """

    def __init__(
        self, atlas: GraphAtlas, objects: ObjectStore, *, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._atlas, self._objects, self._clock = atlas, objects, clock

    def save(self, name: str, content: bytes, *, family: str, service: str = "") -> Model:
        """Store a version; one with the same weights is the same version.

        Args:
            name: What it is a version of.
            content: Its weights, such as safetensors.
            family: ``"predictor"``, ``"reference"``, …
            service: The stream that it was fitted to; empty if none.

        Raises:
            RecordError: If a name does not fit.
            AtlasError: If a store refuses.
        """
        key = self._objects.put_bytes(content)
        identifier = f"{name}@{key[:_DIGEST_SHOWN]}"
        known = self._atlas.record(Kind.MODEL, identifier)
        stored_ns = known.timestamp_ns if isinstance(known, Model) else self._clock()
        model = Model(identifier, stored_ns, name, family, service, key)
        self._atlas.record_model(model)
        return model

    def load(self, identifier: str) -> bytes:
        """The weights of a version, checked against their hash.

        Raises:
            UnknownRecordError: If there is no such version.
            ObjectMissingError: If its weights were let go or are lost.
            ObjectCorruptError: If they are damaged.
        """
        model = self._atlas.record(Kind.MODEL, identifier)
        if not isinstance(model, Model):
            raise UnknownRecordError(
                f"there is no model {identifier!r:.80}", hint="list them with versions()"
            )
        if not model.checkpoint:
            raise ObjectMissingError(f"the weights of {identifier} were let go", hint="load a newer version")
        return self._objects.get_bytes(model.checkpoint)

    def versions(self, name: str) -> tuple[Model, ...]:
        """Every version of a model, newest first, those without weights among them."""
        return tuple(one for one in self._all() if one.name == name)

    def _all(self) -> Iterator[Model]:
        cursor = ""
        while True:
            page = self._atlas.search(Search(kind=Kind.MODEL, limit=MAX_LIMIT, cursor=cursor))
            yield from (one for one in page.records if isinstance(one, Model))
            cursor = page.next_cursor
            if not cursor:
                return

    def keep_newest(self, name: str, versions: int) -> tuple[Model, ...]:
        """Let go of the weights of all but the newest versions; their nodes stay, as what was once in force.

        Returns:
            The versions whose weights were let go.

        Raises:
            SearchError: If no version would be left.
        """
        if versions < 1:
            raise SearchError(f"{versions} versions of {name!r:.80} to keep", hint="keep 1 or more")
        return self._let_go(self.versions(name), versions)

    def keep_newest_of_each(self, versions: int) -> tuple[Model, ...]:
        """The same for every model.

        Raises:
            SearchError: If no version would be left.
        """
        if versions < 1:
            raise SearchError(f"{versions} versions of each model to keep", hint="keep 1 or more")
        by_name: dict[str, list[Model]] = {}
        for one in self._all():
            by_name.setdefault(one.name, []).append(one)
        return tuple(old for found in by_name.values() for old in self._let_go(found, versions))

    def _let_go(self, found: Iterable[Model], versions: int) -> tuple[Model, ...]:
        held = [one for one in found if one.checkpoint]
        for old in held[versions:]:
            # The node first: what it no longer names may go, the other way round it would name nothing.
            self._atlas.record_model(replace(old, checkpoint=""))
            answers = self._atlas.engine.read([Statement(text, {"key": old.checkpoint}) for text in HOLDERS])
            if not any(rows[0]["total"] for rows in answers):
                self._objects.delete(old.checkpoint)
        return tuple(held[versions:])
