"""Every word that records use can be looked up."""

from pathlib import Path
from typing import Any

import pytest

from industriverse.atlas import Kind, Model, ObjectMissingError
from industriverse.eil.quarantine import ShiftState
from industriverse.eil.reference import Reference
from industriverse.operations.platform import Platform
from industriverse.operations.timeline import COLUMNS, DISTURBED, RECOVERED, REFERENCE
from industriverse.operations.vocabulary import vocabulary
from industriverse.shield.attack_techniques import TECHNIQUES
from industriverse.shield.isomorphism.canonical import CANONICAL_SYSTEMS
from prepared_plant import call, on
from wandering_telemetry import wandering


def test_quantities_regimes_shifts_techniques_and_systems_are_all_words() -> None:
    words = {term.id: term for term in vocabulary()}
    assert len(words) == len(vocabulary())
    used = {*COLUMNS, REFERENCE, DISTURBED, RECOVERED, *map(str, ShiftState), *TECHNIQUES, *CANONICAL_SYSTEMS}
    assert used <= set(words)
    assert all(term.definition for term in words.values())
    # A narrower word comes after the broader one that it names.
    order = list(words)
    assert all(order.index(one) < order.index(term.id) for term in words.values() for one in term.broader)


def test_a_learned_stream_leaves_its_words_and_its_reference_and_old_references_lose_their_weights(
    tmp_path: Path,
) -> None:
    async def tale(platform: Platform) -> None:
        services = platform.services
        services.streams.ingest("s", wandering(1_500))
        for budget in (1.0, 2.0):
            await call(platform, "signal_compile", stream="s", budget_per_day=budget)
        found = await call(platform, "atlas_search", kind="Term", text="spoof")
        assert [item.id for item in found.items] == ["T0856"]
        around = services.atlas.neighbourhood("T0856", kind=Kind.TERM, depth=2)
        assert "technique" in {node.id for node in around.nodes}
        assert services.atlas.counts().nodes[Kind.TERM] == len(vocabulary())
        checkpoints = services.memory.checkpoints
        newest, oldest = checkpoints.versions("reference of s")
        path = tmp_path / "reference.npz"
        path.write_bytes(checkpoints.load(newest.id))
        assert Reference.load(path).digest == newest.id == services.streams.watched("s").reference.digest
        assert [one.id for one in checkpoints.keep_newest_of_each(1)] == [oldest.id]
        held: Any = services.atlas.record(Kind.MODEL, oldest.id)
        assert isinstance(held, Model)
        assert held.checkpoint == ""
        with pytest.raises(ObjectMissingError, match="were let go"):
            checkpoints.load(oldest.id)

    on(tmp_path / "home", tale)
