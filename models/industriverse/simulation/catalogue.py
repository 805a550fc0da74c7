"""Which plants there are: how one is made from its specification, and what its operator knows of it."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

from industriverse.simulation.errors import SimulationError
from industriverse.simulation.plant import OperatorModel, PlantSpec, SimulatedPlant
from industriverse.simulation.stepped_plant import SteppedSpec
from industriverse.simulation.strikes import Strike
from industriverse.simulation.water_network import WaterNetworkSpec

__all__ = [
    "KINDS",
    "PlantKind",
    "make_operator",
    "make_plant",
    "model_digest",
    "plain_spec",
    "spec_from_dict",
]

PlantKind = Literal["water", "grid", "hosts"]
KINDS = get_args(PlantKind)


def kind_of(spec: PlantSpec) -> str:
    """Which plant a specification is of."""
    return spec.kind if isinstance(spec, SteppedSpec) else "water"


def spec_from_dict(data: dict[str, Any]) -> PlantSpec:
    """Read what ``PlantSpec.to_dict`` wrote; data without a kind are of the water network."""
    return SteppedSpec.from_dict(data) if "kind" in data else WaterNetworkSpec.from_dict(data)


def plain_spec(
    kind: PlantKind, seed: int, start_ns: int, interval_s: int, strikes: Sequence[Strike] = ()
) -> SteppedSpec:
    """A specification of the power grid or the host cluster.

    Raises:
        SimulationError: If the kind, a number or a strike's target does not exist.
    """
    spec = SteppedSpec(kind, seed, start_ns, interval_s, tuple(strikes))
    make_plant(spec)
    return spec


def make_plant(spec: PlantSpec) -> SimulatedPlant:
    """The plant of a specification at step 0.

    Raises:
        SimulationError: If there is no such kind, or what simulates it is not installed.
    """
    if isinstance(spec, WaterNetworkSpec):
        from industriverse.simulation.water_network import WaterNetworkPlant

        return WaterNetworkPlant.from_spec(spec)
    assert isinstance(spec, SteppedSpec)
    if spec.kind == "grid":
        from industriverse.simulation.power_grid import PowerGridPlant

        return PowerGridPlant(spec)
    if spec.kind == "hosts":
        from industriverse.simulation.host_cluster import HostClusterPlant

        return HostClusterPlant(spec)
    raise SimulationError(f"no plant of kind {spec.kind[:40]!r}", hint=f"choose from {', '.join(KINDS)}")


def model_digest(spec: PlantSpec) -> str:
    """SHA-256 over the data that the plant is built from; a journal of other data does not replay."""
    kind = kind_of(spec)
    if kind == "grid":
        from industriverse.simulation.grid_case import case_digest

        return case_digest()
    if kind == "hosts":
        from industriverse.simulation.cluster_layout import layout_digest

        return layout_digest()
    from industriverse.simulation.net3 import net3

    return net3().digest


def make_operator(spec: PlantSpec) -> OperatorModel:
    """What the operator of a plant knows of it; it shares the plant's equations, not its noise or parameters."""
    kind = kind_of(spec)
    if kind == "grid":
        from industriverse.simulation.grid_operator import GridOperator

        return GridOperator(spec.interval_s)
    if kind == "hosts":
        from industriverse.simulation.cluster_operator import ClusterOperator

        return ClusterOperator(spec.interval_s)
    from industriverse.simulation.water_operator import WaterOperator

    return WaterOperator(spec.interval_s)
