"""Fields and weights among the objects."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from atlas.atlas_records import state
from atlas.servers import Weed
from industriverse.atlas import (
    AtlasStore,
    Kind,
    ObjectCorruptError,
    ObjectMissingError,
    RecordError,
    SearchError,
    UnknownRecordError,
)
from industriverse.atlas.checking import check
from industriverse.atlas.checkpoints import Checkpoints
from industriverse.atlas.embedded import open_atlas
from industriverse.atlas.fields import SHARD_STEPS, manifest_of, open_field, put_field
from industriverse.atlas.graph import GraphAtlas
from industriverse.atlas.objects import ObjectStore
from industriverse.atlas.s3 import S3ObjectStore

pytest.importorskip("zarr")

LATER = datetime.now(UTC) + timedelta(days=1)
FIELD = np.random.default_rng(3).normal(size=(SHARD_STEPS * 2 + 130, 6, 5)).astype(np.float32)


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "folder":
        return ObjectStore(tmp_path / "objects")
    weed: Weed = request.getfixturevalue("weed")
    return S3ObjectStore(weed.settings(prefix=secrets.token_hex(8)))


def blocks(size: int) -> Iterator[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    for start in range(0, len(FIELD), size):
        yield FIELD[start : start + size]


def test_a_field_comes_back_in_any_range_and_its_key_does_not_depend_on_the_blocks(
    store: ObjectStore,
) -> None:
    key = put_field(store, blocks(77), attributes={"unit": "K"})
    assert put_field(store, blocks(1_999), attributes={"unit": "K"}) == key
    field = open_field(store, key)
    assert (field.shape, field.dtype, field.attrs["unit"]) == (FIELD.shape, FIELD.dtype, "K")
    for part in (slice(None), slice(95, 205), slice(1_990, 2_010), slice(4_100, None), slice(0, 1)):
        np.testing.assert_array_equal(field[part], FIELD[part])
    manifest = manifest_of(store, key)
    assert manifest is not None
    # Three shards and the description.
    assert len(manifest.files) == 4
    with pytest.raises(Exception, match=r"read.only|cannot be written"):
        field[0] = 1.0


def test_a_range_reads_few_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ObjectStore(tmp_path)
    field = open_field(store, put_field(store, blocks(2_000)))
    read: list[int] = []
    get_range = store.get_range

    def counted(key: str, start: int, length: int) -> bytes:
        read.append(length)
        return get_range(key, start, length)

    monkeypatch.setattr(store, "get_range", counted)
    monkeypatch.setattr(store, "get_bytes", None)
    np.testing.assert_array_equal(field[300:400], FIELD[300:400])
    assert sum(read) < 2 * FIELD[300:400].nbytes


def test_what_is_no_field_is_refused(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    with pytest.raises(ObjectCorruptError, match="is no field"):
        open_field(store, store.put_bytes(b"plain"))
    with pytest.raises(ObjectCorruptError, match="is damaged"):
        open_field(store, store.put_bytes(b'{"industriverse.field": 1, "files": [1]}'))
    with pytest.raises(ObjectMissingError):
        open_field(store, "ab" * 32)
    with pytest.raises(RecordError, match="no step"):
        put_field(store, [])
    with pytest.raises(RecordError, match="does not fit"):
        put_field(store, [FIELD[:3], FIELD[:3, :2]])


def test_the_shards_of_a_field_that_a_state_refers_to_are_no_orphans_and_are_missed(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path / "objects")
    key = put_field(store, blocks(2_000))
    with open_atlas(tmp_path / "atlas") as atlas:
        atlas.upsert_states([replace(state(0), evidence=key)])
        assert check(atlas, store, now=LATER).findings == ()
        manifest = manifest_of(store, key)
        assert manifest is not None
        store.delete(manifest.files["c/0/0/0"][0])
        [finding] = check(atlas, store, now=LATER).findings
        assert (finding.drift, finding.detail) == ("missing object", f"field {key[:12]}… refers to it")


def test_versions_of_a_model_are_kept_and_old_weights_let_go(atlas: AtlasStore, tmp_path: Path) -> None:
    assert isinstance(atlas, GraphAtlas)
    store = ObjectStore(tmp_path / "objects")
    ticks = iter(range(100, 200))
    checkpoints = Checkpoints(atlas, store, clock=lambda: next(ticks))
    models = [
        checkpoints.save("flux", bytes([one]) * 10, family="predictor", service="n") for one in range(4)
    ]
    shared = checkpoints.save("other", bytes([0]) * 10, family="predictor")
    assert checkpoints.save("flux", bytes([3]) * 10, family="predictor", service="n") == models[3]
    assert checkpoints.versions("flux") == tuple(reversed(models))
    assert checkpoints.load(models[1].id) == bytes([1]) * 10
    gone = checkpoints.keep_newest("flux", 2)
    assert [one.id for one in gone] == [models[1].id, models[0].id]
    with pytest.raises(ObjectMissingError, match="were let go"):
        checkpoints.load(models[1].id)
    assert models[1].checkpoint not in store
    # The same weights under another name stay.
    assert checkpoints.load(shared.id) == bytes([0]) * 10
    assert atlas.counts().nodes[Kind.MODEL] == 5
    assert checkpoints.keep_newest("flux", 2) == ()
    assert check(atlas, store, now=LATER).findings == ()
    with pytest.raises(SearchError, match="0 versions"):
        checkpoints.keep_newest("flux", 0)
    with pytest.raises(UnknownRecordError):
        checkpoints.load("nobody")
