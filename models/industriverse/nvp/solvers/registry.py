"""Domains by name; a solver's module is imported only when it is asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from industriverse.nvp.field_errors import UnknownDomainError

if TYPE_CHECKING:
    from industriverse.nvp.solvers.base import Solver

__all__ = ["DOMAINS", "solver_class"]

_CLASSES: Final = {
    "advection_diffusion": "AdvectionDiffusion",
    "allen_cahn": "AllenCahn",
    "burgers": "Burgers",
    "cahn_hilliard": "CahnHilliard",
    "fokker_planck": "FokkerPlanck",
    "gray_scott": "GrayScott",
    "heat": "HeterogeneousHeat",
    "navier_stokes": "NavierStokes",
    "shallow_water": "ShallowWater",
    "vorticity": "Vorticity",
    "wave": "Wave",
}

DOMAINS: Final[tuple[str, ...]] = tuple(_CLASSES)


def solver_class(domain: str) -> "type[Solver]":
    """The solver of a domain.

    Raises:
        UnknownDomainError: The domain has no solver; the message lists those that have.
    """
    if domain not in _CLASSES:
        raise UnknownDomainError(f"domain is {domain!r}", hint=f"choose one of: {', '.join(DOMAINS)}")
    module = import_module(f"industriverse.nvp.solvers.{domain}")
    found: type[Solver] = getattr(module, _CLASSES[domain])
    return found
