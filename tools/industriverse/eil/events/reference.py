"""The fitted clean model of an event stream, shareable and checkable: one JSON file with its digest."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from industriverse.eil.events.budget import EventCalibration
from industriverse.eil.events.errors import EventReferenceError
from industriverse.eil.events.model import EventModel
from industriverse.eil.events.tails import Branch
from industriverse.storage import write_whole

__all__ = [
    "EVENT_REFERENCE_FORMAT",
    "EVENT_REFERENCE_VERSION",
    "EventReference",
    "load_content",
    "save_content",
]

EVENT_REFERENCE_FORMAT: Final = "industriverse-event-reference"
EVENT_REFERENCE_VERSION: Final = 1


@dataclass(frozen=True, eq=False)
class EventReference:
    """What equilibrium means for one event stream.

    Attributes:
        model: Counts and tables that give the energies.
        event_branch: Calibration of the event components.
        entity_branch: Calibration of the entity components.
        calibration: Threshold and what it promises.
        maximum_entities: Entities remembered at most.
        clean_events: Number of clean events.
    """

    model: EventModel
    event_branch: Branch
    entity_branch: Branch
    calibration: EventCalibration
    maximum_entities: int
    clean_events: int

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the canonical JSON of the reference."""
        content = {"format": EVENT_REFERENCE_FORMAT, "version": EVENT_REFERENCE_VERSION, **self._content()}
        return hashlib.sha256(_canonical(content)).hexdigest()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the reference atomically.

        Raises:
            EventReferenceError: If the file cannot be written.
        """
        return save_content(path, EVENT_REFERENCE_FORMAT, EVENT_REFERENCE_VERSION, self._content())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "EventReference":
        """Read a reference and check its format, version and digest.

        Raises:
            EventReferenceError: If the file is absent, of another version, damaged or altered.
        """
        return cls._of(load_content(path, EVENT_REFERENCE_FORMAT, EVENT_REFERENCE_VERSION))

    def _content(self) -> dict[str, Any]:
        return {
            "model": self.model.state(),
            "event_branch": self.event_branch.state(),
            "entity_branch": self.entity_branch.state(),
            "calibration": asdict(self.calibration),
            "maximum_entities": self.maximum_entities,
            "clean_events": self.clean_events,
        }

    @classmethod
    def _of(cls, content: dict[str, Any]) -> "EventReference":
        return cls(
            model=EventModel.from_state(content["model"]),
            event_branch=Branch.from_state(content["event_branch"]),
            entity_branch=Branch.from_state(content["entity_branch"]),
            calibration=EventCalibration(**content["calibration"]),
            maximum_entities=int(content["maximum_entities"]),
            clean_events=int(content["clean_events"]),
        )


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode()


def save_content(
    path: str | os.PathLike[str], file_format: str, version: int, content: Mapping[str, Any]
) -> Path:
    """Write learned content atomically as JSON with its format, version and digest.

    Raises:
        EventReferenceError: If the file cannot be written.
    """
    target = Path(path)
    marked = {"format": file_format, "version": version, **content}
    digest = hashlib.sha256(_canonical(marked)).hexdigest()
    try:
        write_whole(target, _canonical({"digest": digest, "content": marked}))
    except OSError as error:
        raise EventReferenceError(
            f"cannot write the reference {target}: {error.strerror}", hint="give a writable path"
        ) from error
    return target


def load_content(path: str | os.PathLike[str], file_format: str, version: int) -> dict[str, Any]:
    """Read content written by :func:`save_content` and check its format, version and digest.

    Raises:
        EventReferenceError: If the file is absent, of another version, damaged or altered.
    """
    source = Path(path)
    try:
        stored = json.loads(source.read_bytes())
        content, digest = stored["content"], stored["digest"]
        found = (content["format"], content["version"])
    except FileNotFoundError:
        raise EventReferenceError(
            f"there is no event reference at {source}", hint="fit and save one first"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise EventReferenceError(
            f"{source} is not a readable event reference: {error}", hint="fit it again"
        ) from error
    if found != (file_format, version):
        raise EventReferenceError(
            f"{source} holds {found[0]} version {found[1]}, this build reads {file_format} version {version}",
            hint="fit the reference again with this version",
        )
    if hashlib.sha256(_canonical(content)).hexdigest() != digest:
        raise EventReferenceError(
            f"{source} does not match its digest: it was altered or damaged",
            hint="restore it from a copy or fit it again",
        )
    checked: dict[str, Any] = content
    return checked
