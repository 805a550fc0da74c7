from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from industriverse.eil.proof import (
    EquilibriumReference,
    ReferenceFitError,
    ReferenceFormatError,
    WindowError,
    frame_from_window_bytes,
    window_bytes,
)
from industriverse.eil.proof.errors import EvidenceMismatchError
from industriverse.signals import Channel, ChannelKind, Frame
from proof.irreversible import SECOND, WINDOW, frame_of, simulate


def test_a_saved_reference_comes_back_bit_for_bit(reference: EquilibriumReference, tmp_path: Path) -> None:
    digest = reference.save(tmp_path / "reference.npz")
    loaded = EquilibriumReference.load(tmp_path / "reference.npz")
    window = frame_of(simulate(WINDOW, seed=3))
    assert loaded.digest == digest == reference.digest
    assert loaded.check(window) == reference.check(window)


def test_fitting_twice_gives_the_same_digest_and_other_data_another(clean: NDArray[np.float64]) -> None:
    again = [EquilibriumReference.fit(frame_of(clean[:1500]), window=WINDOW).digest for _ in range(2)]
    other = EquilibriumReference.fit(frame_of(clean[1:1501]), window=WINDOW).digest
    assert again[0] == again[1] != other


def test_an_altered_reference_file_is_refused(reference: EquilibriumReference, tmp_path: Path) -> None:
    path = tmp_path / "reference.npz"
    reference.save(path)
    with np.load(path, allow_pickle=False) as stored:
        arrays = dict(stored)
    arrays["calibration.energy"] = arrays["calibration.energy"] * 100
    np.savez_compressed(path, **arrays)
    with pytest.raises(ReferenceFormatError, match="does not match its own digest"):
        EquilibriumReference.load(path)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04broken"])
def test_a_file_that_is_no_reference_gives_one_clear_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "reference.npz"
    path.write_bytes(content)
    with pytest.raises(ReferenceFormatError, match="is not an equilibrium reference"):
        EquilibriumReference.load(path)
    with pytest.raises(ReferenceFormatError, match="is not an equilibrium reference"):
        EquilibriumReference.load(tmp_path / "absent.npz")


def test_constant_missing_and_categorical_channels_are_named_and_left_out(
    clean: NDArray[np.float64],
) -> None:
    rows = 4000
    values = np.column_stack([clean[:rows], np.full(rows, 5.0), np.full(rows, np.nan), np.arange(rows) % 3])
    values[::50, 0] = np.nan
    kinds = [ChannelKind.CONTINUOUS] * 6 + [ChannelKind.CATEGORICAL]
    channels = tuple(Channel(f"c{i}", kind=kind) for i, kind in enumerate(kinds))
    frame = Frame(np.arange(rows) * SECOND, values, channels)
    reference = EquilibriumReference.fit(frame, window=WINDOW)
    assert reference.channels == ("c0", "c1", "c2", "c3")
    assert dict(reference.excluded) == {
        "c4": "constant in the clean data",
        "c5": "100% of its clean values are missing",
        "c6": "categories without an order have no energy",
    }
    assert all(result.p_value > 0.001 for result in reference.check(frame.rows(100, 100 + WINDOW)))
    moved = values[100 : 100 + WINDOW].copy()
    moved[7, 4] = 6.0
    energy = reference.check(Frame(np.arange(WINDOW) * SECOND, moved, channels))[0]
    assert energy.p_value == 1 / (reference.calibration_windows + 1)


@pytest.mark.parametrize(
    ("values", "window", "message"),
    [
        (simulate(100, 1), 96, "hold fewer than eight windows"),
        (simulate(100, 1), 8, "too short"),
        (np.ones((2000, 3)), 96, "no channel varies"),
    ],
)
def test_data_that_cannot_carry_a_reference_are_refused(
    values: NDArray[np.float64], window: int, message: str
) -> None:
    with pytest.raises(ReferenceFitError, match=message):
        EquilibriumReference.fit(frame_of(values), window=window)


def test_windows_that_cannot_be_compared_are_refused(reference: EquilibriumReference) -> None:
    values = simulate(WINDOW + 10, seed=9)
    frame = frame_of(values)
    with pytest.raises(WindowError, match="has 50 samples"):
        reference.check(frame.rows(0, 50))
    spliced = Frame.concatenate([frame.rows(0, 40), frame.rows(50, 50 + WINDOW - 40)])
    with pytest.raises(WindowError, match="not evenly sampled"):
        reference.check(spliced)
    fewer = Frame(frame.timestamps_ns[:WINDOW], frame.values[:WINDOW, :3], frame.channels[:3])
    with pytest.raises(WindowError, match="lacks channel 'sensor-3'"):
        reference.check(fewer)
    values[10:30, 2] = np.nan
    with pytest.raises(WindowError, match="'sensor-2' misses 21%"):
        reference.check(frame_of(values[:WINDOW]))


def test_evidence_reads_back_as_the_window(reference: EquilibriumReference) -> None:
    values = simulate(WINDOW, seed=9)
    values[3, 1] = np.nan
    frame = frame_of(values, start_s=1_700_000_000)
    back = frame_from_window_bytes(window_bytes(frame))
    assert back.channels == frame.channels
    np.testing.assert_array_equal(back.timestamps_ns, frame.timestamps_ns)
    np.testing.assert_array_equal(back.values, frame.values)
    assert window_bytes(back) == window_bytes(frame)
    for broken in (b"", b"noise", window_bytes(frame)[:-3], window_bytes(frame)[:-8]):
        with pytest.raises(EvidenceMismatchError, match="not the evidence of a window"):
            frame_from_window_bytes(broken)
