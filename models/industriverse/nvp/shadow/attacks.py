"""Attacks on an ensemble, for tests and the published table; none is used in operation."""

import torch
from torch import Tensor

__all__ = ["ATTACKS", "corrupt", "honest_members", "smooth_field"]

ATTACKS = (
    "none",
    "gauss x10",
    "sign flip x5",
    "inject +5 % energy",
    "colluding, a little is enough",
    "conservative tamper",
)


def smooth_field(count: int, cells: int, generator: torch.Generator) -> Tensor:
    """Gaussian random fields of zero mean and unit variance, (count, cells, cells), float64."""
    kx = torch.fft.fftfreq(cells, 1 / cells, dtype=torch.float64)[:, None]
    ky = torch.fft.rfftfreq(cells, 1 / cells, dtype=torch.float64)[None, :]
    noise = torch.randn(count, cells, cells, dtype=torch.float64, generator=generator)
    field: Tensor = torch.fft.irfft2(
        torch.fft.rfft2(noise) * torch.exp(-(kx**2 + ky**2) / 60), s=(cells, cells)
    )
    field = field - field.mean(dim=(-2, -1), keepdim=True)
    return field / field.std(dim=(-2, -1), keepdim=True)


def honest_members(truth: Tensor, count: int, error: float, generator: torch.Generator) -> Tensor:
    """Members whose errors are smooth, of zero sum and `error` standard deviations, (count, n, n)."""
    return truth + error * smooth_field(count, truth.shape[-1], generator)


def corrupt(attack: str, members: Tensor, truth: Tensor, faults: int, generator: torch.Generator) -> Tensor:
    """The members with the last `faults` replaced by liars.

    "Colluding, a little is enough" is the attack of Baruch et al. (NeurIPS 2019): all liars sit one
    standard deviation of the honest members from their mean. "Conservative tamper" moves a hot spot and
    keeps the sum.
    """
    honest = members[: len(members) - faults]
    cells = truth.shape[-1]
    if attack == "none":
        return members
    if attack == "gauss x10":
        lies = truth + 3 * torch.randn(faults, cells, cells, dtype=torch.float64, generator=generator)
    elif attack == "sign flip x5":
        lies = -5 * members[len(members) - faults :]
    elif attack == "inject +5 % energy":
        lies = (1.05 * truth).expand(faults, cells, cells)
    elif attack == "colluding, a little is enough":
        lies = (honest.mean(dim=0) + honest.std(dim=0)).expand(faults, cells, cells)
    elif attack == "conservative tamper":
        lies = (truth + 0.8 * smooth_field(1, cells, generator)[0]).expand(faults, cells, cells)
    else:
        raise ValueError(f"attack is {attack!r}; choose one of {', '.join(ATTACKS)}")
    return torch.cat([honest, lies])
