"""TSC, the Thermodynamic Signal Compiler: telemetry of any kind becomes frames and readings."""

from industriverse.signals.channel import Channel, ChannelKind
from industriverse.signals.errors import FrameError, IngestError, SignalError
from industriverse.signals.frame import NANOSECONDS_PER_SECOND, Frame
from industriverse.signals.readings import ThermoReading, ThermoReadings
from industriverse.signals.tickets import ChannelEvidence, Incident, Ticket

__all__ = [
    "NANOSECONDS_PER_SECOND",
    "Channel",
    "ChannelEvidence",
    "ChannelKind",
    "Frame",
    "FrameError",
    "Incident",
    "IngestError",
    "SignalError",
    "ThermoReading",
    "ThermoReadings",
    "Ticket",
]
