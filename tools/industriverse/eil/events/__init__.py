"""Event streams against their learned habits: flows, commands and logs, one event at a time."""

from industriverse.eil.events.backoff import BackoffCounts
from industriverse.eil.events.budget import EventCalibration, TicketRule, calibrate_threshold
from industriverse.eil.events.detector import EventDetector
from industriverse.eil.events.errors import EventDetectorError, EventFitError, EventReferenceError
from industriverse.eil.events.explanation import EventExplanation, explain_event
from industriverse.eil.events.flows import FLOW_CHANNELS, FlowBins, flow_frame
from industriverse.eil.events.marks import MarkTree
from industriverse.eil.events.model import COMPONENTS, ENTITY_COMPONENTS, EVENT_COMPONENTS, EventModel
from industriverse.eil.events.production import entropy_production, transition_counts
from industriverse.eil.events.readings import EventReading, EventReadings
from industriverse.eil.events.reference import EventReference
from industriverse.eil.events.sessions import SessionDetector, SessionReading, sessions_of
from industriverse.eil.events.sketch import EntropySketch, sketch_loss_bound
from industriverse.eil.events.watch import EventTicket, EventWatcher, EventWatchSummary

__all__ = [
    "COMPONENTS",
    "ENTITY_COMPONENTS",
    "EVENT_COMPONENTS",
    "FLOW_CHANNELS",
    "BackoffCounts",
    "EntropySketch",
    "EventCalibration",
    "EventDetector",
    "EventDetectorError",
    "EventExplanation",
    "EventFitError",
    "EventModel",
    "EventReading",
    "EventReadings",
    "EventReference",
    "EventReferenceError",
    "EventTicket",
    "EventWatchSummary",
    "EventWatcher",
    "FlowBins",
    "MarkTree",
    "SessionDetector",
    "SessionReading",
    "TicketRule",
    "calibrate_threshold",
    "entropy_production",
    "explain_event",
    "flow_frame",
    "sessions_of",
    "sketch_loss_bound",
    "transition_counts",
]
