"""The constants of the detection core, and the one place that calls the compiled kernel."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from industriverse.eil import layout
from industriverse.eil.cycle import angles, cyclic_mean
from industriverse.eil.state import KernelState

__all__ = ["KernelModel"]

READING_COUNT = len(layout.READING_COLUMNS)


@cache
def _kernel() -> Any:
    """The compiled loop, loaded at the first sample rather than with the package."""
    from industriverse.eil.kernel import run_kernel

    return run_kernel


@dataclass(frozen=True, slots=True, eq=False)
class KernelModel:
    """Everything that the kernel reads and never writes, in kernel order.

    Attributes:
        channel: Per-channel constants, shape (8 + 2 h, d); rows are named in :mod:`industriverse.eil.layout`,
            the last 2 h are the amplitudes of the harmonics of a cycle, if the clean rows have one.
        coefficients: Intercept and lag coefficients of the ridge VAR, shape (1 + p r, d).
        lag_basis: Basis of the lag features, shape (d, r); (0, 0) when the features are the channels.
        innovation_modes: Whitening columns of the normalised innovation, shape (d, m).
        equilibrium_modes: Whitening columns of the position, principal first, shape (d, m).
        mspc_modes: Principal columns of the MSPC expert, shape (d, k).
        mode_variance: Variances of the three kinds of modes, padded with 1, shape (3, max(m, k)).
        tails: Tails of the components and of the fused score, shape (c + 1, 3 + KNOTS).
        weights: Fusion weights, shape (c,), summing to 1.
        rates: Filter rates, 1/samples, shape (s,).
        scalars: Scalar constants.
    """

    channel: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    lag_basis: NDArray[np.float64]
    innovation_modes: NDArray[np.float64]
    equilibrium_modes: NDArray[np.float64]
    mspc_modes: NDArray[np.float64]
    mode_variance: NDArray[np.float64]
    tails: NDArray[np.float64]
    weights: NDArray[np.float64]
    rates: NDArray[np.float64]
    scalars: NDArray[np.float64]

    @property
    def channels(self) -> int:
        """Number of channels d."""
        return int(self.channel.shape[1])

    @property
    def component_count(self) -> int:
        """Number of fused components c."""
        return layout.STATIC_COMPONENTS + layout.SCALE_COMPONENTS * len(self.rates)

    def arrays(self) -> tuple[NDArray[np.float64], ...]:
        """The arrays in kernel order."""
        return (
            self.channel,
            self.coefficients,
            self.lag_basis,
            self.innovation_modes,
            self.equilibrium_modes,
            self.mspc_modes,
            self.mode_variance,
            self.tails,
            self.weights,
            self.rates,
            self.scalars,
        )

    def with_scalars(self, **values: float) -> "KernelModel":
        """A copy with some scalar constants set, named as in the layout, e.g. ``THRESHOLD=4.2``."""
        scalars = self.scalars.copy()
        for name, value in values.items():
            scalars[getattr(layout, name)] = value
        return replace(self, scalars=scalars)

    def with_frozen_level(self) -> "KernelModel":
        """A copy whose quasi-static level does not move."""
        channel = self.channel.copy()
        channel[layout.LEVEL_RATE] = 0.0
        return replace(self, channel=channel)

    def neutral_state(self) -> KernelState:
        """The state at the reference, of the shapes that this model needs."""
        features = self.lag_basis.shape[1] or self.channels
        return KernelState.neutral(
            channels=self.channels,
            lag_features=features,
            order=(self.coefficients.shape[0] - 1) // features,
            modes=self.equilibrium_modes.shape[1],
            scales=len(self.rates),
        )

    def center_at(self, timestamp_ns: int) -> NDArray[np.float64]:
        """Clean centre of each channel at a time: its median, plus the cycle where it follows one, shape (d,)."""
        center: NDArray[np.float64] = self.channel[layout.CENTER].copy()
        if len(self.channel) > layout.CHANNEL_ROWS:
            phase = np.atleast_1d(angles(timestamp_ns, int(self.scalars[layout.CYCLE_NS])))
            mean = cyclic_mean(phase, self.channel[layout.CHANNEL_ROWS :])[0]
            center += self.channel[layout.SCALE] * mean
        return center

    def run(
        self, values: NDArray[np.float64], state: KernelState, timestamps_ns: NDArray[np.int64] | int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Components (n, c) and readings (n, 12) of ``values`` (n, d); ``state`` moves on.

        Args:
            values: Rows, NaN where missing.
            state: Where the stream stands.
            timestamps_ns: Time of each row, or of the one row.
        """
        components = np.empty((len(values), len(self.weights)))
        readings = np.empty((len(values), READING_COUNT))
        if len(self.channel) > layout.CHANNEL_ROWS:
            readings[:, 0] = angles(timestamps_ns, int(self.scalars[layout.CYCLE_NS]))
        _kernel()(np.ascontiguousarray(values), *self.arrays(), *state.arrays(), components, readings)
        return components, readings
