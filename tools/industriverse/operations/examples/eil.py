"""Questions for the eil toolset."""

from typing import Final

from industriverse.operations.examples import asked

__all__ = ["DECIDE", "PROVE", "REGIME"]

REGIME: Final = asked(
    "Is the water network calm?",
    "Is the water network in alarm?",
    "How is the water network doing?",
    "What is the free energy of the water network?",
    "what's the energy of water right now",
    "entropy of water",
    "what temperature does the water stream have",
    "How far from equilibrium is the water network?",
    "is water in equilibrium",
    "state of the stream water",
    "what was the state of the water network at 14:05",
    "was water normal yesterday at noon",
    "since when is the water network in alarm",
    "when did the alarm start",
    "p-value of the latest sample",
    "what is the anomaly score of water",
    "How much of the excess is heat and how much is work?",
    "which regime is the water network in",
    "how many false alarms per day does water have",
    "promised false tickets per day",
    "has the stream drifted",
    "entropy production of the water network",
    "is it still disturbed",
    "how hot is the plant thermodynamically",
    "did the water network return to normal",
    "free energy excess at 2026-03-01T14:05:00Z",
    "is anything unusual in the water stream",
    "what is the free energy limit",
    stream="water",
)

DECIDE: Final = (
    *asked(
        "What should we do about the water network?",
        "what should I do now",
        "which action is best for water",
        "what do you recommend",
        "what are our options",
        "rank the possible actions",
        "would it help to do nothing",
        "what is the best thing to do against this",
        "give me advice for the water network",
        "which countermeasure lowers the free energy most",
        "compare the possible commands",
        "is it better to wait or to act",
        "best option for the water stream",
        "what would you do",
        stream="water",
    ),
    *asked(
        "Is it better to restart the pump or to wait?",
        "should we restart the pump",
        stream="water",
        options=[{"name": "restart the pump", "relief": 0.5}],
    ),
)

PROVE: Final = asked(
    "Prove that the water network is in equilibrium",
    "issue a certificate for water",
    "certify the last day of the water stream",
    "sign a proof of equilibrium for water",
    stream="water",
)
