"""Keeping the second law when an accurate step would break it.

Every concave functional S obeys S((1-w) a + w b) >= (1-w) S(a) + w S(b). If b is a step that cannot
lower S (a doubly stochastic or stochastic update) and a is an accurate step that did, the blend
with w = (S0 - S(a)) / (S(b) - S(a)) keeps S >= S0 and, as both are flux updates, every linear
invariant. The weight is zero wherever the accurate step already obeys.
"""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["blend_weight", "bounded_fluctuation", "lawful_flux", "squared_fluctuation"]


def blend_weight(start: Tensor, accurate: Tensor, safe: Tensor) -> Tensor:
    """Smallest weight of the safe step that concavity proves sufficient, (batch,) in [0, 1]."""
    shortfall = (start - accurate).clamp_min(0.0)
    # A NaN entropy (a negative density reached by the accurate step) counts as a full violation.
    broken = ~torch.isfinite(accurate)
    weight = (shortfall / (safe - accurate).clamp_min(1e-300)).clamp(0.0, 1.0)
    return torch.where(broken, torch.ones_like(weight), weight)


def lawful_flux(
    accurate: Tensor,
    entropy_of: Callable[[Tensor], Tensor],
    start: Tensor,
    safe_flux: Callable[[], Tensor],
) -> Tensor:
    """Flux that keeps the entropy of `start` from falling.

    Args:
        accurate: Flux of the accurate step, (batch, channels, 2, n, n).
        entropy_of: Concave entropy of the state that a flux leads to, (batch,).
        start: Entropy before the step, (batch,).
        safe_flux: Computes the flux of the monotone step; called only when a sample needs it.

    Returns:
        The flux, unchanged for the samples that already obey.
    """
    reached = entropy_of(accurate).detach()
    if bool((reached >= start).all()):
        return accurate
    safe = safe_flux()
    weight = blend_weight(start, reached, entropy_of(safe).detach())
    # Rounding may leave a blend one unit in the last place short; the safe step never is.
    weight = torch.where(weight > 0, (1.0001 * weight + 1e-9).clamp_max(1.0), weight)
    weight = weight.to(accurate.dtype).reshape(-1, *([1] * (accurate.ndim - 1)))
    blended = (1 - weight) * torch.nan_to_num(accurate) + weight * safe
    short = (entropy_of(blended).detach() < start).reshape(weight.shape)
    return torch.where(short, safe, blended)


def bounded_fluctuation(state: Tensor, limit: Tensor, measure: Callable[[Tensor], Tensor]) -> Tensor:
    """Scales the fluctuation so that a quadratic functional of it does not exceed `limit`.

    `measure` must be quadratic and blind to the mean of `state`; the mean is kept.
    """
    excess = (limit / measure(state).clamp_min(1e-300)).clamp_max(1.0)
    if bool((excess >= 1.0).all()):
        return state
    mean = state.mean(dim=(-2, -1), keepdim=True)
    factor = excess.sqrt().to(state.dtype).reshape(-1, 1, 1, 1)
    return mean + factor * (state - mean)


def squared_fluctuation(state: Tensor) -> Tensor:
    """Sum of the squared deviations from each channel's mean, (batch,), float64."""
    mean = state.mean(dim=(-2, -1), keepdim=True)
    return ((state - mean).double() ** 2).sum(dim=(1, 2, 3))
