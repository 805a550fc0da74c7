"""The operator's view of the host cluster: which program is at work where, and what commands lead to.

The operator knows the laws of queues and load, an ordinary day and general rates of encryptors (other ones than
those of the plant). Everything else is read from telemetry: what a host shows beyond what its requests explain.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from industriverse.signals import NANOSECONDS_PER_SECOND, Frame
from industriverse.simulation.cluster_dynamics import (
    ANSWER_MB,
    CPU_OF_LOAD,
    DISK_MB,
    IDLE_DISK_MB_S,
    OVERHEAD_CPU,
    ClusterLaws,
    ClusterState,
    HostLoad,
    advance_cluster,
)
from industriverse.simulation.cluster_layout import CAPACITY_PER_S, CHANNELS, HOSTS, TIERS
from industriverse.simulation.errors import TwinError
from industriverse.simulation.host_cluster import (
    cluster_telemetry,
    day_profile,
    orders_of,
    rebuilding_requests,
)
from industriverse.simulation.plant import Command, CommandSpec, Prediction
from industriverse.simulation.stepped_plant import Served, add_up

__all__ = ["ClusterOperator"]

RECENT_SAMPLES = 3
"""Samples over which a host is looked at: fewer are noise, more are yesterday's news."""

ENTROPY_STEP_BITS, STOLEN_CPU, CARRIED_MB_S, FLOOD_FACTOR = 0.6, 0.10, 1.5, 1.3
"""What has to be unexplained before it is taken for a program of somebody else."""

GENERAL_LAWS = ClusterLaws(encrypt_per_hour=0.25, spread_hours=1.0, encrypt_cpu=0.30, encrypt_mb_s=20.0)


@dataclass(frozen=True, slots=True)
class _HostSeen:
    """What a host shows, split into what its requests explain and what they do not.

    Attributes:
        cipher: Whether it writes more disorder than its files have.
        cpu_of_load: Part of the processor that its requests take.
        stolen_cpu: Part of the processor that neither requests nor the system explain.
        carried_mb_s: What leaves the host beside answers, MB/s.
    """

    cipher: bool
    cpu_of_load: float
    stolen_cpu: float
    carried_mb_s: float

    @staticmethod
    def of(recent: Frame, explained: Frame, host: str, tier: str) -> "_HostSeen":
        """Look at the latest samples of a host beside what instruments would show without anybody else."""

        def mean(quantity: str) -> float:
            return float(recent.column(f"{host}.{quantity}").mean())

        disorder = mean("write_entropy") - float(explained.column(f"{host}.write_entropy")[0])
        cipher = disorder > ENTROPY_STEP_BITS
        spare = max(mean("cpu") - OVERHEAD_CPU, 0.0) / 100
        # Every request writes its part, so what is written tells how many came, unless somebody else writes.
        served = max(mean("disk_write") - IDLE_DISK_MB_S, 0.0) / DISK_MB
        of_load = CPU_OF_LOAD * served / CAPACITY_PER_S[tier]
        if cipher:
            of_load = max(spare - GENERAL_LAWS.encrypt_cpu, 0.0)
        answers = served * ANSWER_MB if tier == "web" and not cipher else 0.0
        carried = mean("outbound") - answers if tier != "web" or not cipher else 0.0
        return _HostSeen(cipher, of_load, max(spare - of_load, 0.0), max(carried, 0.0))


class ClusterOperator:
    """Telemetry in, expectations out; see ``plant.OperatorModel``.

    Args:
        interval_s: Seconds between predicted samples.
    """

    horizon_hours = 12.0
    settling_hours = 4.0
    evidence_hours = 8.0

    def __init__(self, interval_s: int) -> None:
        self._interval_s = interval_s
        self._start_ns: int | None = None
        self._loads: dict[str, HostLoad] = {}
        self._encrypted: dict[str, float] = dict.fromkeys(HOSTS, 0.0)
        self._false_per_s = 0.0
        self._old: frozenset[str] = frozenset()
        self._frozen: tuple[str, ...] = ()

    def observe(self, frame: Frame, clean: Frame, active: Sequence[Command]) -> None:  # noqa: ARG002
        """Read what each host does beyond what its requests explain."""
        recent = frame.rows(max(0, len(frame) - RECENT_SAMPLES))
        self._start_ns = int(frame.timestamps_ns[-1]) + self._interval_s * NANOSECONDS_PER_SECOND
        self._old = frozenset(command.id for command in active)
        asked = float(recent.column("gateway.requests").mean())
        nominal = day_profile(float(frame.timestamps_ns[-1] // NANOSECONDS_PER_SECOND % 86_400))
        self._false_per_s = asked - nominal if asked > FLOOD_FACTOR * nominal else 0.0
        explained = self._explained(asked, active)
        self._frozen = tuple(host for host in HOSTS if _is_frozen(frame, host))
        suspended = {command.target for command in active if command.verb == "suspend_process"}
        seen = {
            host: _HostSeen.of(recent, explained, host, tier) for tier, hs in TIERS.items() for host in hs
        }
        cut = {c.target for c in active if c.verb in ("isolate_host", "restore_host")}
        fresh = seen
        seen = {host: self._remembered(frame, host, one, active) for host, one in seen.items()}
        for hosts in TIERS.values():
            busiest = max(seen[host].cpu_of_load for host in hosts)
            for host in hosts:
                one = seen[host]
                encrypting = one.cipher or host in self._frozen
                still = fresh[host].cipher
                self._loads[host] = HostLoad(
                    encrypting=encrypting,
                    stubborn=still and host in suspended,
                    stolen_cpu=0.0 if encrypting or one.stolen_cpu < STOLEN_CPU else one.stolen_cpu,
                    outbound_mb_s=one.carried_mb_s if one.carried_mb_s > CARRIED_MB_S else 0.0,
                    stopped=host not in cut and asked > 20.0 and one.cpu_of_load < 0.05,
                )
                # Of two hosts that share a load, the one with less capacity left gets less of it.
                share = one.cpu_of_load / busiest if busiest > 0 and host not in cut else 1.0
                self._encrypted[host] = float(np.clip(1.0 - share, 0.05, 0.9)) if encrypting else 0.0

    def _remembered(
        self, frame: Frame, host: str, now: "_HostSeen", active: Sequence[Command]
    ) -> "_HostSeen":
        """What a host shows, with what a measure in force on it hides: what was there before is still there."""
        verbs = {command.verb for command in active if command.target == host}
        if not verbs & {"suspend_process", "isolate_host", "block_outbound"}:
            return now
        tier = next(tier for tier, hosts in TIERS.items() if host in hosts)
        for stop in range(RECENT_SAMPLES, len(frame), RECENT_SAMPLES):
            window = frame.rows(stop - RECENT_SAMPLES, stop)
            asked = float(window.column("gateway.requests").mean())
            before = _HostSeen.of(window, self._explained(asked, ()), host, tier)
            now = replace(
                now,
                cipher=now.cipher or before.cipher,
                stolen_cpu=max(now.stolen_cpu, before.stolen_cpu),
                carried_mb_s=max(now.carried_mb_s, before.carried_mb_s),
            )
        return now

    def offers(self, spec: CommandSpec) -> bool:
        """Hosts that show nothing are left alone."""
        if spec.target == "gateway":
            return self._false_per_s > 0
        if spec.target == "segment":
            return any(load.encrypting for load in self._loads.values())
        load = self._loads.get(spec.target, HostLoad())
        return {
            "suspend_process": (load.encrypting and not load.stubborn) or load.stolen_cpu > 0 or load.outbound_mb_s > 0,
            "isolate_host": load.encrypting or load.outbound_mb_s > 0,
            "block_outbound": load.outbound_mb_s > 0,
            "guard_service": load.stopped,
            "restore_host": load.encrypting or load.stopped or load.stolen_cpu > 0,
        }[spec.verb]  # fmt: skip

    def predict(self, commands: Sequence[Command]) -> Prediction:
        """What follows with these commands in force.

        Raises:
            TwinError: If nothing was observed yet.
        """
        if self._start_ns is None:
            raise TwinError("nothing was observed yet", hint="call observe first")
        steps = round(self.horizon_hours * 3600 / self._interval_s)
        state = ClusterState(encrypted=dict(self._encrypted), contact=0.5)
        values, served = np.empty((steps, len(CHANNELS))), []
        for row in range(steps):
            hours = row * self._interval_s / 3600
            # Orders given before are taken to have had their time.
            since = {c.id: hours + (24.0 if c.id in self._old else 0.0) for c in commands}
            second = self._start_ns // NANOSECONDS_PER_SECOND + row * self._interval_s
            genuine = day_profile(float(second % 86_400))
            flows = advance_cluster(
                state,
                orders_of(commands, since),
                self._loads,
                genuine_per_s=genuine,
                false_per_s=self._false_per_s,
                laws=GENERAL_LAWS,
                seconds=self._interval_s,
            )
            newly = {h: max(flows.state.encrypted[h] - state.encrypted[h], 0.0) for h in HOSTS}
            state = flows.state
            values[row] = cluster_telemetry(flows, self._interval_s, genuine + self._false_per_s)
            served.append(Served(flows.genuine, flows.answered, rebuilding_requests(newly)))
        times = self._start_ns + self._interval_s * NANOSECONDS_PER_SECOND * np.arange(steps)
        return Prediction(Frame(times, values, CHANNELS), add_up(served, "requests"))

    @property
    def doubts(self) -> tuple[str, ...]:
        """Programs taken to be at work, host by host."""
        said = [f"telemetry of {host} is not believed" for host in self._frozen]
        for host, load in self._loads.items():
            if load.encrypting:
                said.append(f"{host} encrypts" + (" though suspended" if load.stubborn else ""))
            if load.stolen_cpu:
                said.append(f"{host} loses {load.stolen_cpu:.0%} of its processor")
            if load.outbound_mb_s:
                said.append(f"{load.outbound_mb_s:.0f} MB/s leave {host}")
            if load.stopped:
                said.append(f"{host} serves nobody")
        return tuple(said)

    def _explained(self, asked_per_s: float, active: Sequence[Command]) -> Frame:
        """What instruments would show at these requests with nobody else's programs."""
        since = {command.id: 24.0 for command in active}
        flows = advance_cluster(
            ClusterState(),
            orders_of(active, since),
            {},
            genuine_per_s=asked_per_s,
            false_per_s=0.0,
            laws=GENERAL_LAWS,
            seconds=self._interval_s,
        )
        row = cluster_telemetry(flows, self._interval_s, asked_per_s)
        return Frame(np.array([0], dtype=np.int64), row[None, :], CHANNELS)


def _is_frozen(frame: Frame, host: str) -> bool:
    """Whether the latest samples of a host are the same to the last bit, which noise never is."""
    last = frame.rows(max(0, len(frame) - 4))
    return len(last) == 4 and all(
        float(np.ptp(last.column(f"{host}.{quantity}"))) == 0.0
        for quantity in ("cpu", "disk_write", "write_entropy")
    )
