"""A tank with a pump and a valve: a small plant on disk that a killed process leaves as it was."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from industriverse.shield import Action, ActuatorCommand, CommandCandidate, Plan, RolloutOutcome
from industriverse.shield.plan import plan_id_of
from industriverse.signals import NANOSECONDS_PER_SECOND, ChannelEvidence, Incident, Ticket

NOW = 1_700_000_000 * NANOSECONDS_PER_SECOND
PRINCIPAL = "operator-7"
INCIDENT = Incident("incident-1", "plant", "pump-1", ("t1",), NOW)


@dataclass
class Clock:
    now_ns: int = NOW

    def __call__(self) -> int:
        return self.now_ns

    def advance(self, seconds: float) -> None:
        self.now_ns += int(seconds * NANOSECONDS_PER_SECOND)


@dataclass
class Tank:
    """Applies each command id once and logs every call, on disk where a path is given."""

    log_path: Path | None = None
    broken: set[str] = field(default_factory=set)
    calls: list[tuple[str, str]] = field(default_factory=list)
    active: dict[str, ActuatorCommand] = field(default_factory=dict)

    def apply(self, command: ActuatorCommand) -> None:
        self._log("apply", command.id)
        if command.target in self.broken:
            raise ConnectionError(f"{command.target} does not answer")
        self.active[command.id] = command

    def revert(self, command_id: str) -> None:
        self._log("revert", command_id)
        if command_id in self.broken:
            raise ConnectionError("no answer")
        self.active.pop(command_id, None)

    def _log(self, verb: str, command_id: str) -> None:
        self.calls.append((verb, command_id))
        if self.log_path is not None:
            with self.log_path.open("a") as file:
                file.write(json.dumps([verb, command_id]) + "\n")


def plan_of(*targets: str, irreversible: frozenset[str] = frozenset(), valid_for_s: int = 900) -> Plan:
    actions = tuple(
        Action(
            id=f"action-{i + 1}",
            verb="close_valve",
            target=target,
            value=None,
            entity=target,
            expected_free_energy_change_kt=-1.5,
            expected_loss_change=-10.0,
            reversible=target not in irreversible,
            cost=1.0,
            reversal="" if target in irreversible else "open it",
        )
        for i, target in enumerate(targets)
    )
    nothing, expected = RolloutOutcome(10.0, 100.0, "m3"), RolloutOutcome(1.0, 5.0, "m3")
    expiry = NOW + valid_for_s * NANOSECONDS_PER_SECOND
    draft = Plan("", "incident-1", PRINCIPAL, actions, NOW, expiry, nothing, expected, "because")
    return Plan(plan_id_of(draft), *[getattr(draft, name) for name in list(Plan.__slots__)[1:]])


def evidence(channel: str, share: float, **changes: object) -> ChannelEvidence:
    fields: dict[str, object] = {
        "entity": channel.split(".")[0],
        "unit": "m",
        "work": share,
        "heat": 0.0,
        "structure": 0.0,
        "actual": 5.0,
        "expected": 3.0,
        "temperature": 1.0,
    }
    return ChannelEvidence(channel=channel, share=share, **{**fields, **changes})  # type: ignore[arg-type]


def ticket(identifier: str, onset_s: float, *items: ChannelEvidence, stream: str = "plant") -> Ticket:
    onset = NOW + int(onset_s * NANOSECONDS_PER_SECOND)
    return Ticket(identifier, stream, onset, sum(e.share for e in items) or 1.0, 0.001, items)


def candidate(target: str, *, reversible: bool = True, cost: float = 1.0) -> CommandCandidate:
    return CommandCandidate("close_valve", target, entity=target, reversible=reversible, cost=cost)
