"""Containment of hosts as an nftables script: one table an action, so that deleting it undoes exactly that action.

Source: nft(8), "Tables" and "Chains"; the pattern ``add table; delete table; table {…}`` makes loading it idempotent
and atomic.
"""

import ipaddress

from industriverse.shield.errors import RenderError
from industriverse.shield.rendering.containment import Containment, ContainmentKind, Rendered, difference

__all__ = ["render_nftables"]

# Before every filter of the host (priority filter = 0), so that nothing else accepts the packets first.
_PRIORITY = -150


def render_nftables(action: Containment, *, present: str = "") -> Rendered:
    """An action as a script for ``nft -f``; check it first with ``nft -c -f``.

    Args:
        action: What to do.
        present: What ``nft list table inet TABLE`` says now, for the diff; empty if there is no such table.

    Raises:
        RenderError: If the action is none for hosts.
    """
    if action.kind is ContainmentKind.ISOLATE_PODS:
        raise RenderError("pods are isolated in Kubernetes", hint="render a NetworkPolicy")
    table = f"industriverse_{action.id.replace('-', '_')}"
    wanted = "\n".join(
        [f"table inet {table} {{", *_chain("input", action, "saddr"), *_chain("output", action, "daddr"),
         *_chain("forward", action, "saddr", "daddr"), "}"]
    )  # fmt: skip
    text = f"add table inet {table}\ndelete table inet {table}\n{wanted}\n"
    return Rendered(
        language="nftables",
        text=text,
        reversal=f"delete table inet {table}\n",
        difference=difference(present, wanted, table),
        cost=action.entry.cost,
        irreversibility=action.entry.irreversibility,
    )


def _chain(hook: str, action: Containment, *sides: str) -> list[str]:
    lines = [f"  chain {hook} {{", f"    type filter hook {hook} priority {_PRIORITY}; policy accept;"]
    for side in sides:
        lines += [f"    {rule}" for rule in _rules(action, side)]
    return [*lines, "  }"]


def _rules(action: Containment, side: str) -> list[str]:
    network = ipaddress.ip_network(action.address, strict=False)
    family = "ip" if network.version == 4 else "ip6"
    match = f"{family} {side} {network}"
    if action.kind is ContainmentKind.LIMIT_RATE:
        return [f"{match} limit rate over {action.packets_per_s}/second counter drop"]
    other = "daddr" if side == "saddr" else "saddr"
    kept = []
    if action.kind is ContainmentKind.ISOLATE_HOST:
        for text in action.allow:
            allowed = ipaddress.ip_network(text, strict=False)
            if allowed.version == network.version:
                kept.append(f"{match} {family} {other} {allowed} counter accept")
    return [*kept, f"{match} counter drop"]
