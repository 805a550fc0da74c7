"""Solvers of record: one equation a file, every frame conserving, with its own error estimate."""

from industriverse.nvp.solvers.registry import DOMAINS, solver_class

__all__ = ["DOMAINS", "solver_class"]
