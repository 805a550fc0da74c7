"""Event streams: flows, commands and logs of any sensor as one small type, every line accounted for."""

from industriverse.signals.events._times import event_time_ns
from industriverse.signals.events.errors import EventFormatError, TemplateError
from industriverse.signals.events.event import FLOW_FIELDS, Event, EventRead, FieldValue
from industriverse.signals.events.suricata import read_suricata
from industriverse.signals.events.templates import OVERFLOW, TemplateMiner
from industriverse.signals.events.text import read_log_lines
from industriverse.signals.events.zeek import read_zeek

__all__ = [
    "FLOW_FIELDS",
    "OVERFLOW",
    "Event",
    "EventFormatError",
    "EventRead",
    "FieldValue",
    "TemplateError",
    "TemplateMiner",
    "event_time_ns",
    "read_log_lines",
    "read_suricata",
    "read_zeek",
]
