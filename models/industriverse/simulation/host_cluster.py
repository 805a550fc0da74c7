"""A simulated host cluster: requests, an encryptor that spreads, data that leave, telemetry that may lie."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from industriverse.simulation.cluster_dynamics import (
    ClusterLaws,
    ClusterState,
    HostLoad,
    Orders,
    StepFlows,
    advance_cluster,
)
from industriverse.simulation.cluster_layout import (
    CAPACITY_PER_S,
    CHANNELS,
    COMMANDS,
    ENTROPY_CLEAN_BITS,
    HOSTS,
    QUANTITIES,
    TIERS,
)
from industriverse.simulation.plant import Command
from industriverse.simulation.stepped_plant import (
    Served,
    StepOutcome,
    SteppedPlant,
    SteppedSpec,
    first_strike,
)
from industriverse.simulation.strikes import Strike, acting, check_strikes

__all__ = [
    "STRIKE_KINDS",
    "HostClusterPlant",
    "cluster_telemetry",
    "day_profile",
    "orders_of",
    "rebuilding_requests",
]

STRIKE_KINDS: dict[str, tuple[str, ...]] = {
    "encrypt": HOSTS,
    "encrypt_stubborn": HOSTS,
    "mine": HOSTS,
    "exfiltrate": HOSTS,
    "stop_service": HOSTS,
    "flood": ("gateway",),
    "freeze": HOSTS,
}
"""What an intruder can do, and to what. ``amount``: part of the processor (mine), MB/s (exfiltrate), false
requests a second (flood); ``freeze`` repeats the telemetry of a host."""

REBUILD_HOURS = 8.0
"""Working hours that it takes to rebuild an encrypted host by hand."""

CIPHER_BITS = 7.95
_NOISE = {"cpu": 1.5, "disk_write": 0.5, "write_entropy": 0.08, "outbound": 0.15}
_GATEWAY_NOISE = (0.8, 0.8, 2.0)


def day_profile(second_of_day: float) -> float:
    """Requests a second expected at a time of day: a quiet night, a long working day."""
    hour = second_of_day / 3600
    return 62.0 + 34.0 * math.sin(2 * math.pi * (hour - 8.0) / 24.0)


def orders_of(commands: Sequence[Command], since_hours: Mapping[str, float]) -> Orders:
    """Commands in force as the cluster takes them; ``since_hours`` tells how long ago each id was given."""

    def targets(verb: str) -> frozenset[str]:
        return frozenset(command.target for command in commands if command.verb == verb)

    return Orders(
        suspended=targets("suspend_process"),
        isolated=targets("isolate_host"),
        outbound_blocked=targets("block_outbound"),
        guarded=targets("guard_service"),
        restoring={c.target: since_hours.get(c.id, 0.0) for c in commands if c.verb == "restore_host"},
        lateral_blocked=bool(targets("block_lateral")),
        rate_limited=bool(targets("limit_rate")),
    )


def rebuilding_requests(encrypted: Mapping[str, float]) -> float:
    """What encrypted files cost later: requests that a host serves at half load while it is rebuilt by hand."""
    return sum(
        share * 0.5 * CAPACITY_PER_S[tier] * REBUILD_HOURS * 3600
        for tier, hosts in TIERS.items()
        for share in (encrypted[host] for host in hosts)
    )


def cluster_telemetry(flows: StepFlows, seconds: float, asked_per_s: float) -> NDArray[np.float64]:
    """What instruments without noise show of a step, in the order of ``CHANNELS``."""
    values: list[float] = []
    for tier, hosts in TIERS.items():
        for host in hosts:
            disk = flows.disk_mb_s[host]
            cipher = flows.encrypting_mb_s[host] / disk if disk > 0 else 0.0
            entropy = (1 - cipher) * ENTROPY_CLEAN_BITS[tier] + cipher * CIPHER_BITS
            values += [100 * flows.cpu[host], disk, entropy, flows.outbound_mb_s[host]]
    waits = sum(flow.waits for flow in flows.tiers.values())
    return np.array([*values, asked_per_s, flows.answered / seconds, waits])


class HostClusterPlant(SteppedPlant[SteppedSpec]):
    """Four tiers of two hosts under a daily load; see ``cluster_dynamics`` for its laws.

    Args:
        spec: What determines the run.
    """

    name = "simulation of a host cluster (our own model)"

    def __init__(self, spec: SteppedSpec) -> None:
        check_strikes(spec.strikes, STRIKE_KINDS, "hosts or the gateway")
        super().__init__(spec, CHANNELS, COMMANDS, "requests")
        self._random = np.random.default_rng(spec.seed)
        self._state = ClusterState()
        self._laws = ClusterLaws()
        self._wander = 0.0
        self._given: dict[str, int] = {}
        self._frozen: dict[str, NDArray[np.float64]] = {}
        self.flows: StepFlows | None = None

    @property
    def attack_began_step(self) -> int | None:
        """First step at which the intruder acted, None so far. For evaluation only."""
        return first_strike(self.spec.strikes, self.step)

    def sample(self, step: int) -> StepOutcome:
        """Run one step."""
        seconds = self.interval_s
        expected = day_profile((self.spec.start_ns // 10**9 + step * seconds) % 86_400)
        self._wander = 0.9 * self._wander + 0.02 * float(self._random.standard_normal())
        genuine = expected * (1.0 + self._wander)
        flood = acting(self.spec.strikes, "flood", "gateway", step)
        false = flood.amount if flood is not None else 0.0
        active = self.board.active()
        for command in active:
            self._given.setdefault(command.id, step)
        since = {key: (step - first) * seconds / 3600 for key, first in self._given.items()}
        flows = advance_cluster(
            self._state,
            orders_of(active, since),
            {host: self._load(host, step) for host in HOSTS},
            genuine_per_s=genuine,
            false_per_s=false,
            laws=self._laws,
            seconds=seconds,
        )
        before = self._state.encrypted
        self._state, self.flows = flows.state, flows
        values = cluster_telemetry(flows, seconds, genuine + false)
        values = np.maximum(values + self._noise(), 0.0)
        self._freeze(values, step)
        newly = {host: max(self._state.encrypted[host] - before[host], 0.0) for host in HOSTS}
        return StepOutcome(values, Served(flows.genuine, flows.answered, rebuilding_requests(newly)))

    def _noise(self) -> NDArray[np.float64]:
        scale = np.array([*[_NOISE[quantity] for _ in HOSTS for quantity in QUANTITIES], *_GATEWAY_NOISE])
        return scale * self._random.standard_normal(scale.size)

    def _load(self, host: str, step: int) -> HostLoad:
        def find(kind: str) -> Strike | None:
            return acting(self.spec.strikes, kind, host, step)

        mine, carry = find("mine"), find("exfiltrate")
        stubborn = find("encrypt_stubborn") is not None
        return HostLoad(
            encrypting=stubborn or find("encrypt") is not None,
            stubborn=stubborn,
            stolen_cpu=0.0 if mine is None else mine.amount,
            outbound_mb_s=0.0 if carry is None else carry.amount,
            stopped=find("stop_service") is not None,
        )

    def _freeze(self, values: NDArray[np.float64], step: int) -> None:
        """Repeat the telemetry of hosts whose sensors are held."""
        for position, host in enumerate(HOSTS):
            columns = slice(position * len(QUANTITIES), (position + 1) * len(QUANTITIES))
            if acting(self.spec.strikes, "freeze", host, step) is None:
                self._frozen.pop(host, None)
            else:
                values[columns] = self._frozen.setdefault(host, values[columns].copy())
