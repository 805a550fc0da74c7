"""Containment of pods as a Kubernetes NetworkPolicy (networking.k8s.io/v1), written as JSON, which is YAML.

A policy that selects pods and names both directions denies everything that it does not allow; only the listed
addresses stay reachable. Deleting the policy takes it back.
"""

import ipaddress
import json
from typing import Any

from industriverse.shield.errors import RenderError
from industriverse.shield.rendering.containment import Containment, ContainmentKind, Rendered, difference

__all__ = ["network_policy", "render_network_policy"]


def network_policy(action: Containment) -> dict[str, Any]:
    """The policy as a document.

    Raises:
        RenderError: If the action is none for pods.
    """
    if action.kind is not ContainmentKind.ISOLATE_PODS:
        raise RenderError(f"{action.kind} is no action for pods", hint="render it for nftables")
    blocks = [{"ipBlock": {"cidr": str(ipaddress.ip_network(text, strict=False))}} for text in action.allow]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": f"industriverse-{action.id}"[:63].rstrip("-"),
            "namespace": action.namespace,
            "labels": {"app.kubernetes.io/managed-by": "industriverse"},
        },
        "spec": {
            "podSelector": {"matchLabels": dict(action.pod_labels)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": blocks}] if blocks else [],
            "egress": [{"to": blocks}] if blocks else [],
        },
    }


def render_network_policy(action: Containment, *, present: str = "") -> Rendered:
    """An action as a manifest for ``kubectl apply``; show it first with ``--dry-run=server``.

    Args:
        action: What to do.
        present: The policy of that name as it is now (JSON), empty if there is none.
    """
    policy = network_policy(action)
    wanted = json.dumps(policy, indent=2, sort_keys=True)
    name, namespace = policy["metadata"]["name"], action.namespace
    return Rendered(
        language="kubernetes",
        text=wanted + "\n",
        reversal=f"kubectl delete networkpolicy {name} --namespace {namespace}\n",
        difference=difference(present, wanted, f"{namespace}/{name}"),
        cost=action.entry.cost,
        irreversibility=action.entry.irreversibility,
    )
