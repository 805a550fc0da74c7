"""The fitted clean model of a stream: what equilibrium means for it, shareable and checkable."""

import hashlib
import io
import json
import os
import zipfile
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from industriverse.eil.calibration import Calibration
from industriverse.eil.errors import ReferenceFileError
from industriverse.eil.model import KernelModel
from industriverse.eil.state import KernelState
from industriverse.signals import Channel, ChannelKind
from industriverse.storage import write_whole

__all__ = ["REFERENCE_FORMAT", "REFERENCE_VERSION", "Reference"]

REFERENCE_FORMAT: Final = "industriverse-reference"
REFERENCE_VERSION: Final = 4
_METADATA = "metadata"


@dataclass(frozen=True, eq=False)
class Reference:
    """What equilibrium means for one stream.

    Attributes:
        channels: The channels, in column order.
        scales: Filter scales, samples.
        interval_s: Sampling interval of the clean rows, seconds.
        clean_rows: Number of clean rows.
        clean_start_ns: Time of the first clean row, nanoseconds since 1970-01-01 UTC.
        clean_stop_ns: Time of the last clean row.
        calibration: Threshold and what it promises.
        model: Constants of the kernel.
        initial: State of the stream right after its clean rows.
        version: Version of this layout.
    """

    channels: tuple[Channel, ...]
    scales: tuple[int, ...]
    interval_s: float
    clean_rows: int
    clean_start_ns: int
    clean_stop_ns: int
    calibration: Calibration
    model: KernelModel
    initial: KernelState
    version: int = REFERENCE_VERSION

    @property
    def names(self) -> tuple[str, ...]:
        """Channel names in column order."""
        return tuple(channel.name for channel in self.channels)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over the canonical metadata and every array with its name, type and shape."""
        return _digest(_canonical(self._metadata()), self._arrays())

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the reference atomically as npz (arrays and JSON metadata, no pickle).

        Raises:
            ReferenceFileError: If the file cannot be written.
        """
        target = Path(path)
        metadata = {**self._metadata(), "digest": self.digest}
        buffer = io.BytesIO()
        packed: dict[str, Any] = {_METADATA: np.frombuffer(_canonical(metadata), dtype=np.uint8)}
        packed.update(self._arrays())
        np.savez(buffer, **packed)
        try:
            write_whole(target, buffer.getvalue())
        except OSError as error:
            raise ReferenceFileError(
                f"cannot write the reference {target}: {error.strerror}", hint="give a writable path"
            ) from error
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Reference":
        """Read a reference and check its version and digest.

        Raises:
            ReferenceFileError: If the file is absent, of another version, damaged or altered.
        """
        source = Path(path)
        metadata, arrays = _read(source)
        if metadata.get("format") != REFERENCE_FORMAT or metadata.get("version") != REFERENCE_VERSION:
            raise ReferenceFileError(
                f"{source} holds {metadata.get('format')} version {metadata.get('version')}, "
                f"this build reads {REFERENCE_FORMAT} version {REFERENCE_VERSION}",
                hint="fit the reference again with this version",
            )
        promised = metadata.pop("digest", None)
        if _digest(_canonical(metadata), arrays) != promised:
            raise ReferenceFileError(
                f"{source} does not match its digest: it was altered or damaged",
                hint="restore it from a copy or fit it again",
            )
        return cls._from_parts(metadata, arrays)

    def _metadata(self) -> dict[str, Any]:
        return {
            "format": REFERENCE_FORMAT,
            "version": self.version,
            "channels": [asdict(channel) for channel in self.channels],
            "scales": list(self.scales),
            "interval_s": self.interval_s,
            "clean_rows": self.clean_rows,
            "clean_start_ns": self.clean_start_ns,
            "clean_stop_ns": self.clean_stop_ns,
            "calibration": asdict(self.calibration),
        }

    def _arrays(self) -> dict[str, NDArray[np.float64]]:
        model = {f"model.{f.name}": getattr(self.model, f.name) for f in fields(self.model)}
        state = {f"initial.{f.name}": getattr(self.initial, f.name) for f in fields(self.initial)}
        return {**model, **state}

    @classmethod
    def _from_parts(cls, metadata: dict[str, Any], arrays: dict[str, NDArray[np.float64]]) -> "Reference":
        return cls(
            channels=tuple(
                Channel(**{**entry, "kind": ChannelKind(entry["kind"])}) for entry in metadata["channels"]
            ),
            scales=tuple(metadata["scales"]),
            interval_s=metadata["interval_s"],
            clean_rows=metadata["clean_rows"],
            clean_start_ns=metadata["clean_start_ns"],
            clean_stop_ns=metadata["clean_stop_ns"],
            calibration=Calibration(**metadata["calibration"]),
            model=KernelModel(**{f.name: arrays[f"model.{f.name}"] for f in fields(KernelModel)}),
            initial=KernelState(**{f.name: arrays[f"initial.{f.name}"] for f in fields(KernelState)}),
        )


def _read(source: Path) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
    try:
        # numpy leaves the file open when it is not a zip archive, so it gets the bytes instead of the path.
        with np.load(io.BytesIO(source.read_bytes()), allow_pickle=False) as stored:
            arrays = {name: np.ascontiguousarray(stored[name]) for name in stored.files}
        metadata = json.loads(arrays.pop(_METADATA).tobytes())
    except FileNotFoundError:
        raise ReferenceFileError(
            f"there is no reference at {source}", hint="fit and save one first"
        ) from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ReferenceFileError(
            f"{source} is not a readable reference: {error}", hint="fit it again"
        ) from error
    if not isinstance(metadata, dict):
        raise ReferenceFileError(f"{source} has no metadata object", hint="fit it again")
    return metadata, arrays


def _canonical(metadata: dict[str, Any]) -> bytes:
    return json.dumps(
        metadata, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode()


def _digest(metadata: bytes, arrays: dict[str, NDArray[np.float64]]) -> str:
    content = hashlib.sha256(metadata)
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name]).astype("<f8", copy=False)
        content.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        content.update(array.tobytes())
    return content.hexdigest()
