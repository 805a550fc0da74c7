"""Event-stream benchmark: flows, commands, system calls and logs, ours beside counts, IForest and trivial rows.

    python benchmarks/events.py --data $INDUSTRIVERSE_DATA [--sets flows,packets,traces,jobs] [--json out.json]

Every method is fitted and calibrated on clean rows alone, split in time, with one configuration for all sets.
Labels of the test part serve the measurement only; those of the training part serve only to leave attacks out.
The budget is 1 % of the clean decisions everywhere. Rows marked "oracle" set their threshold on the test labels.
"""

import argparse
import json
import platform
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from industriverse.eil.events import EventDetector, SessionDetector
from industriverse.signals.events import Event

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

BUDGET = 0.01  # share of clean decisions that may be false alarms
SECOND_NS = 10**9
SECONDS_PER_DAY = 86_400.0
SEED = 7


@dataclass(frozen=True)
class Unit:
    """One split of one set: clean decisions to fit on, decisions to judge, and their labels.

    A decision is an event, or a session (a list of symbols).
    """

    set: str
    name: str
    clean: Sequence[Any]
    test: Sequence[Any]
    labels: Flags
    note: str


@dataclass(frozen=True)
class Row:
    """Figures of one method on one unit."""

    set: str
    unit: str
    method: str
    decisions: int
    anomaly_rate: float
    auc: float
    auc_low: float
    auc_high: float
    auc_pr: float
    realised_fpr: float
    tpr: float
    tpr_at_oracle_1_percent: float
    us_per_decision: float
    promise: str


# ---------------------------------------------------------------------------------------------- sets


def flows(data: Path) -> Iterator[Unit]:
    """Connections without time or host: rows are numbered seconds apart, each is its own entity."""
    table = pd.read_parquet(data / "nsl_kdd" / "train20.parquet")
    labels = table["label"].to_numpy() == 1
    fields = table.drop(columns=["attack", "difficulty", "label"])
    events = [
        Event(0, f"row {i}", f"flow {record['protocol_type']} {record['service']}", record)
        for i, record in enumerate(_records(fields))
    ]
    half = len(events) // 2
    clean = [event for event, label in zip(events[:half], labels, strict=False) if not label]
    numbered = [
        replace(event, timestamp_ns=i * SECOND_NS) for i, event in enumerate([*clean, *events[half:]])
    ]
    note = "clean rows of the first half, all rows of the second"
    yield Unit("nsl_kdd", "halves", numbered[: len(clean)], numbered[len(clean) :], labels[half:], note)
    joined = [replace(event, entity="all hosts") for event in numbered]
    note += "; all rows one entity, so attacks disturb the history of their neighbours"
    yield Unit("nsl_kdd", "one entity", joined[: len(clean)], joined[len(clean) :], labels[half:], note)


def packets(data: Path) -> Iterator[Unit]:
    """Packets of a SCADA sandbox; entity is the conversation, symbol the function or the TCP flags."""
    folder = data / "modbus_lemay"
    first, first_labels = _packets(folder / "moving_two_files_modbus_6RTU.parquet")
    later, later_labels = _packets(folder / "characterization_modbus_6RTU_with_operate.parquet")
    clean = [event for event, label in zip(first, first_labels, strict=True) if not label]
    note = "clean packets of the earlier capture, all packets of the later one"
    yield Unit("modbus_lemay", "next capture", clean, later, later_labels, note)
    for name, events, labels in (("moving", first, first_labels), ("characterize", later, later_labels)):
        stop = len(events) // 4
        clean = [event for event, label in zip(events[:stop], labels, strict=False) if not label]
        note = "clean packets of the first quarter of a capture, all packets of the rest"
        yield Unit("modbus_lemay", name, clean, events[stop:], labels[stop:], note)


def _packets(path: Path) -> tuple[list[Event], Flags]:
    table = pd.read_parquet(path)
    return [_packet(record) for record in _records(table)], table["label"].to_numpy() == 1


def _records(table: Any) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in record.items()} for record in table.to_dict("records")]


def _packet(record: dict[str, Any]) -> Event:
    known = {name: value for name, value in record.items() if value is not None and value == value}
    fields: dict[str, str | int | float] = {"length": int(known["length"])}
    if "payload_len" in known:
        fields["payload_length"] = int(known["payload_len"])
    if "sport" in known:
        fields["service_port"] = str(int(min(known["sport"], known["dport"])))
    if "modbus_unit" in known:
        fields["unit"] = str(int(known["modbus_unit"]))
    fields |= {name: str(known[name]) for name in ("src", "dst") if name in known}
    if "modbus_payload_hex" in known:
        fields["values"] = str(known["modbus_payload_hex"])[:64]
    if "modbus_fc" in known:
        symbol = f"modbus {int(known['modbus_fc'])} {'request' if known['dport'] == 502 else 'response'}"
    elif "tcp_flags" in known:
        symbol = f"tcp {int(known['tcp_flags'])}"
    else:
        symbol = f"packet {known.get('ethertype', '-')} {known.get('proto', '-')}"
    entity = f"{known.get('src', '-')} > {known.get('dst', '-')}"
    return Event(round(known["ts"] * 1e6) * 1000, entity, symbol, fields)


def traces(data: Path) -> Iterator[Unit]:
    """System-call traces; the published split: training traces against validation and attack traces."""
    table = pd.read_parquet(data / "adfa_ld" / "adfa_ld.parquet")
    training = table["group"].str.startswith("Training").to_numpy()
    sessions = [text.split() for text in table["syscalls"]]
    clean = [session for session, chosen in zip(sessions, training, strict=True) if chosen]
    test = [session for session, chosen in zip(sessions, training, strict=True) if not chosen]
    labels = table["label"].to_numpy()[~training] == 1
    yield Unit("adfa_ld", "published split", clean, test, labels, "training traces, then all others")


def jobs(data: Path) -> Iterator[Unit]:
    """Log templates of jobs; labels belong to whole applications, sequences to their containers."""
    table = pd.read_parquet(data / "ait_logs" / "hadoop_loghub.parquet")
    sessions = [line.split(",", 1)[1].split() for line in table["line"]]
    split = table["split"].to_numpy()
    clean = [session for session, part in zip(sessions, split, strict=True) if part == "train"]
    test = [session for session, part in zip(sessions, split, strict=True) if part != "train"]
    labels = split[split != "train"] == "test_abnormal"
    yield Unit("ait_logs", "published split", clean, test, labels, f"only {len(clean)} clean sequences")


SETS: dict[str, Callable[[Path], Iterator[Unit]]] = {
    "flows": flows,
    "packets": packets,
    "traces": traces,
    "jobs": jobs,
}


# ------------------------------------------------------------------------------------------- methods


@dataclass(frozen=True)
class Judged:
    """Scores and alarms of a method on the test part."""

    scores: Array
    alarms: Flags
    promise: str = ""


def ours(unit: Unit) -> Judged:
    if not isinstance(unit.clean[0], Event):
        sessions = SessionDetector(alarm_share=BUDGET).fit(unit.clean)
        judged = [sessions.score(session) for session in unit.test]
        promise = "certified" if sessions.certified else "not certifiable: too few clean sessions"
        return Judged(np.array([r.score for r in judged]), np.array([r.alarm for r in judged]), promise)
    span_days = (unit.clean[-1].timestamp_ns - unit.clean[0].timestamp_ns) / (SECOND_NS * SECONDS_PER_DAY)
    budget_per_day = BUDGET * len(unit.clean) / span_days
    detector = EventDetector(budget_per_day, refractory_s=0.0).fit(unit.clean)
    readings = detector.score(unit.test)
    return Judged(readings.score, event_alarms(detector, readings.p_value), detector.calibration.statement())


def event_alarms(detector: EventDetector, p_values: Array) -> Flags:
    """Decisions on single events: the event's own surprise reaches the threshold of the budget."""
    return np.asarray(p_values <= np.exp(-detector.calibration.threshold))


def ours_with_entities(unit: Unit) -> Judged:
    """As ours, but an event is also in alarm while its entity is: what tickets are raised from."""
    if not isinstance(unit.clean[0], Event):
        raise NotApplicableError
    span_days = (unit.clean[-1].timestamp_ns - unit.clean[0].timestamp_ns) / (SECOND_NS * SECONDS_PER_DAY)
    detector = EventDetector(BUDGET * len(unit.clean) / span_days, refractory_s=0.0).fit(unit.clean)
    readings = detector.score(unit.test)
    scores = -np.log(np.maximum(np.minimum(readings.p_value, readings.entity_p_value), 1e-300))
    return Judged(scores, readings.alarm, detector.calibration.statement())


class NotApplicableError(Exception):
    """A method says nothing about this kind of decision."""


def frequency(unit: Unit) -> Judged:
    """Mean ``-ln`` of the clean frequency of the symbols (of symbol and entity for events)."""
    return _from_clean_share(unit, lambda known: _frequency_model(known))


def _frequency_model(clean: Sequence[Any]) -> Callable[[Sequence[Any]], Array]:
    counts = Counter(word for decision in clean for word in _words(decision))
    total, kinds = sum(counts.values()), len(counts) + 1

    def score(decisions: Sequence[Any]) -> Array:
        return np.array(
            [
                np.mean([-np.log((counts[word] + 1) / (total + kinds)) for word in _words(d)])
                for d in decisions
            ]
        )

    return score


def iforest(unit: Unit) -> Judged:
    """Isolation forest on counts of symbols (sessions) or on one-hot and numeric fields (events)."""
    return _from_clean_share(unit, _iforest_model)


def _iforest_model(clean: Sequence[Any]) -> Callable[[Sequence[Any]], Array]:
    vocabulary = {word: i for i, word in enumerate(sorted({w for d in clean for w in _words(d)}))}
    numbers = sorted({name for d in clean for name, value in _numbers(d) if value is not None})

    def table(decisions: Sequence[Any]) -> Array:
        values = np.zeros((len(decisions), len(vocabulary) + 1 + len(numbers)))
        for row, decision in enumerate(decisions):
            for word, count in Counter(_words(decision)).items():
                values[row, vocabulary.get(word, len(vocabulary))] += count
            given = dict(_numbers(decision))
            for column, name in enumerate(numbers):
                values[row, len(vocabulary) + 1 + column] = given.get(name) or 0.0
        return values

    forest = IsolationForest(n_estimators=200, random_state=SEED).fit(table(clean))
    return lambda decisions: -np.asarray(forest.score_samples(table(decisions)), dtype=np.float64)


def _words(decision: Any) -> list[str]:
    if not isinstance(decision, Event):
        return list(decision)
    texts = [f"{name}={value}" for name, value in decision.fields.items() if isinstance(value, str)]
    return [decision.symbol, *(text for text in texts if not text.startswith("values="))]


def _numbers(decision: Any) -> list[tuple[str, float | None]]:
    if not isinstance(decision, Event):
        return []
    return [(name, float(value)) for name, value in decision.fields.items() if not isinstance(value, str)]


def _from_clean_share(unit: Unit, fit: Callable[[Sequence[Any]], Callable[[Sequence[Any]], Array]]) -> Judged:
    """Fit on 80 % of the clean decisions, take the threshold on the last 20 %, as a person would."""
    cut = int(0.8 * len(unit.clean))
    threshold = float(np.quantile(fit(unit.clean[:cut])(unit.clean[cut:]), 1.0 - BUDGET, method="higher"))
    scores = fit(unit.clean)(unit.test)
    return Judged(scores, scores > threshold)


def always(unit: Unit) -> Judged:
    return Judged(np.zeros(len(unit.test)), np.ones(len(unit.test), dtype=bool))


def never(unit: Unit) -> Judged:
    return Judged(np.zeros(len(unit.test)), np.zeros(len(unit.test), dtype=bool))


def random(unit: Unit) -> Judged:
    scores = np.random.default_rng(SEED).random(len(unit.test))
    return Judged(scores, scores > 1.0 - BUDGET)


METHODS: dict[str, Callable[[Unit], Judged]] = {
    "ours": ours,
    "ours, entity too": ours_with_entities,
    "frequency": frequency,
    "IForest counts": iforest,
    "random": random,
    "always": always,
    "never": never,
}


# ------------------------------------------------------------------------------------------- figures


def evaluate(unit: Unit, method: str) -> Row | None:
    began = time.process_time()
    try:
        judged = METHODS[method](unit)
    except NotApplicableError:
        return None
    spent = time.process_time() - began
    labels, scores = unit.labels, judged.scores
    if len(scores) != len(unit.test) or len(judged.alarms) != len(unit.test):
        raise SystemExit(f"{unit.set} {unit.name}: decisions in and out differ for {method}")
    false_rates, true_rates, _ = roc_curve(labels, scores)
    low, high = auc_interval(labels, scores)
    return Row(
        set=unit.set,
        unit=unit.name,
        method=method,
        decisions=len(labels),
        anomaly_rate=float(labels.mean()),
        auc=float(roc_auc_score(labels, scores)),
        auc_low=low,
        auc_high=high,
        auc_pr=float(average_precision_score(labels, scores)),
        realised_fpr=float(judged.alarms[~labels].mean()),
        tpr=float(judged.alarms[labels].mean()),
        tpr_at_oracle_1_percent=float(true_rates[np.searchsorted(false_rates, BUDGET, side="right") - 1]),
        us_per_decision=1e6 * spent / (len(unit.clean) + len(unit.test)),
        promise=judged.promise,
    )


def auc_interval(labels: Flags, scores: Array, *, blocks: int = 50, draws: int = 200) -> tuple[float, float]:
    """95 % interval of the AUC by bootstrap over contiguous blocks of decisions."""
    generator = np.random.default_rng(SEED)
    parts = np.array_split(np.arange(len(labels)), blocks)
    found = []
    for _ in range(draws):
        chosen = np.concatenate([parts[i] for i in generator.integers(0, blocks, blocks)])
        if labels[chosen].any() and not labels[chosen].all():
            found.append(roc_auc_score(labels[chosen], scores[chosen]))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def show(unit: Unit, rows: list[Row]) -> None:
    print(f"\n{unit.set}, {unit.name}: {unit.note}")
    print(
        f"{len(unit.clean)} clean decisions, {len(unit.test)} judged, anomaly rate {unit.labels.mean():.3f}"
    )
    print(
        f"{'':18}{'AUC':>7}{'95 %':>16}{'AUC-PR':>8}{'real. FPR':>11}{'TPR':>8}{'TPR@1% oracle':>15}{'us, fit too':>13}"
    )
    for row in rows:
        interval = f"{row.auc_low:.3f}-{row.auc_high:.3f}"
        print(
            f"{row.method:18}{row.auc:7.4f}{interval:>16}{row.auc_pr:8.3f}{row.realised_fpr:11.4f}"
            f"{row.tpr:8.3f}{row.tpr_at_oracle_1_percent:15.3f}{row.us_per_decision:13.1f}",
            flush=True,
        )
    for row in rows:
        if row.promise:
            print(f"  {row.method}: {row.promise}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled telemetry")
    parser.add_argument("--sets", default=",".join(SETS), help=f"of {', '.join(SETS)}")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    rows: list[Row] = []
    for name in arguments.sets.split(","):
        if name not in SETS:
            parser.error(f"there is no set {name!r}; choose of {', '.join(SETS)}")
        for unit in SETS[name](arguments.data):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the trivial rows have undefined intervals in resampling
                found = [row for method in METHODS if (row := evaluate(unit, method)) is not None]
            show(unit, found)
            rows += found
    if arguments.json:
        machine = {"machine": platform.platform(), "python": platform.python_version()}
        content = {"machine": machine, "budget": BUDGET, "rows": [asdict(row) for row in rows]}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
