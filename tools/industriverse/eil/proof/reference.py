"""The clean model that a proof of equilibrium compares windows with."""

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rfc8785
from numpy.typing import NDArray

from industriverse.eil.proof.checks import (
    STATISTICAL_CHECKS,
    CheckName,
    CheckResult,
    Geometry,
    conformal_p_value,
    fit_geometry,
    window_statistics,
)
from industriverse.eil.proof.errors import ReferenceFitError, ReferenceFormatError, WindowError
from industriverse.eil.proof.fitting import (
    arrow_of_time,
    clean_windows,
    count_disjoint,
    interpolate_clean,
    moderated_spread,
    quasi_static_levels,
    sort_channels,
)
from industriverse.eil.proof.windows import fill_missing, is_contiguous
from industriverse.signals import Frame
from industriverse.storage import write_whole

__all__ = ["EquilibriumReference"]

Array = NDArray[np.float64]

_FORMAT_VERSION = 2
_MIN_WINDOW = 32
# Below this many held-out windows no p-value can fall under 0.05.
_MIN_CALIBRATION_WINDOWS = 20
_MIN_FITTING_WINDOWS = 4
# One statistic that was almost constant must not drown the others, in clean windows or in forged ones.
_DEVIATION_CAP = 30.0
_QUANTITIES = {
    CheckName.ENERGY: "mean energy, kT per degree of freedom",
    CheckName.ENTROPY: "Gaussian entropy relative to the reference, nats per degree of freedom",
    CheckName.SPECTRUM: "rms deviation of log band power, clean standard deviations",
    CheckName.CURRENTS: "share of the reference's irreversible currents (1 as clean, -1 reversed)",
}


@dataclass(frozen=True, slots=True, eq=False)
class EquilibriumReference:
    """Statistics of the checks on clean windows of one stream.

    The earlier half of the clean data fixes coordinates, means and deviations of the statistics; windows of
    the later half, which that fit never saw, give the conformal calibration scores. Calibration windows
    overlap, so their number sets the resolution of a p-value and ``independent_windows`` its worth.

    Attributes:
        channels: Names of the channels checked, shape (d,).
        excluded: ``(channel, reason)`` for channels that cannot be checked.
        constants: ``(channel, value)`` for excluded channels that never changed; a window must agree.
        window: Samples per window.
        interval_s: Sampling interval in seconds.
        geometry: Coordinates of the statistics.
        centres: Per check the mean of its statistics over clean windows.
        spreads: Per check their standard deviation, positive.
        current_weights: Weights of the arrow of time over the current statistics; all zero if none is found.
        current_noise: Deviation of the retained share of currents over clean windows.
        calibration: Per check the held-out scores, shape (m,).
        reversed_scores: Scores of the currents check on the calibration windows read backward, shape (m,).
        independent_windows: Non-overlapping windows among the calibration samples.
    """

    channels: tuple[str, ...]
    excluded: tuple[tuple[str, str], ...]
    constants: tuple[tuple[str, float], ...]
    window: int
    interval_s: float
    geometry: Geometry
    centres: dict[CheckName, Array]
    spreads: dict[CheckName, Array]
    current_weights: Array
    current_noise: float
    calibration: dict[CheckName, Array]
    reversed_scores: Array
    independent_windows: int

    @classmethod
    def fit(
        cls, clean: Frame, *, window: int, calibration_windows: int = 512, quasi_static: bool = True
    ) -> "EquilibriumReference":
        """Learn the reference from clean samples.

        Args:
            clean: Clean samples in time order; at least eight windows, and enough for 20 calibration windows.
            window: Samples per window, at least 32. For a stream with a daily cycle take whole days.
            calibration_windows: How many held-out windows to aim at; their stride follows from it.
            quasi_static: Whether to take the level out of channels that drift. Without it no bias passes for
                drift, and clean windows of a drifting stream are refused.

        Raises:
            ReferenceFitError: If the data are too short, too gappy or have no channel that varies.
        """
        if window < _MIN_WINDOW:
            raise ReferenceFitError(
                f"a window of {window} samples is too short", hint=f"use at least {_MIN_WINDOW}"
            )
        if len(clean) < 8 * window:
            raise ReferenceFitError(
                f"{len(clean)} clean samples hold fewer than eight windows of {window}",
                hint="give more clean data or a shorter window",
            )
        half = len(clean) // 2
        usable, excluded, constants = sort_channels(clean, half)
        if not usable:
            raise ReferenceFitError(
                "no channel varies in the clean data", hint="check the source: a flat stream proves nothing"
            )
        samples = Frame(
            clean.timestamps_ns, clean.values[:, usable], tuple(clean.channels[i] for i in usable)
        )
        stride = max(1, (len(clean) - half - window) // calibration_windows)
        fitting = list(clean_windows(samples, 0, half, window, max(1, window // 4)))
        held_out = list(clean_windows(samples, half, len(clean), window, stride))
        if len(fitting) < _MIN_FITTING_WINDOWS or len(held_out) < _MIN_CALIBRATION_WINDOWS:
            raise ReferenceFitError(
                f"only {len(fitting)} fitting and {len(held_out)} calibration windows are free of gaps",
                hint=f"give at least {_MIN_FITTING_WINDOWS} and {_MIN_CALIBRATION_WINDOWS}: more clean data",
            )
        filled = interpolate_clean(samples.values)
        levels = quasi_static_levels(filled, half, window) if quasi_static else None
        geometry = fit_geometry(filled[:half], levels, window)
        statistics = [window_statistics(block, geometry) for block in fitting]
        stacked = {name: np.array([s[name] for s in statistics]) for name in STATISTICAL_CHECKS}
        weights, noise = arrow_of_time(stacked[CheckName.CURRENTS], half / window)
        draft = cls(
            channels=samples.names,
            excluded=excluded,
            constants=constants,
            window=window,
            interval_s=clean.interval_s,
            geometry=geometry,
            centres={name: values.mean(axis=0) for name, values in stacked.items()},
            spreads={name: moderated_spread(values) for name, values in stacked.items()},
            current_weights=weights,
            current_noise=noise,
            calibration={},
            reversed_scores=np.empty(0),
            independent_windows=min(
                count_disjoint(clean.timestamps_ns[half:], clean.interval_s, window), len(held_out)
            ),
        )
        scores = [draft.scores(block) for block in held_out]
        backward = [draft.scores(block[::-1])[CheckName.CURRENTS] for block in held_out]
        return replace(
            draft,
            calibration={name: np.array([s[name] for s in scores]) for name in STATISTICAL_CHECKS},
            reversed_scores=np.array(backward),
        )

    @property
    def calibration_windows(self) -> int:
        """Number of calibration windows; no p-value is smaller than one over this plus one."""
        return len(self.reversed_scores)

    def certifiable_alpha(self, checks: int) -> float:
        """The lowest level that this many checks on these clean data can certify, ``checks / (k + 1)``.

        A clean window exceeds all of k exchangeable clean windows with probability 1 / (k + 1) in each check;
        overlapping windows refine p-values below that but do not make them true.
        """
        return min(1.0, checks / (self.independent_windows + 1))

    @property
    def quasi_static(self) -> tuple[tuple[str, float, float], ...]:
        """``(channel, low, high)``: levels in the channel's unit within which a bias passes for drift."""
        low, high = self.geometry.level_range * self.geometry.scale + self.geometry.mean
        moving = self.geometry.level_range[1] > self.geometry.level_range[0]
        return tuple(
            (name, float(low[i]), float(high[i])) for i, name in enumerate(self.channels) if moving[i]
        )

    def scores(self, values: Array) -> dict[CheckName, float]:
        """Nonconformity scores of one complete window of the checked channels, shape (window, d)."""
        return self._score_statistics(window_statistics(values, self.geometry))

    def check(self, frame: Frame) -> tuple[CheckResult, ...]:
        """Run the four statistical checks on one window.

        Raises:
            WindowError: If length, channels, sampling, constants or missing values rule the window out.
        """
        statistics = window_statistics(self._values(frame), self.geometry)
        scores = self._score_statistics(statistics)
        if self.moved_constants(frame):
            # A channel that never moved has zero variance: any motion costs it infinite energy.
            scores[CheckName.ENERGY] = float("inf")
        return tuple(
            CheckResult(
                name,
                conformal_p_value(scores[name], self.calibration[name]),
                scores[name],
                _QUANTITIES[name],
                *self._headline(name, statistics[name]),
            )
            for name in STATISTICAL_CHECKS
        )

    def moved_constants(self, frame: Frame) -> tuple[str, ...]:
        """Channels that never changed in the clean data and differ from that value in this frame."""
        return tuple(
            name
            for name, value in self.constants
            if not np.all(np.isnan(frame.column(name)) | np.isclose(frame.column(name), value))
        )

    def reversal_refusal_rate(self, threshold: float) -> float:
        """Share of clean calibration windows that the currents check refuses when they are read backward.

        It is the power of the arrow of time on this stream at this threshold: near zero means that the
        stream is reversible as far as the check can see, and that a reversed replay would pass.
        """
        calibration = self.calibration[CheckName.CURRENTS]
        p_values = [conformal_p_value(score, calibration) for score in self.reversed_scores]
        return float(np.mean(np.array(p_values) <= threshold))

    def _score_statistics(self, statistics: dict[CheckName, Array]) -> dict[CheckName, float]:
        scores = {}
        for name in STATISTICAL_CHECKS:
            deviation = (statistics[name] - self.centres[name]) / self.spreads[name]
            capped = np.clip(deviation, -_DEVIATION_CAP, _DEVIATION_CAP)
            scores[name] = float(np.mean(capped * capped))
            if name is CheckName.SPECTRUM:
                # Times the worst channel: one frozen sensor among many must not vanish in their mean.
                by_channel = (capped * capped).reshape(-1, len(self.channels)).mean(axis=0)
                scores[name] = float(np.sqrt(scores[name] * by_channel.max()))
        if self.current_weights.any():
            # The arrow of time is one direction among the currents; alone it is not diluted by the rest.
            lost = self._retained_currents(statistics[CheckName.CURRENTS]) - 1.0
            scores[CheckName.CURRENTS] = max(scores[CheckName.CURRENTS], (lost / self.current_noise) ** 2)
        return scores

    def _retained_currents(self, currents: Array) -> float:
        return float(np.sum(self.current_weights * currents))

    def _headline(self, name: CheckName, statistics: Array) -> tuple[float, float]:
        if name is CheckName.SPECTRUM:
            deviation = (statistics - self.centres[name]) / self.spreads[name]
            return float(np.sqrt(np.mean(deviation * deviation))), 1.0
        if name is CheckName.CURRENTS:
            found = bool(self.current_weights.any())
            return (self._retained_currents(statistics), 1.0) if found else (0.0, 0.0)
        return float(statistics[0]), float(self.centres[name][0])

    def _values(self, frame: Frame) -> Array:
        if len(frame) != self.window:
            raise WindowError(
                f"the window has {len(frame)} samples, the reference compares {self.window}",
                hint=f"give exactly {self.window} samples",
            )
        if not is_contiguous(frame.timestamps_ns, self.interval_s):
            raise WindowError(
                f"the window is not evenly sampled at the reference's {self.interval_s:g} s",
                hint="prove a window without gaps",
            )
        absent = [name for name in (*self.channels, *dict(self.constants)) if name not in frame.names]
        if absent:
            raise WindowError(
                f"the window lacks channel {absent[0]!r}", hint="give every channel of the reference"
            )
        columns = [frame.names.index(name) for name in self.channels]
        return fill_missing(frame.values[:, columns], self.channels)

    def _meta(self) -> dict[str, Any]:
        return {
            "format": _FORMAT_VERSION,
            "channels": list(self.channels),
            "excluded": [list(item) for item in self.excluded],
            "constants": [[name, value] for name, value in self.constants],
            "window": self.window,
            "interval_s": self.interval_s,
            "independent_windows": self.independent_windows,
            "current_noise": self.current_noise,
        }

    def _arrays(self) -> dict[str, Array]:
        arrays = {f"geometry.{key}": getattr(self.geometry, key) for key in Geometry.__slots__}
        for group in ("centres", "spreads", "calibration"):
            arrays |= {f"{group}.{name}": getattr(self, group)[name] for name in STATISTICAL_CHECKS}
        return arrays | {"current_weights": self.current_weights, "reversed_scores": self.reversed_scores}

    @property
    def digest(self) -> str:
        """SHA-256 of the contents in hex; equal contents have equal digests whatever file holds them."""
        digest = hashlib.sha256(rfc8785.dumps(self._meta()))
        for key, array in sorted(self._arrays().items()):
            digest.update(f"\n{key} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        return digest.hexdigest()

    def save(self, path: Path | str) -> str:
        """Write the reference to ``path`` (npz without pickle), whole or not at all; returns the digest."""
        digest = self.digest
        header = rfc8785.dumps({**self._meta(), "digest": digest})
        buffer = io.BytesIO()
        np.savez_compressed(buffer, header=np.frombuffer(header, dtype=np.uint8), **self._arrays())  # type: ignore[arg-type]
        write_whole(path, buffer.getvalue())
        return digest

    @classmethod
    def load(cls, path: Path | str) -> "EquilibriumReference":
        """Read a saved reference and check its digest.

        Raises:
            ReferenceFormatError: If the file is missing, not a reference, or altered since it was saved.
        """
        try:
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                reference, digest = _from_arrays(cls, dict(stored))
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise ReferenceFormatError(
                f"{path} is not an equilibrium reference ({error})", hint="fit and save one first"
            ) from error
        if reference.digest != digest:
            raise ReferenceFormatError(
                f"{path} does not match its own digest", hint="restore the file or fit the reference again"
            )
        return reference


def _from_arrays(
    cls: type[EquilibriumReference], stored: dict[str, NDArray[np.generic]]
) -> tuple[EquilibriumReference, str]:
    meta = json.loads(stored["header"].tobytes())
    if meta["format"] != _FORMAT_VERSION:
        raise ValueError(f"format version {meta['format']} is not {_FORMAT_VERSION}")
    arrays = {key: np.asarray(value, dtype=np.float64) for key, value in stored.items() if key != "header"}

    def group(prefix: str) -> dict[CheckName, Array]:
        return {name: arrays[f"{prefix}.{name}"] for name in STATISTICAL_CHECKS}

    reference = cls(
        channels=tuple(meta["channels"]),
        excluded=tuple((name, reason) for name, reason in meta["excluded"]),
        constants=tuple((name, float(value)) for name, value in meta["constants"]),
        window=int(meta["window"]),
        interval_s=float(meta["interval_s"]),
        geometry=Geometry(**{key: arrays[f"geometry.{key}"] for key in Geometry.__slots__}),
        centres=group("centres"),
        spreads=group("spreads"),
        current_weights=arrays["current_weights"],
        current_noise=float(meta["current_noise"]),
        calibration=group("calibration"),
        reversed_scores=arrays["reversed_scores"],
        independent_windows=int(meta["independent_windows"]),
    )
    return reference, str(meta["digest"])
