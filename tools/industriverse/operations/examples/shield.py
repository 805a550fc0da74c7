"""Questions for the shield toolset."""

from typing import Final

from industriverse.operations.examples import asked

__all__ = ["ACT", "EXPLAIN", "PLAN", "REVERT", "THREATS"]

_INCIDENT: Final = "incident-0123456789abcdef"

THREATS: Final = (
    *asked(
        "What is wrong right now?",
        "Are there any open incidents?",
        "active threats",
        "any alerts right now",
        "show open tickets",
        "what is currently under attack",
        "are we being attacked",
        "which assets have a problem",
        "is something going on",
        "current alarms",
        "list unresolved incidents",
        "is there a security problem at the moment",
        open_only=True,
    ),
    *asked(
        "List all incidents",
        "show me all threats",
        "how many incidents did we have",
        "What incidents concern the water network?",
        "which tickets were raised",
        "show alerts of tank 1",
        "when was the incident on pump 3 opened",
        "were there any attacks yesterday",
        "incident history",
        "closed incidents",
        "what was the latest incident",
        "when was the last alert",
        "which asset does the incident concern",
        "how many tickets does the incident have",
        "did anything happen last night",
    ),
    *asked("Show incident incident-0123456789abcdef", incident_id=_INCIDENT),
)

EXPLAIN: Final = asked(
    "Why did entropy rise on tank 1?",
    "Why did entropy rise on pump 3 after 14:05?",
    "why is there an alarm",
    "why was the incident opened",
    "Explain the incident",
    "explain incident-0123456789abcdef",
    "what caused the alert on pump 3",
    "what is the reason for the ticket",
    "which sensors are responsible",
    "which sensor contributes most to the alarm",
    "what is wrong with tank 1",
    "root cause of the incident",
    "what is behind the disturbance",
    "which ATT&CK technique is it",
    "how was it attacked, which mitre technique",
    "what did the sensor read and what was expected",
    "expected and actual value of junction 123",
    "how much does pump 3 contribute to the score",
    "break the score down by channel",
    "what happened at tank 1",
    "why",
    "is it work or heat that explains the incident",
    "what's the matter with the pump",
    incident_id=_INCIDENT,
)

PLAN: Final = asked(
    "Make a plan for the incident",
    "Plan a response to incident-0123456789abcdef",
    "propose a response plan",
    "draft a plan against the attack",
    "how would you respond to the incident",
    "prepare countermeasures for this incident",
    "what would a response plan look like",
    "response plan for tank 1",
    "what steps would a plan take and can they be undone",
    "how much water would the plan save",
    "write a mitigation plan",
    incident_id=_INCIDENT,
)

ACT: Final = asked(
    "Carry out the plan",
    "Isolate the controller plc-1",
    "shut down pump 335",
    "open valve 330",
    "close the valve now",
    "switch off the pump",
    "start pump 10",
    "restart the pump now",
    "set the tank level to 5 m",
    "stop the attack",
    "block the intruder",
    "execute the plan",
    "go ahead and do it",
    "turn on the pump",
    "override the sensor",
    "disconnect tank-1's sensor link",
    plan_id="plan-0123456789abcdef",
)

REVERT: Final = asked(
    "Undo the plan",
    "take the action back",
    "roll the response back",
    "revert what you did",
    plan_id="plan-0123456789abcdef",
)
