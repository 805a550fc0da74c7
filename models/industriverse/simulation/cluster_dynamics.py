"""How the host cluster moves in one step: load and queues, encryption that spreads, traffic on the uplink.

Queues are a fluid: in every tier, what came + what waited = what was served + what was dropped + what waits. The
spread is that of a contact process (an infected host reaches one more host after a fixed time), encryption takes a
host's files at a fixed rate and its capacity with them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from industriverse.simulation.cluster_layout import (
    CAPACITY_PER_S,
    HOSTS,
    SHARE_OF_REQUESTS,
    TIERS,
    UPLINK_MB_S,
)

__all__ = [
    "ANSWER_MB",
    "CPU_OF_LOAD",
    "DISK_MB",
    "IDLE_DISK_MB_S",
    "OVERHEAD_CPU",
    "ClusterLaws",
    "ClusterState",
    "HostLoad",
    "Orders",
    "StepFlows",
    "TierFlow",
    "advance_cluster",
]

QUEUE_LIMIT_S = 20.0
"""Seconds of full capacity that may wait in a tier; who comes later is turned away."""

ANSWER_MB = 0.25
"""Size of an answer."""

OVERHEAD_CPU, CPU_OF_LOAD = 12.0, 0.8
IDLE_DISK_MB_S, DISK_MB = 1.0, 0.12
"""What a host writes at rest, and for one request."""


@dataclass(frozen=True, slots=True)
class ClusterLaws:
    """Rates of an intruder's programs; a plant has these, its operator other, general ones.

    Attributes:
        encrypt_per_hour: Share of a host's files encrypted an hour by an encryptor at work.
        spread_hours: Hours until an encryptor that reaches others has taken one more host.
        encrypt_cpu: Part of a host's processor that it takes.
        encrypt_mb_s: What it writes, MB/s.
        restore_hours: How long rebuilding a host takes.
    """

    encrypt_per_hour: float = 0.16
    spread_hours: float = 1.5
    encrypt_cpu: float = 0.35
    encrypt_mb_s: float = 22.0
    restore_hours: float = 2.0


@dataclass(frozen=True, slots=True)
class Orders:
    """Commands in force, by host.

    Attributes:
        suspended: Hosts whose most unexplained process is suspended.
        isolated: Hosts cut off.
        outbound_blocked: Hosts from which only answers leave.
        guarded: Hosts whose service a watchdog keeps running.
        restoring: Hosts being rebuilt: hours since the order.
        lateral_blocked: Whether hosts reach each other.
        rate_limited: Whether the gateway refuses hasty clients.
    """

    suspended: frozenset[str] = frozenset()
    isolated: frozenset[str] = frozenset()
    outbound_blocked: frozenset[str] = frozenset()
    guarded: frozenset[str] = frozenset()
    restoring: Mapping[str, float] = field(default_factory=dict)
    lateral_blocked: bool = False
    rate_limited: bool = False


@dataclass(frozen=True, slots=True)
class HostLoad:
    """What an intruder's programs do on a host in a step, if nothing stops them.

    Attributes:
        encrypting: Whether an encryptor is at work.
        stubborn: Whether it goes on when suspended, as one that runs in the kernel does.
        stolen_cpu: Part of the processor taken by other programs.
        outbound_mb_s: What is carried out of the house.
        stopped: Whether the service of the host is ordered to stop.
    """

    encrypting: bool = False
    stubborn: bool = False
    stolen_cpu: float = 0.0
    outbound_mb_s: float = 0.0
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class TierFlow:
    """Requests of one tier in one step."""

    came: float
    waited: float
    served: float
    dropped: float
    waits: float


@dataclass(frozen=True, slots=True)
class ClusterState:
    """What lasts from step to step.

    Attributes:
        queues: Requests that wait, by tier.
        encrypted: Share of files encrypted, by host.
        contact: Progress of each encryptor towards the next host, 1 is contact.
        infected: Hosts on which an encryptor got to work by contact.
    """

    queues: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(TIERS, 0.0))
    encrypted: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(HOSTS, 0.0))
    contact: float = 0.0
    infected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StepFlows:
    """What happened in a step, for instruments and for the books.

    Attributes:
        state: At the end.
        tiers: Requests by tier.
        cpu: Use of each processor, 0 to 1.
        disk_mb_s: Written, by host.
        encrypting_mb_s: Of it ciphertext.
        outbound_mb_s: Sent out of the house, by host.
        genuine: Genuine requests that asked for service.
        answered: Genuine requests answered.
    """

    state: ClusterState
    tiers: Mapping[str, TierFlow]
    cpu: Mapping[str, float]
    disk_mb_s: Mapping[str, float]
    encrypting_mb_s: Mapping[str, float]
    outbound_mb_s: Mapping[str, float]
    genuine: float
    answered: float


def advance_cluster(
    state: ClusterState,
    orders: Orders,
    loads: Mapping[str, HostLoad],
    *,
    genuine_per_s: float,
    false_per_s: float,
    laws: ClusterLaws,
    seconds: float,
) -> StepFlows:
    """One step of all hosts.

    Args:
        state: At the beginning.
        orders: Commands in force.
        loads: The intruder's programs by host; absent hosts have none.
        genuine_per_s: Requests of people.
        false_per_s: Requests of machines that only want to keep the house busy.
        laws: Rates of the intruder's programs.
        seconds: Length of the step.
    """
    hours = seconds / 3600
    loads = {host: loads.get(host, HostLoad()) for host in HOSTS}
    loads |= {host: replace(loads[host], encrypting=True) for host in state.infected}
    rebuilt = {host for host, since in orders.restoring.items() if since >= laws.restore_hours}
    busy = set(orders.restoring) - rebuilt
    # A rebuilt host is clean, and what came in by contact does not come back to it.
    at_work = {
        host
        for host, load in loads.items()
        if load.encrypting
        and host not in orders.restoring
        and (load.stubborn or host not in orders.suspended)
        and state.encrypted[host] < 1.0
    }
    encrypted = {
        host: 0.0
        if host in rebuilt
        else min(1.0, state.encrypted[host] + (laws.encrypt_per_hour * hours if host in at_work else 0.0))
        for host in HOSTS
    }
    contact, infected = _spread(state, orders, at_work, laws, hours)
    reachable = {host for host in HOSTS if host not in orders.isolated and host not in busy}
    stolen = {
        host: (laws.encrypt_cpu if host in at_work else 0.0)
        + (0.0 if host in orders.suspended or host in orders.restoring else loads[host].stolen_cpu)
        for host in HOSTS
    }
    carried = {
        host: 0.0
        if host in orders.outbound_blocked
        or host in orders.suspended
        or host in orders.restoring
        or host not in reachable
        else loads[host].outbound_mb_s
        for host in HOSTS
    }
    capacity = {}
    for tier, hosts in TIERS.items():
        for host in hosts:
            off = host not in reachable or (loads[host].stopped and host not in orders.guarded)
            share = 0.0 if off else (1.0 - encrypted[host]) * max(0.0, 1.0 - stolen[host])
            capacity[host] = CAPACITY_PER_S[tier] * share
    genuine_in = genuine_per_s * (0.97 if orders.rate_limited else 1.0)
    false_in = false_per_s * (0.1 if orders.rate_limited else 1.0)
    tiers, passed = _serve(state, capacity, genuine_in + false_in, seconds)
    answered_all = passed
    room = max(UPLINK_MB_S - sum(carried.values()), 0.02 * UPLINK_MB_S) / ANSWER_MB * seconds
    answered_all = min(answered_all, room)
    asked = genuine_in + false_in
    answered = answered_all * (genuine_in / asked if asked > 0 else 0.0)
    cpu, disk, cipher, outbound = {}, {}, {}, {}
    for tier, hosts in TIERS.items():
        total = sum(capacity[host] for host in hosts)
        for host in hosts:
            served = tiers[tier].served / seconds * (capacity[host] / total if total > 0 else 0.0)
            useful = served / CAPACITY_PER_S[tier]
            alive = 0.0 if host in busy else 1.0
            cpu[host] = min(1.0, OVERHEAD_CPU / 100 * alive + CPU_OF_LOAD * useful + stolen[host])
            cipher[host] = laws.encrypt_mb_s if host in at_work else 0.0
            disk[host] = IDLE_DISK_MB_S * alive + DISK_MB * served + cipher[host]
            reply = answered_all / seconds * ANSWER_MB if tier == "web" else 0.0
            outbound[host] = (
                0.05 * alive + reply * (capacity[host] / total if total > 0 else 0.0) + carried[host]
            )
    queues = {tier: flow.waits for tier, flow in tiers.items()}
    genuine = genuine_per_s * seconds
    return StepFlows(
        state=ClusterState(queues, encrypted, contact, infected),
        tiers=tiers,
        cpu=cpu,
        disk_mb_s=disk,
        encrypting_mb_s=cipher,
        outbound_mb_s=outbound,
        genuine=genuine,
        answered=min(answered, genuine),
    )


def _spread(
    state: ClusterState, orders: Orders, at_work: set[str], laws: ClusterLaws, hours: float
) -> tuple[float, tuple[str, ...]]:
    """Progress towards the next host, and the hosts reached so far."""
    sources = at_work - orders.isolated
    if orders.lateral_blocked or not sources:
        return state.contact, state.infected
    contact = state.contact + len(sources) * hours / laws.spread_hours
    infected = list(state.infected)
    open_hosts = [
        host
        for host in HOSTS
        if host not in at_work
        and host not in infected
        and host not in orders.isolated
        and host not in orders.restoring
        and state.encrypted[host] == 0.0
    ]
    while contact >= 1.0 and open_hosts:
        infected.append(open_hosts.pop(0))
        contact -= 1.0
    return min(contact, 1.0), tuple(infected)


def _serve(
    state: ClusterState, capacity: Mapping[str, float], asked_per_s: float, seconds: float
) -> tuple[dict[str, TierFlow], float]:
    """Requests through the tiers in order, and how many of them were served in all tiers that they need."""
    flows: dict[str, TierFlow] = {}
    reached = asked_per_s * seconds
    spoiled = 0.0
    for tier, hosts in TIERS.items():
        share = SHARE_OF_REQUESTS[tier]
        came = reached * share
        able = sum(capacity[host] for host in hosts) * seconds
        waited = state.queues[tier]
        served = min(came + waited, able)
        limit = QUEUE_LIMIT_S * sum(CAPACITY_PER_S[tier] for _ in hosts)
        waits = min(came + waited - served, limit)
        flows[tier] = TierFlow(came, waited, served, came + waited - served - waits, waits)
        if share == 1.0:
            reached = served
        else:
            # Of two tiers side by side a request may fail in either; the larger part counts.
            spoiled = max(spoiled, 1.0 - min(1.0, served / came) if came > 0 else 0.0)
    return flows, reached * (1.0 - spoiled)
