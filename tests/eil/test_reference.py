"""A reference survives the disk bit for bit and refuses to be anything else."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from industriverse.eil.detector import Detector
from industriverse.eil.errors import ReferenceFileError
from industriverse.eil.reference import Reference
from industriverse.signals import Frame


def contents(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def metadata_of(arrays: dict[str, Any]) -> dict[str, object]:
    found = json.loads(arrays["metadata"].tobytes())
    assert isinstance(found, dict)
    return found


def test_a_saved_reference_scores_with_the_same_bits(
    fitted: Detector, clean_stream: Frame, tmp_path: Path
) -> None:
    path = fitted.reference.save(tmp_path / "reference.npz")
    loaded = Reference.load(path)
    assert loaded.digest == fitted.reference.digest
    assert loaded.channels == fitted.reference.channels
    assert loaded.calibration == fitted.reference.calibration
    one = Detector.from_reference(fitted.reference).score(clean_stream.rows(3000, 3500))
    other = Detector.from_reference(loaded).score(clean_stream.rows(3000, 3500))
    for field in dataclasses.fields(one):
        assert getattr(one, field.name).tobytes() == getattr(other, field.name).tobytes()


def test_the_same_clean_rows_give_the_same_digest_and_others_do_not(
    fitted: Detector, clean_stream: Frame
) -> None:
    assert Detector(2.0).fit(clean_stream.rows(0, 3000)).reference.digest == fitted.reference.digest
    assert Detector(2.0).fit(clean_stream.rows(1, 3000)).reference.digest != fitted.reference.digest
    assert Detector(3.0).fit(clean_stream.rows(0, 3000)).reference.digest != fitted.reference.digest


def test_scoring_leaves_the_reference_alone(fitted: Detector, clean_stream: Frame, tmp_path: Path) -> None:
    path = fitted.reference.save(tmp_path / "before.npz")
    Detector.from_reference(fitted.reference).score(clean_stream.rows(3000))
    arrays = contents(path)
    for name in ("channel", "lags", "smooth", "window", "flow", "counters"):
        assert arrays[f"initial.{name}"].tobytes() == getattr(fitted.reference.initial, name).tobytes()


def test_a_changed_array_is_refused(fitted: Detector, tmp_path: Path) -> None:
    path = fitted.reference.save(tmp_path / "reference.npz")
    arrays = contents(path)
    arrays["model.scalars"][0] = np.nextafter(arrays["model.scalars"][0], np.inf)
    np.savez(path, **arrays)
    with pytest.raises(ReferenceFileError, match="does not match its digest"):
        Reference.load(path)


def test_changed_metadata_is_refused(fitted: Detector, tmp_path: Path) -> None:
    path = fitted.reference.save(tmp_path / "reference.npz")
    arrays = contents(path)
    metadata = metadata_of(arrays)
    metadata["clean_rows"] = 10**9
    arrays["metadata"] = np.frombuffer(json.dumps(metadata).encode(), dtype=np.uint8)
    np.savez(path, **arrays)
    with pytest.raises(ReferenceFileError, match="does not match its digest"):
        Reference.load(path)


def test_another_version_is_refused_by_number(fitted: Detector, tmp_path: Path) -> None:
    path = fitted.reference.save(tmp_path / "reference.npz")
    arrays = contents(path)
    metadata = metadata_of(arrays)
    metadata["version"] = 99
    arrays["metadata"] = np.frombuffer(json.dumps(metadata).encode(), dtype=np.uint8)
    np.savez(path, **arrays)
    with pytest.raises(ReferenceFileError, match="version 99, this build reads"):
        Reference.load(path)


@pytest.mark.parametrize("content", [b"", b"not a reference", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_one_clear_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "reference.npz"
    path.write_bytes(content)
    with pytest.raises(ReferenceFileError, match="not a readable reference"):
        Reference.load(path)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "reference.npz"
    np.savez(path, metadata=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ReferenceFileError, match="not a readable reference"):
        Reference.load(path)


def test_an_absent_file_and_an_unwritable_place_say_so(fitted: Detector, tmp_path: Path) -> None:
    with pytest.raises(ReferenceFileError, match="there is no reference at"):
        Reference.load(tmp_path / "absent.npz")
    with pytest.raises(ReferenceFileError, match="cannot write"):
        fitted.reference.save(tmp_path / "no" / "folder" / "r.npz")


def test_one_stream_stays_below_one_megabyte(fitted: Detector) -> None:
    arrays = [*fitted.reference.model.arrays(), *fitted.reference.initial.arrays()]
    assert sum(array.nbytes for array in arrays) < 1_000_000
