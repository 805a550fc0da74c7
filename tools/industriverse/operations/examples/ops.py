"""Questions for the ops toolset."""

from typing import Final

from industriverse.operations.examples import asked

__all__ = ["AUDIT"]

AUDIT: Final = (
    *asked(
        "Who acted on the plant today?",
        "who carried out the plan",
        "which plans were executed and by whom",
        operation="shield_act",
    ),
    *asked(
        "Show the audit log",
        "who called what",
        "latest calls",
        "what did local-operator do",
        "which operations were called in the last hour",
        "who used the platform today",
        "who did that",
        "audit trail",
        "access log",
        "calls since yesterday",
        "who logged in and what did they do",
        "who has been using the tools",
        "audit entries of local-operator",
        "who changed something",
        "what was done by alice",
        "protocol of calls",
        "who did what when",
        "usage log of the past hour",
    ),
    *asked(
        "which calls were refused",
        "denied requests",
        "who was not allowed to do something",
        "rejected calls in the audit log",
        outcome="refused",
    ),
    *asked("which calls crashed", "failed operations in the audit log", outcome="crashed"),
    *asked("who asked for forecasts", operation="nvp_forecast"),
    *asked("who issued certificates", operation="eil_prove"),
    *asked("who minted tokens", operation="economy_mint"),
)
