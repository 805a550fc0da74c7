"""Who raised the score: the fused score of one sample split over its channels.

Every component is a sum over channels (squared symmetric whitening for the energies, squared means for work,
the variance terms for heat), so its ``-log p`` is divided in those proportions. The shares of all channels
add up to the score.
"""

import numpy as np
from numpy.typing import NDArray

from industriverse.eil import layout
from industriverse.eil.model import KernelModel
from industriverse.eil.state import KernelState
from industriverse.physics.errors import CovarianceError
from industriverse.signals import Channel, ChannelEvidence

__all__ = ["channel_evidence", "negative_log_p"]

Array = NDArray[np.float64]


def negative_log_p(component: float, tail: Array) -> float:
    """The kernel's capped ``-log p`` of one component, nats."""
    from industriverse.eil.kernel import fuse_components

    fused = fuse_components(np.array([[component]]), tail[None, :], np.ones(1), np.ones(1), 0.0)
    return float(fused[0])


def channel_evidence(
    channels: tuple[Channel, ...], model: KernelModel, state: KernelState, components: Array, sample: Array
) -> tuple[ChannelEvidence, ...]:
    """Evidence of each channel for the latest sample, largest share first.

    Args:
        channels: The d channels.
        model: Constants of the kernel.
        state: State right after the sample.
        components: Raw components of the sample, shape (c,).
        sample: The raw sample, shape (d,).
    """
    shares = _shares(model, state, components)
    work, heat, temperature = _filters(model, state)
    structure = _structure(model, state)
    expected = state.channel[layout.EXPECTED]
    evidence = [
        ChannelEvidence(
            channel=channel.name,
            entity=channel.entity,
            unit=channel.unit,
            share=float(shares[j]),
            work=float(work[j]),
            heat=float(heat[j]),
            structure=float(structure[j]),
            actual=float(sample[j]),
            expected=float(expected[j]),
            temperature=float(temperature[j]),
        )
        for j, channel in enumerate(channels)
    ]
    return tuple(sorted(evidence, key=lambda entry: -entry.share))


def _shares(model: KernelModel, state: KernelState, components: Array) -> Array:
    shares = np.zeros(model.channels)
    contributions = _contributions(model, state)
    for c, weight in enumerate(model.weights):
        if weight <= 0.0:
            continue
        parts = contributions[c]
        total = float(parts.sum())
        proportion = parts / total if total > 0.0 else np.full(len(parts), 1.0 / len(parts))
        shares += weight * negative_log_p(float(components[c]), model.tails[c]) * proportion
    return shares


def _contributions(model: KernelModel, state: KernelState) -> list[Array]:
    """Non-negative parts of each component by channel, in kernel order."""
    scales = len(model.rates)
    principal = int(model.scalars[layout.PRINCIPAL])
    position, innovation = state.channel[layout.POSITION], state.channel[layout.INNOVATION]
    kinetic = _symmetric(innovation, model.innovation_modes, model.mode_variance[0])
    kinetic += _remainder(innovation, model.innovation_modes, model.mode_variance[0]) * np.sqrt(
        model.scalars[layout.INNOVATION_RESIDUAL]
    )
    t2 = _symmetric(position, model.equilibrium_modes[:, :principal], model.mode_variance[1])
    rest = _symmetric(position, model.equilibrium_modes[:, principal:], model.mode_variance[1, principal:])
    rest += _remainder(position, model.equilibrium_modes, model.mode_variance[1]) * np.sqrt(
        model.scalars[layout.EQUILIBRIUM_RESIDUAL]
    )
    squares = innovation**2
    parts = [kinetic**2, t2**2, rest**2, _mspc(model, state), _only_largest(squares), _capped(squares)]
    variance = np.sqrt(model.mode_variance[1, : model.equilibrium_modes.shape[1]])
    for a in range(scales):
        mean, heat = _scale_filters(state, a, scales)
        smoothed = (model.equilibrium_modes * variance) @ state.smooth[a]
        capped = _capped(mean**2 / model.rates[a])
        parts += [mean**2, _only_largest(mean**2), heat, smoothed**2, capped]
    return parts


def _only_largest(squares: Array) -> Array:
    chosen = np.zeros_like(squares)
    chosen[np.argmax(squares)] = 1.0
    return chosen


def _capped(squares: Array) -> Array:
    return np.minimum(squares, layout.CAPPED_SQUARE)


def _symmetric(vector: Array, whitening: Array, variance: Array) -> Array:
    """Whitened vector turned back onto the channels; its squares sum to the energy of those modes."""
    return np.asarray((whitening * np.sqrt(variance[: whitening.shape[1]])) @ (whitening.T @ vector))


def _remainder(vector: Array, whitening: Array, variance: Array) -> Array:
    """What the kept modes leave of the vector."""
    modes = whitening * np.sqrt(variance[: whitening.shape[1]])
    return np.asarray(vector - modes @ (modes.T @ vector))


def _mspc(model: KernelModel, state: KernelState) -> Array:
    deviation = state.channel[layout.POSITION] + state.channel[layout.LEVEL]
    deviation = deviation - model.channel[layout.MSPC_CENTER]
    deviation = np.where(model.channel[layout.KIND] == layout.UNOBSERVED, 0.0, deviation)
    variance = model.mode_variance[2, : model.mspc_modes.shape[1]]
    projected = model.mspc_modes.T @ deviation
    t2 = float((projected**2 / variance).sum()) / model.scalars[layout.T2_LIMIT]
    rest = deviation - model.mspc_modes @ projected
    spe = float((rest**2).sum()) / model.scalars[layout.SPE_LIMIT]
    chosen = model.mspc_modes @ (projected / np.sqrt(variance)) if t2 >= spe else rest
    return np.asarray(chosen**2)


def _scale_filters(state: KernelState, scale: int, scales: int) -> tuple[Array, Array]:
    mean = state.channel[layout.FIRST_FILTER + scale]
    power = state.channel[layout.FIRST_FILTER + scales + scale]
    variance = np.maximum(power - mean**2, layout.MINIMUM_VARIANCE)
    return mean, 0.5 * (variance - 1.0 - np.log(variance))


def _filters(model: KernelModel, state: KernelState) -> tuple[Array, Array, Array]:
    report, scales = int(model.scalars[layout.REPORT_SCALE]), len(model.rates)
    mean, heat = _scale_filters(state, report, scales)
    return 0.5 * mean**2, heat, state.channel[layout.FIRST_FILTER + scales + report]


def _structure(model: KernelModel, state: KernelState) -> Array:
    """Structure by channel: each mode's part of -1/2 log det R, spread by its squared loadings."""
    from industriverse.physics.free_energy import gaussian_free_energy_excess

    leading = state.window.shape[1]
    mean, moment = state.window[0], np.tril(state.window[1:])
    covariance = moment + np.tril(moment, -1).T - np.outer(mean, mean)
    deviation = np.sqrt(np.maximum(np.diag(covariance), layout.MINIMUM_VARIANCE))
    correlation = 0.999 * covariance / np.outer(deviation, deviation)
    np.fill_diagonal(correlation, 1.0)
    try:
        by_mode = gaussian_free_energy_excess(np.zeros(leading), correlation).structure_by_channel
    except CovarianceError:
        # Modes that move as one leave no positive determinant in floating point: spread evenly.
        by_mode = np.full(leading, 1.0 / leading)
    loadings = model.innovation_modes[:, :leading] ** 2 * model.mode_variance[0, :leading]
    return np.asarray(loadings @ by_mode)
