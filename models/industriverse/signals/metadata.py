"""What a file says of its channels: a JSON sidecar and the field metadata of Parquet."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from industriverse.signals._text import quoted
from industriverse.signals.channel import Channel, ChannelKind
from industriverse.signals.errors import IngestError

__all__ = ["FIELDS", "build_channel", "channel_metadata", "read_sidecar", "sidecar_path"]

FIELDS = ("unit", "kind", "entity", "quantity")


def sidecar_path(path: Path) -> Path:
    """Where the channel metadata of ``path`` may lie: ``<file>.channels.json`` beside it."""
    return path.with_name(path.name + ".channels.json")


def read_sidecar(path: Path) -> dict[str, dict[str, str]]:
    """Read the sidecar of a telemetry file, empty where there is none.

    It is one JSON object, channel name to an object with any of ``unit``, ``kind``, ``entity``, ``quantity``.

    Args:
        path: The telemetry file.

    Raises:
        IngestError: If the sidecar is not of that form; the message names channel and field.
    """
    file = sidecar_path(path)
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise IngestError(f"{file} is not readable JSON ({error})", hint="repair or remove it") from error
    if not isinstance(document, dict):
        raise IngestError(f"{file} is not a JSON object", hint="map channel names to their metadata")
    for name, entry in document.items():
        if not isinstance(entry, dict):
            raise IngestError(
                f"{file} entry {quoted(name)} is not an object", hint=f"give {', '.join(FIELDS)}"
            )
        wrong = next(
            (key for key, value in entry.items() if key not in FIELDS or not isinstance(value, str)), None
        )
        if wrong is not None:
            raise IngestError(
                f"{file} entry {quoted(name)} has the field {quoted(wrong)}",
                hint=f"give text for {', '.join(FIELDS)} only",
            )
    return document


def build_channel(name: str, metadata: Mapping[str, str], source: Path) -> Channel:
    """A channel from its name and metadata.

    Raises:
        IngestError: If the kind is none of :class:`ChannelKind`.
    """
    kind = metadata.get("kind", ChannelKind.CONTINUOUS.value)
    if kind not in {member.value for member in ChannelKind}:
        raise IngestError(
            f"{source} gives channel {quoted(name)} the kind {quoted(kind)}",
            hint=f"use one of {', '.join(ChannelKind)}",
        )
    return Channel(
        name=name,
        unit=metadata.get("unit") or "1",
        kind=ChannelKind(kind),
        entity=metadata.get("entity", ""),
        quantity=metadata.get("quantity", ""),
    )


def channel_metadata(channel: Channel) -> dict[str, str]:
    """The metadata of a channel as text, the inverse of :func:`build_channel`."""
    values: dict[str, Any] = {field: getattr(channel, field) for field in FIELDS}
    return {field: str(value) for field, value in values.items()}
