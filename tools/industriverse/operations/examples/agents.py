"""Questions for the agents toolset, and for learning and simulating."""

from typing import Final

from industriverse.operations.examples import asked

__all__ = ["COMPILE", "RESUME", "RUN", "SIMULATE", "STATE"]

STATE: Final = asked(
    "Where do the response runs stand?",
    "which response runs are there",
    "is a response running",
    "what is the agent doing",
    "state of the response loop",
    "is any run waiting for approval",
    "what is waiting for me to approve",
    "did the response finish",
    "list the runs of the response graph",
    "progress of the response",
    "agent status",
    "how did the last response end",
    "are there interrupted runs",
    "state of the agent runs",
    "how far is the response",
    "what is the response loop doing",
    "has the response been completed",
    "which thread is still going",
    "latest response run",
    "anything to approve",
)

RUN: Final = asked(
    "Respond to the incident",
    "start the response loop",
    "run the agent on the incident",
    "let the agent fix it",
    "repair it automatically",
    incident_id="incident-0123456789abcdef",
)

RESUME: Final = asked(
    "Resume the response", "go on with the run", "approve the waiting run", thread_id="response-0123456789ab"
)

COMPILE: Final = asked(
    "Learn the water stream",
    "train on the clean data",
    "learn what is normal for water again",
    "reset the reference",
    stream="water",
)

SIMULATE: Final = asked(
    "Run the practice plant until tomorrow",
    "simulate a day",
    "advance the simulation by ten hours",
    "create a new simulated plant",
    plant_id="practice",
    until_hours=24.0,
)
