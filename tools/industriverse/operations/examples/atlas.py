"""Questions for the atlas toolset."""

from typing import Final

from industriverse.operations.examples import asked

__all__ = ["GET", "RECORD", "SEARCH"]

_STATE: Final = "state-water-reference-0123456789ab"

SEARCH: Final = (
    *asked(
        "Which energy states did tank 1 go through?",
        "list the energy states",
        "search the atlas for water",
        "what does the atlas remember about pump 3",
        "recorded energy states of water",
        "history of energy states since yesterday",
        "what is stored in the energy atlas",
        "find states between 14:00 and 15:00",
        "how many energy states are recorded",
        "states of pump 3 in the atlas",
        "past states of the tank",
        "what has been remembered about water",
        "anything in the atlas about tank 1",
        "earlier energy states",
        entity="tank-1",
    ),
    *asked(
        "disturbed states", "when was it disturbed before", "atlas states of disturbance", regime="disturbed"
    ),
    *asked("recovered states", "which states show a recovery", regime="recovered"),
    *asked("what is the reference state of water", "show the reference states", regime="reference"),
    *asked(
        "regime shifts of the water network",
        "when did the regime shift",
        "show all regime changes in the atlas",
        kind="RegimeShift",
    ),
    *asked("actions recorded in the atlas", "which actions were taken in the past", kind="Action"),
    *asked(
        "proofs in the atlas", "which proofs of equilibrium were recorded", "list certificates", kind="Proof"
    ),
    *asked("incidents remembered in the atlas", kind="Incident"),
    *asked("assets in the atlas", "which entities does the atlas know", "list all assets", kind="Entity"),
)

GET: Final = (
    *asked(
        "Show state-water-reference-0123456789ab",
        "read the atlas record state-water-reference-0123456789ab",
        "details of the energy state state-water-reference-0123456789ab",
        "what is state-water-reference-0123456789ab linked to",
        "neighbours of state-water-reference-0123456789ab in the graph",
        "relations of the record state-water-reference-0123456789ab",
        "open the energy state state-water-reference-0123456789ab",
        "open state-water-reference-0123456789ab",
        "state-water-reference-0123456789ab",
        id=_STATE,
    ),
    *asked(
        "atlas record of tank-1",
        "what is tank-1 connected to in the graph",
        "relations of pump-3 in the atlas",
        "neighbours of tank 1",
        "what is linked to tank 1 in the atlas",
        kind="Entity",
        id="tank-1",
    ),
)

RECORD: Final = asked(
    "Record the incident in the atlas",
    "write the incident down",
    "save this incident to the graph",
    stream="water",
    incident_id="incident-0123456789abcdef",
)
