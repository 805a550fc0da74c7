"""Every operation, one module a toolset and some further ones; :func:`load` declares them all."""

from importlib import import_module

__all__ = ["TOOLSETS", "load"]

TOOLSETS = (
    "agents",
    "atlas",
    "economy",
    "eil",
    "nvp",
    "ops",
    "platform",
    "shield",
    "signal",
    "sim",
    "telemetry",
)

FURTHER_MODULES = (
    "asking",
    "attending",
    "challenging",
    "cypher",
    "deciding",
    "ensemble",
    "events",
    "feedback",
    "reviewing",
    "shield_analysis",
    "shield_desk",
    "trading",
)
"""Verbs of a toolset that are large enough for a module of their own."""


def load() -> None:
    """Fill the registry."""
    for module in (*TOOLSETS, *FURTHER_MODULES):
        import_module(f"industriverse.operations.toolsets.{module}")
