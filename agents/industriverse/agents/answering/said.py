"""Arguments that a question says outright, whatever the example says that it is most like."""

import re
from typing import Any, Final

__all__ = ["said_outright"]

_NOW = (
    r"\b(?:open(?!ed)|active|ongoing|unresolved|unsolved|live|standing|current|currently|right now|rn|"
    r"at the moment|atm|now|"
    r"still|under attack|being attacked|under way)\b"
)
_EVER = (
    r"\b(?:all|every|ever|so far|history|closed|past|yesterday|since|overnight|last|latest|recent|first|"
    r"have there been|were|did|was|happened|raised|when|how many (?!.*\bopen\b)|"
    r"between|before|after|today|this (?:week|month|morning))\b"
)
_SAID: Final[dict[str, tuple[tuple[str, str, Any], ...]]] = {
    # verb: (argument, what says so, value; None takes the example's away); a later row wins
    "shield_threats": (("open_only", _EVER, None), ("open_only", _NOW, True),
                       ("open_only", r"\b(?:all|closed|every)\b", None)),
    "audit_search": (
        ("outcome", r"\b(?:denied|refused|rejected|forbidden|turned (?:down|away)|not allowed)\b", "refused"),
        ("outcome", r"\b(?:crash\w*)\b", "crashed"),
        ("operation", r"\bforecasts?\b", "nvp_forecast"),
        ("operation", r"\bmint(?:ed|s|ing)?\b", "economy_mint"),
        ("operation", r"\bcertif(?:ied|icates?)\b", "eil_prove"),
    ),
    "atlas_search": (
        ("regime", r"\b(?:disturbed|disturbances?)\b", "disturbed"),
        ("regime", r"\brecover(?:ed|y|ies)\b", "recovered"),
        ("regime", r"\breference\b", "reference"),
        ("kind", r"\b(?:regime (?:shifts?|changes?)|shifts? of (?:the )?regime)\b", "RegimeShift"),
        ("kind", r"\b(?:proofs?|certificates?)\b", "Proof"),
        ("kind", r"\bactions?\b", "Action"),
        ("kind", r"\bincidents?\b", "Incident"),
        ("kind", r"\b(?:assets|entities|equipment|machines)\b", "Entity"),
        ("kind", r"\b(?:energy )?states?\b", "EnergyState"),
    ),
    "shield_contain": (
        ("kind", r"\b(?:throttl\w+|rate limit\w*|slow down)\b", "limit_rate"),
        ("kind", r"\b(?:pods?|kubernetes|network ?policy)\b", "isolate_pods"),
        ("kind", r"\b(?:isolat\w+ (?:the )?host|cut \S+ off|cut off)\b", "isolate_host"),
        ("kind", r"\bblock(?:s|ing)?\b", "block_address"),
    ),
}  # fmt: skip
_CALLED = re.compile(
    r"\b((?:eil|nvp|shield|atlas|economy|audit|agent|platform|sim|signal|telemetry)_[a-z_]+)\b"
)


def said_outright(verb: str, folded: str) -> dict[str, Any]:
    """Arguments by name that the words of a folded question decide; None where they speak against the example's."""
    said: dict[str, Any] = {
        name: value for name, pattern, value in _SAID.get(verb, ()) if re.search(pattern, folded)
    }
    called = _CALLED.search(folded)
    if verb == "audit_search" and called:
        said["operation"] = called[1]
    return said
