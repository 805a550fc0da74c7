"""More ways in which the questions of the registry are asked: short, indirect, in the words of a control room."""

__all__ = ["WAYS"]

WAYS: dict[str, tuple[str, ...]] = {
    "shield_explain": (
        "explain the alert", "explain the alarm", "why the alarm", "why did the alarm ring", "what triggered the alarm",
        "which sensor is to blame", "which channel caused it", "what does the incident mean", "meaning of the incident",
        "why is there a ticket", "what raised the alert", "who is to blame for the alarm", "reason of the incident",
        "which sensors contributed most to the alarm", "why did entropy rise on a pump",
    ),
    "eil_regime": (
        "is it calm again", "is it calm", "is it still calm", "is something wrong", "is it in alarm", "p value",
        "is the plant stable", "calm or in alarm", "is it back to normal",
    ),
    "shield_threats": (
        "are we being hacked", "is someone attacking us", "is anyone attacking", "recent intrusions", "any intrusions",
        "any incidents open", "list of incidents", "which incidents are open", "have we been attacked",
    ),
    "nvp_forecast": (
        "what will happen in hours", "what will happen next", "expected level in hours", "expected values in minutes",
        "what do you expect in hours", "predict the pressure in minutes", "how will it go on", "outlook for hours",
        "where will it be in hours", "forecast", "will the tank run empty in hours",
    ),
    "platform_status": (
        "what is running", "what do you monitor", "what is connected", "how are you set up", "overview",
    ),
    "atlas_search": (
        "which recoveries are recorded", "what is recorded in the atlas", "history of recorded states",
    ),
    "agent_state": (
        "agent runs", "list agent runs", "anything to approve", "any run going on", "how far is the response",
    ),
    "economy_read": (
        "how much ceu is left", "what is in the wallet", "how many pft are there", "account balance",
    ),
}  # fmt: skip
