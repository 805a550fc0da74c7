"""What can be done on a network: a closed catalogue of typed actions, each with cost, irreversibility and reversal."""

import difflib
import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum

from industriverse.shield.errors import RenderError

__all__ = ["CATALOGUE", "Containment", "ContainmentKind", "Irreversibility", "Rendered", "difference"]

# RFC 1123 labels, as Kubernetes wants names; label values of Kubernetes may also hold dots and underscores.
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


class Irreversibility(StrEnum):
    """How far an action can be taken back."""

    FREE = "free"  # taken back without a trace
    COSTLY = "costly"  # taken back, but sessions or work are lost
    FINAL = "final"  # cannot be taken back


class ContainmentKind(StrEnum):
    """The catalogue's verbs."""

    BLOCK_ADDRESS = "block_address"
    ISOLATE_HOST = "isolate_host"
    LIMIT_RATE = "limit_rate"
    ISOLATE_PODS = "isolate_pods"


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """What an action of a kind costs and how it ends.

    Attributes:
        cost: Relative to a change of set-point, which costs 1.
        irreversibility: How far it can be taken back.
        reversal: How.
    """

    cost: float
    irreversibility: Irreversibility
    reversal: str


CATALOGUE: dict[ContainmentKind, CatalogueEntry] = {
    ContainmentKind.BLOCK_ADDRESS: CatalogueEntry(
        1.0, Irreversibility.FREE, "delete the table of this action"
    ),
    ContainmentKind.LIMIT_RATE: CatalogueEntry(0.5, Irreversibility.FREE, "delete the table of this action"),
    ContainmentKind.ISOLATE_HOST: CatalogueEntry(
        5.0, Irreversibility.COSTLY, "delete the table of this action; open sessions are lost"
    ),
    ContainmentKind.ISOLATE_PODS: CatalogueEntry(
        5.0, Irreversibility.COSTLY, "delete the NetworkPolicy of this action; open sessions are lost"
    ),
}


@dataclass(frozen=True, slots=True)
class Containment:
    """One action with checked parameters.

    Attributes:
        id: Identifier; it becomes part of the names that are created.
        kind: What is done.
        address: IP address or network concerned; empty for pods.
        namespace: Kubernetes namespace; empty for hosts.
        pod_labels: Labels of the pods.
        packets_per_s: Limit of a rate.
        allow: Addresses that keep access, such as the operator's.

    Raises:
        RenderError: If a parameter is not what it should be.
    """

    id: str
    kind: ContainmentKind
    address: str = ""
    namespace: str = ""
    pod_labels: tuple[tuple[str, str], ...] = ()
    packets_per_s: int = 100
    allow: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.id):
            raise RenderError(
                f"id {self.id[:70]!r} is no name", hint="use lower-case letters, digits and hyphens"
            )
        for text in self.allow:
            _network(text)
        if not 1 <= self.packets_per_s <= 1_000_000:
            raise RenderError(f"packets_per_s is {self.packets_per_s}", hint="give 1 to 1,000,000")
        if self.kind is ContainmentKind.ISOLATE_PODS:
            if not _NAME.fullmatch(self.namespace) or not self.pod_labels:
                raise RenderError(
                    "pods are isolated by namespace and labels",
                    hint="give a namespace and at least one label",
                )
            for key, value in self.pod_labels:
                bare = key.rpartition("/")[2]
                if not _LABEL.fullmatch(bare) or not _LABEL.fullmatch(value):
                    raise RenderError(
                        f"label {key[:70]!r} is none", hint="give labels as Kubernetes allows them"
                    )
            return
        network = _network(self.address)
        if network.prefixlen < (8 if network.version == 4 else 32):
            raise RenderError(
                f"{self.address} is most of the internet", hint="give an address or a small network"
            )

    @property
    def entry(self) -> CatalogueEntry:
        """Cost, irreversibility and reversal of its kind."""
        return CATALOGUE[self.kind]


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise RenderError(
            f"{text[:60]!r} is no IP address or network", hint="give 10.0.0.5 or 10.0.0.0/28"
        ) from None


@dataclass(frozen=True, slots=True)
class Rendered:
    """An action as text, and how it is taken back.

    Attributes:
        language: ``nftables``, ``kubernetes`` or ``openc2``.
        text: What carries it out.
        reversal: What takes it back.
        difference: Unified diff against what is in force, for the person who decides.
        cost: Relative to a change of set-point.
        irreversibility: How far it can be taken back.
        dry_run: Whether this was only shown; rendering never carries anything out.
    """

    language: str
    text: str
    reversal: str
    difference: str
    cost: float
    irreversibility: Irreversibility
    dry_run: bool = True


def difference(present: str, wanted: str, name: str) -> str:
    """Unified diff of what is in force and what would be."""
    lines = difflib.unified_diff(
        present.splitlines(), wanted.splitlines(), f"{name} (in force)", f"{name} (planned)", lineterm=""
    )
    return "\n".join(lines)
