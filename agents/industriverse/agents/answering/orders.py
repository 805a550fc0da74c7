"""Tell orders from questions: what wants something done is refused before any verb is looked for."""

import re

__all__ = ["asks", "orders"]

_OPENING = (
    r"^(?:(?:please|pls|now|ok|okay|hey|hi|then|so|and|can you|could you|would you|will you|i want you to|"
    r"i order you to|you (?:should|must|have to|need to|can|could)|we (?:should|must|have to|need to|want to)|"
    r"i (?:want|need|have|would like) to|i'd like to|let'?s|let us|go ahead and|just|kindly|immediately|"
    r"be so kind and|be so kind as to|it is time to|time to|why don'?t (?:you|we)|how about (?:you|we)|"
    r"what if you(?: just)?|is it possible (?:for you )?to|would it be possible (?:for you )?to)[, ]+)*"
)
_DOING = (
    r"(?:delete|erase|wipe|drop|remove|set|turn|switch|shut|stop|start|reset|transfer|send|buy|sell|mint|disable|enable|"
    r"kill|restart|reboot|change|isolate|block|unblock|override|close|approve|execute|revoke|grant|increase|decrease|"
    r"raise|lower|disconnect|issue|call|book|order|hack|translate|sing|email|retrain|train|mute|silence|suppress|assign|"
    r"acknowledge|mark|announce|register|upload|swap|trade|flood|drain|poison|attack|burn|reconnect|unlock|quarantine|"
    r"install|uninstall|update|upgrade|add|create|edit|modify|overwrite|inject|forge|fake|hide|bypass|jog|trip|"
    r"reclose|redispatch|shed|ramp|whitelist|forward|notify|migrate|patch|clear|skip|pretend|forget|ignore|disregard|"
    r"cancel|deactivate|activate|terminate|abort|pause|withdraw|deploy|rename|encrypt|lock|revert|undo|"
    r"roll back|rollback|relearn|recompute|carry out|admit|dismiss|escalate|reassign|reopen|purge|flush|refill|"
    r"calibrate|recalibrate|replace|dispatch|trigger|launch|enforce|adjust|boost|throttle|rotate|schedule|commit|ack)"
)
_TO_AN_ASSET = (
    r"(?:open|empty|fill|put|leave|bring|take|make|force|tune|commission|run|pump|cut|keep|switch|hold|move|spin|fire)"
    r" (?:up |down |off |out |on )?(?:the |that |this |all |my |our )?ENTITY\b"
    r"(?! (?:forecast|history|level|pressure|flow))"
)
_DOING_SO = (
    r"(?:opening|closing|stopping|starting|restarting|rebooting|shutting|switching|turning|isolating|blocking|draining|"
    r"deleting|erasing|wiping|disabling|muting|silencing|resetting|raising|lowering|approving|executing|granting|"
    r"hiding|skipping|overriding|emptying|filling)"
)
_DONE = (
    r"(?:opened|closed|stopped|started|restarted|rebooted|shut|switched|turned|isolated|blocked|drained|deleted|erased|"
    r"wiped|disabled|muted|silenced|reset|raised|lowered|approved|executed|granted|hidden|skipped|overridden|emptied|"
    r"filled|put|taken|set|off|on|shut down|out of service)"
)
_THINGS = (
    r"(?:(?:mint|call|order|trade|swap|transfer|change|update|quarantine|reset)s? "
    r"(?:queue|log|history|list|trail|book|costs?|entropy|candidates?)\b|"
    r"kill chain\b|lower (?:and|or|bounds?)\b|install without\b)"
)
_ORDER = re.compile(rf"{_OPENING}(?!{_THINGS})(?:{_DOING}\s+\S|{_TO_AN_ASSET})")
_WISH = re.compile(
    rf"^(?:please |pls |so |and )?(?:i'?d like|i (?:want|need|would like|wish)|we (?:want|need|would like)|"
    rf"it (?:would|'?d) be (?:great|good|nice|fine) if|can|could|may|get|have)\b (?:to (?:have|get|see) )?"
    rf"(?:the |that |this |all |my |our )?ENTITY (?:were |was |is |be |to be |get )?{_DONE}\b"
)
_TO_BE_DONE = re.compile(
    r"^(?:please |pls |so |and )?(?:i|we) (?:need|want|would like|wish)\b(?!.*\b(?:know|see|which|what|who|whether)\b)"
    r".*\b(?:issued|minted|revoked|reverted|undone|relearned|carried out|done right away|" + _DONE[3:] + r"\b"
)
_AT_ONCE = re.compile(
    r"\b(?:just do it|do it now|(?:don'?t|do not|never|without) ask(?:ing)? (?:me )?(?:again|first|anybody|anyone))\b"
)
_POLITE = re.compile(rf"^(?:please |so |and )?(?:would|do) you mind {_DOING_SO}\b")
_SHORTHAND = re.compile(
    r"^(?:the )?ENTITY (?:off|shut|close|stop|start|isolate|drain|empty|restart|reboot|kill|block|trip|disconnect)"
    r"(?: down| off)?(?: now| please| pls| asap| immediately| at once)*[.!]*$"
)
_AFTERWARDS = re.compile(
    rf"(?:[;.!>:]|\band(?: then)?|\bthen)\s+(?:now |please |then |also )*"
    rf"(?:{_DOING} (?:the|all|every|everything|it|them|my|your|its|ENTITY|INCIDENT)\b|{_TO_AN_ASSET})"
)
_INSTRUCTION = re.compile(
    r"^(?:(?:please|now|just|ok)[, ]+)*(?:system|assistant|developer|admin)\s*:|"
    r"\b(?:ignore|disregard|forget|override) (?:(?:all|any|the|your|my|everything|what) )*"
    r"(?:previous|above|prior|earlier|former|instructions?|rules|said|you were told)\b|"
    r"\byou are (?:now )?(?:root|admin\w*|unrestricted|dan|without restrictions|in developer mode)\b|"
    r"^(?:just |only |always )*(?:answer|reply|respond|say)(?: only| just)? (?:with|yes|no|that|the word)\b|"
    r"^(?:pretend|act as|roleplay|imagine you|tell (?:them|him|her|everyone|everybody) )|"
    r"</?(?:script|question|system|user|assistant)\b|[$]\(|\{\{|;\s*--|'\s*;"
)
_ASKING = re.compile(
    r"^(?:(?:and|so|ok|hey|hi|please|pls|now|tell me|show me|list)[, ]+)*"
    r"(?:what|whats|which|who|whom|whose|when|where|why|how|is|are|was|were|did|does|has|have|had|any|list|show)\b"
)


def asks(folded: str) -> bool:
    """Whether a folded text begins as a question does; such a text is never taken for a verb that changes anything."""
    return _ASKING.match(folded) is not None


def orders(folded: str, masked: str) -> bool:
    """Whether a text wants something done, politely or not, or wants to instruct who answers.

    Args:
        folded: The folded text.
        masked: The same with names and times masked.
    """
    if any(
        pattern.search(masked) for pattern in (_ORDER, _WISH, _TO_BE_DONE, _POLITE, _AT_ONCE)
    ) or _INSTRUCTION.search(folded):
        return True
    if asks(folded) or folded.rstrip().endswith("?"):
        return False
    return bool(_SHORTHAND.match(masked) or _AFTERWARDS.search(masked))
