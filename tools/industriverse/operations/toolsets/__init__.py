"""Every operation, one module a toolset; :func:`load` declares them all."""

from importlib import import_module

__all__ = ["TOOLSETS", "load"]

TOOLSETS = ("agents", "atlas", "economy", "eil", "nvp", "ops", "platform", "shield", "signal", "sim")


def load() -> None:
    """Fill the registry."""
    for toolset in TOOLSETS:
        import_module(f"industriverse.operations.toolsets.{toolset}")
