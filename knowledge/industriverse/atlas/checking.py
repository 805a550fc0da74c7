"""Whether graph, objects, archive and outbox agree, and what to do where they do not."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from industriverse.atlas.applying import Applier, write
from industriverse.atlas.archive import Archive
from industriverse.atlas.codec import KIND_OF
from industriverse.atlas.cypher_tools import OBJECT_KEYS, SHIFTS_WITHOUT_TRANSITION, TRANSITIONS
from industriverse.atlas.engine import Statement
from industriverse.atlas.errors import AtlasError, ObjectCorruptError, ObjectMissingError
from industriverse.atlas.fields import manifest_of
from industriverse.atlas.graph import GraphAtlas
from industriverse.atlas.model import EnergyState, Kind, Proof, Record, Transition
from industriverse.atlas.objects import ObjectStore
from industriverse.atlas.outbox import Entry, Outbox, Status

__all__ = ["CheckReport", "Drift", "Finding", "check"]

_GRACE = timedelta(hours=1)
_PAGE = 1_000


class Drift(StrEnum):
    """How two stores can disagree."""

    MISSING_OBJECT = "missing object"
    WRONG_HASH = "wrong hash"
    ORPHAN_OBJECT = "orphan object"
    MISSING_TRANSITION = "missing transition"
    MISSING_RECORD = "missing record"
    REFUSED_ENTRY = "refused entry"


@dataclass(frozen=True, slots=True)
class Finding:
    """One disagreement.

    Attributes:
        drift: What kind.
        subject: Key of an object, id of a record, sequence of an entry.
        detail: Who refers to it, or why.
        repaired: Whether it was put right.
    """

    drift: Drift
    subject: str
    detail: str
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found.

    Attributes:
        findings: In the order of the checks.
        objects: Objects that were read and hashed.
        references: Objects that graph and archive name.
        entries: Entries of the outbox that were compared.
        pending: Entries that still wait; their writes are not missing.
    """

    findings: tuple[Finding, ...]
    objects: int
    references: int
    entries: int
    pending: int

    @property
    def clean(self) -> bool:
        """Whether nothing is left to repair."""
        return all(finding.repaired for finding in self.findings)


@dataclass(frozen=True, slots=True)
class _Stores:
    atlas: GraphAtlas
    objects: ObjectStore
    outbox: Outbox | None
    sources: Sequence[ObjectStore]
    repair: bool


def check(
    atlas: GraphAtlas,
    objects: ObjectStore,
    outbox: Outbox | None = None,
    *,
    repair: bool = False,
    sources: Sequence[ObjectStore] = (),
    keep: Collection[str] = (),
    held: Mapping[str, str] = MappingProxyType({}),
    records: Sequence[Record] = (),
    progress: Callable[[str, int], None] | None = None,
    grace: timedelta = _GRACE,
    now: datetime | None = None,
) -> CheckReport:
    """Compare the stores; with ``repair``, put right what can be.

    Missing and damaged objects come back from the outbox or from ``sources``; records and transitions from
    the outbox; a transition that a shift testifies to is drawn with an unknown cause; orphans are deleted,
    except while entries wait, for these may refer to them.

    Args:
        atlas: The graph.
        objects: The object store.
        outbox: Entries carried over and not pruned are compared with the graph.
        repair: Whether to change anything.
        sources: Object stores to take lost objects from, such as that of a backup.
        keep: Keys of objects that others may refer to; they are no orphans.
        held: Keys of objects that others refer to, with who does; they must be there.
        records: What others, such as the ledger, testify to; it must be in the graph.
        progress: Told what was looked at and how many of it so far.
        grace: An object younger than this is no orphan: what refers to it may be about to be written.
        now: The time to judge the age of objects by.

    Raises:
        AtlasUnreachableError: If a store does not answer.
    """
    stores = _Stores(atlas, objects, outbox, sources, repair)
    pending = outbox.counts()[Status.PENDING] if outbox else 0
    # References first: an object that is referred to after this is younger than the grace.
    references = _references(atlas, objects, held)
    tell = progress or _silent
    present: set[str] = set()
    findings: list[Finding] = []
    old: list[str] = []
    oldest_orphan = (now or datetime.now(UTC)) - grace
    for info in objects.objects():
        present.add(info.key)
        tell("objects", len(present))
        if not objects.intact(info.key):
            findings.append(_heal(stores, Drift.WRONG_HASH, info.key, references.get(info.key, "nothing")))
            continue
        if info.modified < oldest_orphan:
            old.append(info.key)
        if info.key in references:
            _expand(objects, info.key, references)
    findings += _orphans(stores, references, old, keep) if pending == 0 else []
    lost = [(key, owner) for key, owner in references.items() if key not in present]
    findings += [_heal(stores, Drift.MISSING_OBJECT, key, owner) for key, owner in lost]
    entries = 0
    if outbox:
        entries, drifts = _compare(stores)
        findings += drifts
        findings += [
            Finding(Drift.REFUSED_ENTRY, str(entry.sequence), entry.reason) for entry in outbox.refused()
        ]
    findings += _testified(stores, records)
    findings += _unlinked_shifts(stores)
    return CheckReport(tuple(findings), len(present), len(references), entries, pending)


def _silent(_: str, __: int) -> None:
    """No one asked to be told."""


def _expand(objects: ObjectStore, key: str, references: dict[str, str]) -> None:
    """What a field consists of is referred to by whoever refers to the field."""
    manifest = manifest_of(objects, key)
    if manifest is not None:
        references |= dict.fromkeys(manifest.keys, f"field {key[:12]}…")


def _orphans(
    stores: _Stores, references: Mapping[str, str], old: Sequence[str], keep: Collection[str]
) -> list[Finding]:
    found = [key for key in old if key not in references and key not in keep]
    if stores.repair:
        for key in found:
            stores.objects.delete(key)
    return [Finding(Drift.ORPHAN_OBJECT, key, "nothing refers to it", stores.repair) for key in found]


def _testified(stores: _Stores, records: Sequence[Record]) -> list[Finding]:
    """Records that others know of and the graph does not."""
    findings = []
    for record in records:
        kind = KIND_OF[type(record)]
        if stores.atlas.record(kind, record.id) is not None:
            continue
        finding = Finding(Drift.MISSING_RECORD, f"{kind} {record.id}", "another store testifies to it")
        if stores.repair:
            write(stores.atlas, record)
            finding = replace(finding, repaired=True)
        findings.append(finding)
    return findings


def _references(atlas: GraphAtlas, objects: ObjectStore, held: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = dict(held)
    for kind, text in OBJECT_KEYS.items():
        [rows] = atlas.engine.read([Statement(text)])
        found |= {row["key"]: f"{kind} {row['id']}" for row in rows}
    archive = Archive(atlas, objects)
    for segment in archive.segments():
        found[segment.id] = f"segment of {segment.states} archived states"
    try:
        found |= {key: f"archived {Kind.STATE} {identifier}" for identifier, key in archive.evidence()}
    except (ObjectMissingError, ObjectCorruptError):
        # The segment itself is among the findings; what it refers to is unknown until it is back.
        return _Unknown(found)
    return found


class _Unknown(dict[str, str]):
    """References of which some cannot be read: nothing may be called an orphan."""

    def __contains__(self, _: object) -> bool:
        return True


def _contents(outbox: Outbox) -> Iterator[tuple[str, bytes]]:
    import hashlib

    for entry in outbox.history():
        if entry.content is not None:
            yield hashlib.sha256(entry.content).hexdigest(), entry.content


def _heal(stores: _Stores, drift: Drift, key: str, owner: str) -> Finding:
    finding = Finding(drift, key, f"{owner} refers to it")
    if not stores.repair:
        return finding
    if stores.outbox:
        for digest, content in _contents(stores.outbox):
            if digest == key:
                stores.objects.put_bytes(content)
                return replace(finding, repaired=True)
    for source in stores.sources:
        try:
            stores.objects.put_bytes(source.get_bytes(key))
        except (ObjectMissingError, ObjectCorruptError):
            continue
        return replace(finding, repaired=True)
    return finding


def _compare(stores: _Stores) -> tuple[int, list[Finding]]:
    outbox = stores.outbox
    assert outbox is not None
    applier = Applier(outbox, stores.atlas, stores.objects)
    archive = Archive(stores.atlas, stores.objects)
    last: dict[tuple[str, ...], Entry] = {}
    count = 0
    for entry in outbox.history():
        count += 1
        if entry.record is not None:
            last[_name(entry)] = replace(entry, content=None)
    findings: list[Finding] = []
    for entry in sorted(last.values(), key=lambda one: one.sequence):
        if _holds(stores.atlas, archive, entry):
            continue
        drift = Drift.MISSING_TRANSITION if isinstance(entry.record, Transition) else Drift.MISSING_RECORD
        finding = Finding(drift, " ".join(_name(entry)[1:]), f"entry {entry.sequence} of the outbox")
        if stores.repair:
            try:
                applier.repeat(entry)
                finding = replace(finding, repaired=True)
            except AtlasError as error:
                finding = replace(finding, detail=f"{finding.detail}: {error}")
        findings.append(finding)
    return count, findings


def _name(entry: Entry) -> tuple[str, ...]:
    record = entry.record
    assert record is not None
    if isinstance(record, Transition):
        return ("Transition", record.source, record.target)
    return (type(record).__name__, record.id)


def _holds(atlas: GraphAtlas, archive: Archive, entry: Entry) -> bool:
    record = entry.record
    assert record is not None
    if isinstance(record, Transition):
        [rows] = atlas.engine.read([Statement(TRANSITIONS, {"ids": [record.source]})])
        ends = [row["target"] for row in rows]
        return record.target in ends or _archived(archive, record)
    found = atlas.record(KIND_OF[type(record)], record.id)
    if found is None and isinstance(record, EnergyState):
        return archive.state(record.id) is not None
    if isinstance(found, EnergyState | Proof) or found is None:
        return found == record
    return True


def _archived(archive: Archive, transition: Transition) -> bool:
    ends = (transition.source, transition.target)
    return any(
        (one.source, one.target) == ends for identifier in ends for one in archive.transitions(identifier)
    )


def _unlinked_shifts(stores: _Stores) -> list[Finding]:
    [rows] = stores.atlas.engine.read([Statement(SHIFTS_WITHOUT_TRANSITION)])
    findings: list[Finding] = []
    try:
        led_to = Archive(stores.atlas, stores.objects).led_to({row["state"] for row in rows})
    except (ObjectMissingError, ObjectCorruptError):
        # The segment is among the findings, and whether anything is missing is seen when it is back.
        return findings
    for row in rows:
        if row["state"] in led_to:
            continue
        finding = Finding(
            Drift.MISSING_TRANSITION,
            f"{row['source'] or '?'} {row['state']}",
            f"shift {row['shift']} was detected in a state that nothing leads to",
        )
        if stores.repair and row["source"]:
            stores.atlas.link_transitions([Transition(row["source"], row["state"])])
            finding = replace(finding, repaired=True)
        findings.append(finding)
    return findings
