"""Arguments that a question says outright, whatever the example says that it is most like."""

import re
from typing import Any, Final

from industriverse.agents.answering.spans import SPAN, span_hours

__all__ = ["said_outright"]

_NOW = (
    r"\b(?:open(?!ed)|active|ongoing|unresolved|unsolved|live|standing|current|currently|right now|rn|"
    r"at the moment|atm|now|not (?:yet )?(?:been )?(?:closed|solved|resolved)|unclosed|"
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
                       ("open_only", r"\b(?:all|(?<!not )(?<!not yet )(?<!not been )closed|every)\b", None)),
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
        ("kind", r"\bmodels\b", "Model"),
        ("kind", r"\b(?:vocabulary|terms?)\b", "Term"),
    ),
    "shield_contain": (
        ("kind", r"\b(?:throttl\w+|(?:rate )?limit(?:s|ing|ed)?|slow down)\b", "limit_rate"),
        ("kind", r"\b(?:pods?|kubernetes|k8s|network ?policy)\b", "isolate_pods"),
        ("kind", r"\b(?:isolat\w+ (?:the )?host|cut \S+ off|cut off)\b", "isolate_host"),
        ("kind", r"\bblock(?:s|ing)?\b", "block_address"),
    ),
    "economy_read": (
        ("what", r"\b(?:balance|supply|account|treasury|budget:|saved|savings?)\b", None),
        ("what", r"\b(?:pool|price|reserves)\b", "pool"),
        ("what", r"\boffers?\b", "offers"),
        ("what", r"\b(?:queue|waiting|pending)\b", "queue"),
        ("what", r"\b(?:inclusion|log|merkle|consistency) proof\b|\bproof (?:of|for) (?:the )?"
                 r"(?:transaction|tx|entry|booking)\b", "proof"),
        ("what", r"\bquote\b|\b(?:sell|sold|swap\w*|trade\w*|exchange\w*) \d", "quote"),
    ),
}  # fmt: skip
_NUMBER = r"(\d+(?:\.\d+)?)"
_NUMBERS: Final[dict[str, tuple[tuple[str, str, type], ...]]] = {
    # verb: (argument, what says so with the number in its group, what it is passed as)
    "nvp_ensemble": (("members", r"\b(\d{1,4}) (?:ensemble )?members\b", int),),
    "eil_attention": (("alpha", r"\balpha (?:of |at |= ?|is )?(0?\.\d+)", float),),
    "shield_contain": (("packets_per_s", r"\b(\d{1,7}) (?:packets?|pkts?|pps)\b", int),
                       ("namespace", r"\bnamespace ([a-z][\w-]*)", str)),
    "atlas_get": (
        ("depth", r"\bdepth (?:of )?(\d)\b|\b(\d|two|three) (?:relations?|hops?|steps?|levels?) deep\b", str),
    ),
    "economy_read": (
        ("give", rf"\b(?:sell|sold|selling|swap\w*|trad\w+|exchang\w+|give|giving|pay|for|of) {_NUMBER} "
                 r"(?:ceu|pft|munt|compute|proof)\b", str),
        ("sequence", r"\b(?:transaction|tx|entry|booking|sequence)(?: number| no\.?)? ?#?(\d+)\b", int),
        ("since", r"\b(?:grew|grown|since|consistency).{0,20}\bsize (?:of )?(\d+)\b", int),
    ),
}  # fmt: skip
_PASSED: Final = {"two": 2, "three": 3}
_CALLED = re.compile(
    r"\b((?:eil|nvp|shield|atlas|economy|audit|agent|platform|sim|signal|telemetry)_[a-z_]+)\b"
)
_SILENCE = re.compile(rf"(?<!last )(?<!past )({SPAN})")
_SERVES = re.compile(r"\b([a-z][\w.]*-\w+) serves ([a-z][\w.]*-\w+)")
_LABEL = re.compile(r"\b([a-z][\w./-]*)=([\w.-]+)")
_SOLD = re.compile(rf"{_NUMBER} (ceu|pft|munt|compute|proof)")
_LIKE = re.compile(
    r"\b(?:similar|like|closest|nearest|resembl\w+|alike|close)\b.*\b((?:state|proof)-[\w-]*\w)"
)
_TERM = re.compile(r"\b(?:for|about|term) (?:the (?:term|word) )?[\"']?([a-z][\w-]*)[\"']?$")
_EVENT_STREAM = re.compile(
    r"\b(?:on|in|of|from|for) (?:the )?(?:event )?stream "
    r"(?!(?:of|is|and|was|did|do|gave|so|lately|today|now|yesterday|with|tickets|events?|since)\b)([a-z][\w-]*)"
)
_UNITS: Final = {"ceu": "CEU", "compute": "CEU", "pft": "PFT", "proof": "PFT", "munt": "MUNT"}


def said_outright(verb: str, folded: str) -> dict[str, Any]:
    """Arguments by name that the words of a folded question decide; None where they speak against the example's."""
    said: dict[str, Any] = {
        name: value for name, pattern, value in _SAID.get(verb, ()) if re.search(pattern, folded)
    }
    for name, pattern, passed in _NUMBERS.get(verb, ()):
        found = re.search(pattern, folded)
        if found:
            number = next(group for group in found.groups() if group)
            said[name] = _depth(number) if name == "depth" else passed(number)
    return said | _further(verb, folded.rstrip("?!. "))


def _depth(text: str) -> int:
    return _PASSED.get(text) or int(text)


def _further(verb: str, folded: str) -> dict[str, Any]:
    """Arguments whose words take more than one look."""
    said: dict[str, Any] = {}
    called = _CALLED.search(folded)
    if verb == "audit_search" and called:
        said["operation"] = called[1]
    if verb == "shield_correlate":
        silence, serves = _SILENCE.search(folded), dict(_SERVES.findall(folded))
        said |= {"window_hours": span_hours(silence[1])} if silence else {}
        said |= {"serves": serves} if serves else {}
    if verb == "shield_contain" and (labels := dict(_LABEL.findall(folded))):
        said["pod_labels"] = labels
    if verb == "atlas_search":
        like, term = _LIKE.search(folded), _TERM.search(folded)
        said |= {"similar_to": like[1], "kind": "EnergyState"} if like else {}
        said |= {"text": term[1]} if term and re.search(r"\b(?:vocabulary|terms?)\b", folded) else {}
    if verb == "eil_events" and (named := _EVENT_STREAM.search(folded)):
        said["stream"] = named[1]
    if verb == "economy_read" and (sold := _SOLD.search(folded)):
        said["asset"] = _UNITS[sold[2]]
        said["pool"] = "CEU-MUNT" if "munt" in folded else "CEU-PFT"
    return said
