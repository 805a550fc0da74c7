"""The words that records of the Atlas use, each with what it means: quantities, regimes, techniques, systems.

They are taken from the code that uses them, so that a regime, a technique or a quantity that is found in the graph
can be looked up there too.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cache

from industriverse.atlas.model import Term
from industriverse.eil.quarantine import ShiftState
from industriverse.operations.timeline import DISTURBED, RECOVERED, REFERENCE
from industriverse.shield.attack_techniques import ATTACK_VERSION, TECHNIQUES

__all__ = ["vocabulary", "vocabulary_digest"]

# Meanings and units are those of signals.ThermoReading.
_QUANTITIES = {
    "energy": "Mean of U(x) = -log pi(x) over a stretch, in kT of the reference.",
    "innovation_energy": "Energy of the one-step prediction error, in kT of the reference.",
    "temperature": "Variance of prediction errors over that of the reference; above 1 is hot. Dimensionless.",
    "entropy": "Information entropy of the recent window minus that of the reference, in nats.",
    "work": "Part of the free-energy excess due to shifted means, in kT of the reference.",
    "heat": "Part of the free-energy excess due to changed variances, in kT of the reference.",
    "structure": "Part of the free-energy excess due to changed correlations, in kT of the reference.",
    "entropy_production": "Irreversibility of the recent window, in nats per step.",
}
_REGIMES = {
    REFERENCE: "The clean samples that a stream was learned from: equilibrium, by definition.",
    DISTURBED: "From an alarm until the stream has been without one for two hours.",
    RECOVERED: "From the first sample after the last alarm of a disturbance.",
    "regime-N": "The N-th further regime that was admitted for a stream.",
}
_SHIFTS: dict[str, str] = {
    ShiftState.COLLECTING: "No admitted regime explains the stream, and samples of it are being collected.",
    ShiftState.QUARANTINED: "A candidate was fitted and waits for a person, a work order or a kept probation.",
    ShiftState.ADMITTED: "The candidate became a regime of the stream.",
    ShiftState.REFUSED: "Somebody refused the candidate.",
    ShiftState.PASSED: "The stream came back by itself.",
}
_SYSTEMS = {
    "relaxation": "A system that returns to rest along decaying exponentials.",
    "oscillator": "A system that swings about its rest at a frequency of its own.",
    "advection": "A quantity that is carried along, so that each place repeats the one before it later.",
    "queue": "Work that waits: it grows by arrivals and shrinks by service, and is never negative.",
    "epidemic": "A share that grows by contact and fades by recovery.",
    "predator_prey": "Two populations that chase each other around a cycle.",
    "restoring_walk": "A random walk that is drawn back to its centre.",
}


@cache
def vocabulary() -> tuple[Term, ...]:
    """Every word, broader ones before narrower ones."""
    return tuple(_words())


@cache
def vocabulary_digest() -> str:
    """SHA-256 of the vocabulary, hex: another one is another vocabulary."""
    return hashlib.sha256(json.dumps([asdict(term) for term in vocabulary()]).encode()).hexdigest()


def _words() -> Iterator[Term]:
    roots: dict[str, tuple[str, str, Mapping[str, str]]] = {
        "quantity": ("Quantity", "What the place of a state is made of.", _QUANTITIES),
        "regime": ("Regime", "What a stretch of a stream is called.", _REGIMES),
        "shift-state": ("State of a regime shift", "What became of a change of regime.", _SHIFTS),
        "canonical-system": ("Canonical system", "What the dynamics of a stream are like.", _SYSTEMS),
    }
    for root, (label, meaning, words) in roots.items():
        yield Term(root, label, meaning)
        for word, definition in words.items():
            yield Term(str(word), str(word).replace("_", " "), definition, (root,))
    yield Term("technique", "Technique of attack", f"A technique of {ATTACK_VERSION}.")
    tactics = sorted({technique.tactic for technique in TECHNIQUES.values()})
    yield from (Term(tactic, tactic, f"A tactic of {ATTACK_VERSION}.", ("technique",)) for tactic in tactics)
    for technique in TECHNIQUES.values():
        moved = f" In later releases {technique.successor}." if technique.successor else ""
        meaning = f"{technique.tactic}, {ATTACK_VERSION}.{moved}"
        yield Term(technique.id, technique.name, meaning, (technique.tactic,))
