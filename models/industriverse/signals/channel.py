"""What one telemetry channel measures."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Channel", "ChannelKind"]


class ChannelKind(StrEnum):
    """How the values of a channel may be read."""

    CONTINUOUS = "continuous"
    COUNTER = "counter"
    GAUGE = "gauge"
    CATEGORICAL = "categorical"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Channel:
    """Name and meaning of one telemetry channel.

    Attributes:
        name: Unique within its frame.
        unit: UCUM code, ``"1"`` for dimensionless or unknown.
        kind: How values may be read.
        entity: The asset that the channel observes (``"pump-1"``), empty if unknown.
        quantity: The observed quantity (``"flow"``), empty if unknown.
    """

    name: str
    unit: str = "1"
    kind: ChannelKind = ChannelKind.CONTINUOUS
    entity: str = ""
    quantity: str = ""
