"""Questions for the platform toolset, and those that its pages answer."""

from typing import Final

from industriverse.operations.examples import asked
from industriverse.operations.registry import Example

__all__ = ["DOCUMENTATION", "STATUS"]

STATUS: Final = asked(
    "What do you watch?",
    "Is everything in order?",
    "Give me an overview",
    "Which streams do you have?",
    "list all streams",
    "How many streams are monitored?",
    "what plants are simulated",
    "How many samples have been recorded?",
    "how many channels does the water network have",
    "status",
    "platform status please",
    "system health summary",
    "Which version is running?",
    "what version of the software is this",
    "Where is the data stored on disk?",
    "is this installation read only",
    "Which toolsets are available?",
    "how many open incidents are there in total",
    "What telemetry is connected?",
    "has the water network been learned yet",
    "how many records are in the atlas",
    "show me everything you monitor",
)

DOCUMENTATION: Final[tuple[Example, ...]] = asked(
    "What is free energy?",
    "what does entropy production mean",
    "How do I connect an MCP client?",
    "how can I install it",
    "What does NVP stand for?",
    "explain what a certificate of equilibrium says",
    "define regime",
    "how are false alarms limited",
    "What is the Energy Atlas?",
    "how do I watch a csv file",
    "what is the difference between heat and work",
    "Where is the documentation about the architecture?",
    "how does the detector work",
    "what is proof of equilibrium",
    "what happens after a crash",
    "how do I verify a proof offline",
    "which roles and scopes exist",
    "how do I make a token",
    "what does PFT mean",
    "what is MUNT",
    "how to run the demo",
    "meaning of skill over persistence",
    "what python version do I need",
    "how do I back up the atlas",
    "how is a forecast made",
    "what is an energy state",
    "how do plans get approved",
    "what is the licence",
    "what file formats can be read",
    "which database does the atlas use",
)
"""Asked of the documentation, not of a verb."""
