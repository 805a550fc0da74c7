"""A small data centre as a plant: four tiers of two hosts, what is measured on them and what they can be told.

A request passes the web tier, then the application tier; a fixed part of it goes on to the file tier and another
to the database tier. The figures are of the order of small servers (hundreds of requests a second a host, tens of MB/s
of disk and network); they are chosen, not measured.
"""

import hashlib
import json

from industriverse.signals import Channel, ChannelKind
from industriverse.simulation.plant import CommandSpec

__all__ = [
    "CAPACITY_PER_S",
    "CHANNELS",
    "COMMANDS",
    "ENTROPY_CLEAN_BITS",
    "HOSTS",
    "QUANTITIES",
    "SHARE_OF_REQUESTS",
    "TIERS",
    "UPLINK_MB_S",
    "layout_digest",
]

TIERS: dict[str, tuple[str, ...]] = {
    "web": ("web-1", "web-2"),
    "app": ("app-1", "app-2"),
    "file": ("file-1", "file-2"),
    "db": ("db-1", "db-2"),
}
HOSTS = tuple(host for hosts in TIERS.values() for host in hosts)
SHARE_OF_REQUESTS = {"web": 1.0, "app": 1.0, "file": 0.4, "db": 0.7}
# Two hosts carry 1.6 times the ordinary peak of 100 requests a second, so one alone is short by day.
CAPACITY_PER_S = {"web": 80.0, "app": 80.0, "file": 32.0, "db": 56.0}
UPLINK_MB_S = 60.0
# Compressed pages and logs mixed: well below the 8 bits a byte of ciphertext.
ENTROPY_CLEAN_BITS = {"web": 4.2, "app": 4.6, "file": 5.6, "db": 5.2}
QUANTITIES = ("cpu", "disk_write", "write_entropy", "outbound")
_UNITS = {"cpu": "%", "disk_write": "MBy/s", "write_entropy": "bit/By", "outbound": "MBy/s"}


def _channels() -> tuple[Channel, ...]:
    gauge = ChannelKind.GAUGE
    channels = [
        Channel(f"{host}.{quantity}", _UNITS[quantity], gauge, host, quantity)
        for host in HOSTS
        for quantity in QUANTITIES
    ]
    channels += [
        Channel("gateway.requests", "1/s", gauge, "gateway", "requests"),
        Channel("gateway.answered", "1/s", gauge, "gateway", "requests"),
        Channel("gateway.queued", "1", gauge, "gateway", "queue"),
    ]
    return tuple(channels)


CHANNELS = _channels()


def _commands() -> tuple[CommandSpec, ...]:
    specs = []
    for host in HOSTS:
        specs += [
            CommandSpec(
                "suspend_process", host, "Suspends the process with the most load that no request explains.",
                reversible=True, cost=2.0, entity=host, reversal="revert it: the process goes on",
            ),
            CommandSpec(
                "isolate_host", host, "Cuts the host off the network: it serves nobody and reaches nobody.",
                reversible=True, cost=3.0, entity=host, reversal="revert it: the host is connected again",
            ),
            CommandSpec(
                "block_outbound", host, "Lets only answers to requests leave the host.",
                reversible=True, cost=1.0, entity=host, reversal="revert it: everything may leave again",
            ),
            CommandSpec(
                "guard_service", host, "A watchdog on the host keeps the service running against remote orders.",
                reversible=True, cost=1.0, entity=host, reversal="revert it: remote orders count again",
            ),
            CommandSpec(
                "restore_host", host, "Rebuilds the host from its last snapshot in two hours; newer data are lost.",
                reversible=False, cost=8.0, entity=host, reversal="nothing brings back what was not saved",
            ),
        ]  # fmt: skip
    specs += [
        CommandSpec(
            "block_lateral", "segment", "Closes the ports over which hosts administer each other.",
            reversible=True, cost=2.0, entity="segment", reversal="revert it: the ports are open again",
        ),
        CommandSpec(
            "limit_rate", "gateway", "Refuses clients that ask more often than people do; 3 % of people are hit.",
            reversible=True, cost=1.0, entity="gateway", reversal="revert it: everybody is let in again",
        ),
    ]  # fmt: skip
    return tuple(specs)


COMMANDS = _commands()


def layout_digest() -> str:
    """SHA-256 over the figures above, hexadecimal."""
    figures = [TIERS, SHARE_OF_REQUESTS, CAPACITY_PER_S, UPLINK_MB_S, ENTROPY_CLEAN_BITS]
    return hashlib.sha256(json.dumps(figures, sort_keys=True).encode()).hexdigest()
