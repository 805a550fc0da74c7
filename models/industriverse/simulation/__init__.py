"""TSE, the Thermodynamic Simulation Engine: plants that answer to commands. Always labelled a simulation."""

from industriverse.simulation.attack import AttackSpec
from industriverse.simulation.errors import (
    CommandError,
    HydraulicsError,
    JournalError,
    SimulationError,
    TwinError,
)
from industriverse.simulation.plant import Command, CommandSpec, Plant, ServiceReport

__all__ = [
    "AttackSpec",
    "Command",
    "CommandError",
    "CommandSpec",
    "HydraulicsError",
    "JournalError",
    "Plant",
    "ServiceReport",
    "SimulationError",
    "TwinError",
]
