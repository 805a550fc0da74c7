"""What a question names: streams, assets, channels, records, units; recognised, and masked for comparison."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from industriverse.agents.answering.quantities import asked_unit
from industriverse.agents.answering.text import nearest
from industriverse.operations.asking import KnownNames
from industriverse.signals import Channel

__all__ = ["Reading", "read_naming"]

KINDS = frozenset(
    [
        "pump",
        "tank",
        "valve",
        "junction",
        "plc",
        "node",
        "sensor",
        "host",
        "bus",
        "line",
        "reactor",
        "compressor",
        "turbine",
        "controller",
        "pipe",
        "generator",
        "transformer",
        "boiler",
        "chiller",
        "motor",
        "fan",
        "server",
        "robot",
        "cell",
        "rack",
        "feeder",
        "meter",
    ]
)
"""Sorts of assets that are recognised although this installation may have none of them."""

QUANTITIES = frozenset(
    [
        "level",
        "pressure",
        "flow",
        "outflow",
        "inflow",
        "power",
        "speed",
        "voltage",
        "current",
        "temperature",
        "load",
    ]
)

_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?\b")
_IDS = {
    "plans": (re.compile(r"\bplan-[0-9a-f]{8,64}(?:\.[0-9a-f]+)?\b"), "PLANID"),
    "records": (re.compile(r"\b(?:state|shift|action|proof)-[\w.-]*\d[\w.-]*\w"), "RECORD"),
    "incidents": (re.compile(r"\bincident-[0-9a-f]{6,64}\b"), "INCIDENT"),
    "threads": (re.compile(r"\bresponse-[0-9a-z]{6,64}\b"), "THREAD"),
    "digests": (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{16,64}\b"), "DIGEST"),
}
_NUMBERED = re.compile(r"\b([a-z]{3,})(?:\s*[-#_]\s*|\s+(?:no\.?|number|nr\.?)\s*|\s*)(\d{1,6})\b(?![:.]\d)")
_NUMBER_WORDS = {
    word: str(i + 1)
    for i, word in enumerate(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"])
}
_ALSO = {"node": "junction", "jct": "junction", "motor": "pump", "reservoir": "tank", "controller": "plc"}
"""Other words for a sort, where an asset of that sort and number exists and none of the word itself."""
_NO_ABBREVIATIONS = frozenset(
    ["jan", "jun", "jul", "p", "a", "to", "in", "at", "by", "for", "last", "top", "plan", "pm", "am", "no"]
)
_NAMED_LIST = re.compile(
    r"\b(?P<kind>[a-z]{3,}?)s?(?P<first> ?\d{1,6})"
    r"(?P<rest>(?:\s*(?:,|and|&|or|\+|/|,\s*and)\s*\d{1,6}(?![\w.:]| ?(?:h|hrs?|hours?|min|minutes?|days?|s|sec)\b))+)"
)
_ABBREVIATED = re.compile(r"(?<![\w.-])(?P<short>[a-z]{1,4})\.?[\s-]?(?P<number>\d{1,6})(?![\w:.]\d|\w)")
_IMPLIED = {
    "level": r"\b(?:how full|how empty|how high|filled|fill level|fill height|water height"
    r"|height of|lvl|how much (?:water )?is in|stands?)\b",
    "flow": r"\b(?:deliver(?:s|ing)?|discharge|discharging|throughput"
    r"|flow rate|pushing|passing|passes|flw|pumping|flows?|gets? through)\b",
    "power": r"\b(?:draws?|drawing|consumes?|consumption|electricity|wattage|kw)\b",
    "pressure": r"\b(?:head|psi|mbar|kpa)\b",
    "running": r"\b(?:running|is (?:the )?pump \S+ (?:on|off)|on or off)\b",
    "open": r"\b(?:position|opening|open or (?:closed|shut)|closed)\b",
}
"""Words that mean an observed quantity which they do not name."""
_GENERIC_STREAM = re.compile(
    r"\b(?:the|our|this|that|my) (?:whole )?(?:water (?:network|plant|system)|network|plant|stream|system)\b"
)
_REFERS = re.compile(r"\b(?:it|its|it's|that|this|there|them|they|same)\b")


@dataclass(frozen=True, slots=True)
class Reading:
    """What was recognised in a question.

    Attributes:
        folded: The question, folded.
        masked: The same with names replaced by masks; times are still in it.
        streams: Names of streams.
        entities: Assets with their numbers, such as ``tank-1``, known or not.
        kinds: Sorts of assets named without a number, such as ``pump``.
        channels: Channels named in full.
        quantities: Observed quantities, such as ``level``.
        ids: Ids of incidents, plans, records, threads and digests, by sort.
        unit: The unit that was asked for, empty if none.
        refers: Whether it points at what was said before.
    """

    folded: str
    masked: str
    streams: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    quantities: tuple[str, ...] = ()
    ids: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unit: str = ""
    refers: bool = False

    @property
    def names_something(self) -> bool:
        """Whether it names a stream, an asset, a channel or an id."""
        return bool(self.streams or self.entities or self.kinds or self.channels or self.ids)


def _all_channels(names: KnownNames) -> Iterable[Channel]:
    return (channel for stream in names.streams for channel in stream.channels)


def _mask(pattern: re.Pattern[str], mask: str, reading: Reading) -> tuple[Reading, tuple[str, ...]]:
    found = tuple(dict.fromkeys(match[0] for match in pattern.finditer(reading.masked)))
    return replace(reading, masked=pattern.sub(f" {mask} ", reading.masked)), found


def _read_ids(reading: Reading) -> Reading:
    ids: dict[str, tuple[str, ...]] = {}
    reading, _ = _mask(_ADDRESS, "ADDRESS", reading)
    for sort, (pattern, mask) in _IDS.items():
        reading, found = _mask(pattern, mask, reading)
        if found:
            ids[sort] = found
    return replace(reading, ids=ids)


def _spelt(name: str) -> str:
    """Pattern of a name whose parts may be joined by any sign, or none."""
    return r"[\s_.-]*".join(re.escape(part) for part in re.split(r"[\s_.-]+", name.casefold()))


def _read_channels(reading: Reading, names: KnownNames) -> Reading:
    known = {channel.name.casefold(): channel.name for channel in _all_channels(names)}
    if not known or "." not in reading.masked:
        return reading
    pattern = re.compile(
        r"(?<![\w.-])(?:" + "|".join(re.escape(name) for name in sorted(known, key=len, reverse=True) if "." in name)
        + r")(?![\w-])"
    )  # fmt: skip
    if pattern.pattern.count("|") == 0 and not any("." in name for name in known):
        return reading
    reading, found = _mask(pattern, "ENTITY", reading)
    return replace(reading, channels=tuple(known[name] for name in found))


def _canonical_channels(text: str, names: KnownNames) -> str:
    """A text with channels written as they are named: ``tank_1_level`` and ``tank1.level`` become ``tank-1.level``."""
    for channel in _all_channels(names):
        parts = re.split(r"[_.-]+", channel.name.casefold())
        if len(parts) > 2 and parts[-1] in text:
            pattern = r"[_.-]?".join(re.escape(part) for part in parts[:-1]) + rf"[_.-]{re.escape(parts[-1])}"
            text = re.sub(rf"(?<![\w.-]){pattern}(?![\w-])", channel.name.casefold(), text)
    return text


def _written_out(text: str, known: dict[str, str]) -> str:
    """A text with lists and short forms of assets that exist written out: ``tanks 1 and 2``, ``j-15``."""

    def listed(match: re.Match[str]) -> str:
        numbers = [match["first"].strip(), *re.findall(r"\d+", match["rest"])]
        assets = [f"{match['kind']}-{number}" for number in numbers]
        return " and ".join(assets) if all(asset in known for asset in assets) else match[0]

    def short(match: re.Match[str]) -> str:
        if match["short"] in _NO_ABBREVIATIONS - {"p"}:
            return match[0]
        meant = [
            name
            for name in known
            if (parts := name.rsplit("-", 1))[-1] == match["number"]
            and _abbreviates(match["short"], parts[0])
        ]
        return meant[0] if len(meant) == 1 else match[0]

    def worded(match: re.Match[str]) -> str:
        asset = f"{match[1]}-{_NUMBER_WORDS[match[2]]}"
        return asset if asset in known else match[0]

    text = re.sub(
        rf"\b([a-z]{{3,}}) ({'|'.join(_NUMBER_WORDS)})\b(?! (?:hours?|hrs?|h|min|days?))", worded, text
    )
    return _ABBREVIATED.sub(short, _NAMED_LIST.sub(listed, text))


def _abbreviates(short: str, word: str) -> bool:
    """Whether the letters of a short form stand in a word in their order, its first letter first."""
    letters = iter(word)
    return short[:1] == word[:1] and short != word and all(letter in letters for letter in short)


def _kinds_of(names: KnownNames) -> dict[str, str]:
    entities = {channel.entity for channel in _all_channels(names) if channel.entity}
    entities |= {incident.entity for incident in names.incidents}
    return {entity.casefold(): entity for entity in entities}


def _read_entities(reading: Reading, names: KnownNames) -> Reading:
    known = _kinds_of(names)
    kinds = KINDS | {match[1] for name in known if (match := re.fullmatch(r"([a-z]{3,})-\d+", name))}
    found: dict[str, None] = {}

    def numbered(match: re.Match[str]) -> str:
        kind = match[1] if match[1] in kinds else match[1].removesuffix("s")
        if kind not in kinds:
            kind = nearest(match[1], kinds) or ""
        if not kind:
            return match[0]
        name = f"{kind}-{match[2]}"
        if name not in known and f"{_ALSO.get(kind, kind)}-{match[2]}" in known:
            name = f"{_ALSO[kind]}-{match[2]}"
        found.setdefault(known.get(name, name))
        return " ENTITY "

    text = reading.masked
    for name in sorted(known, key=len, reverse=True):
        if not re.fullmatch(r"[a-z]{3,}-\d+", name) and len(name) > 2:
            text, count = re.subn(rf"(?<![\w-]){_spelt(name)}(?![\w-])", " ENTITY ", text)
            if count:
                found.setdefault(known[name])
    text = _NUMBERED.sub(numbered, text)
    alone: dict[str, None] = {}

    def unnumbered(match: re.Match[str]) -> str:
        kind = match[1]
        # "In metres" asks for a unit, "in the meter" for an asset.
        if kind not in kinds or (
            kind == "meter" and re.search(r"(?:\bin|\d|UNIT) ?$", match.string[: match.start()])
        ):
            return match[0]
        alone.setdefault(kind)
        return "ENTITY"

    text = re.sub(r"\b([a-z]{3,}?)s?\b", unnumbered, text)
    return replace(reading, masked=" ".join(text.split()), entities=tuple(found), kinds=tuple(alone))


def _read_streams(reading: Reading, names: KnownNames, vocabulary: frozenset[str]) -> Reading:
    found: dict[str, None] = {}
    text = reading.masked
    for stream in sorted((stream.name for stream in names.streams), key=len, reverse=True):
        behind = r"(?:\s+(?:water\s+)?(?:network|plant|stream|system|feed))?"
        text, count = re.subn(rf"(?<![\w-])(?:stream\s+)?{_spelt(stream)}{behind}(?![\w-])", " STREAM ", text)
        if count:
            found.setdefault(stream)
    by_name = {stream.name.casefold(): stream.name for stream in names.streams}
    words = text.split()
    for position, word in enumerate(words):
        near = None if word in vocabulary or found else nearest(word.strip("?!.,"), by_name)
        if near:
            found.setdefault(by_name[near])
            words[position] = "STREAM"
    text = _GENERIC_STREAM.sub(" STREAM ", " ".join(words))
    return replace(reading, masked=" ".join(text.split()), streams=tuple(found))


def read_naming(folded: str, names: KnownNames, vocabulary: frozenset[str] = frozenset()) -> Reading:
    """Recognise what a question names.

    Args:
        folded: A folded question.
        names: What exists on the installation.
        vocabulary: Words that are never taken for a misspelt stream.
    """
    folded = _written_out(_canonical_channels(folded, names), _kinds_of(names))
    reading = _read_ids(Reading(folded, folded))
    reading = _read_channels(reading, names)
    reading = _read_entities(reading, names)
    reading = _read_streams(reading, names, vocabulary)
    masked, unit = asked_unit(reading.masked)
    observed = QUANTITIES | {
        channel.name.rsplit(".", 1)[-1].replace("_", " ") for channel in _all_channels(names)
    }
    quantities = tuple(
        sorted(q for q in observed if re.search(rf"\b{re.escape(q)}s?\b", folded) or _misspelt(q, folded))
    )
    if not quantities:
        quantities = tuple(
            sorted(q for q, said in _IMPLIED.items() if q in observed and re.search(said, folded))
        )
    return replace(
        reading, masked=masked, unit=unit, quantities=quantities, refers=bool(_REFERS.search(folded))
    )


def _misspelt(quantity: str, folded: str) -> bool:
    return any(nearest(word, (quantity,)) for word in re.findall(r"[a-z]{5,}", folded))
