"""Freshness: does the telemetry answer a keyed challenge, and could anything else have answered it?

With u[t] the whitened one-step residual of a window and r[t] the response that commissioning lets one expect, the
statistic is their correlation s = sum_t u[t] . r[t]. It is linear in the signs of the excitation,
s = sum_i e[i] c[i], which gives two one-sided tests:

- *replay*: u does not depend on e. Given u, s is a sum of independent signs times known numbers, so
  P(s >= x) has a Gaussian bound in x^2 / sum (e[i] c[i])^2, whatever u is and however it was made.
- *live*: u = g r + w with a gain g of at least ``gain_floor`` and w independent of e. The same bound on
  s - g |r|^2 says how improbable so weak an answer is; small means that the process did not answer.

The first assumes nothing about the law of the data; the second trusts the fitted response up to ``gain_floor``.
A window is fresh if the live test does not reject it and the replay test does. Neither sees an attacker who knows
the session key, who reads what the actuator adds, or who reads the live channels and copies their answer onto
others; nor tampering with a channel that does not answer.
"""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from industriverse.eil.proof.challenge import Challenge
from industriverse.eil.proof.checks import CheckName, CheckResult
from industriverse.eil.proof.envelope import canonical_json, parse_json
from industriverse.eil.proof.errors import (
    MalformedCertificateError,
    ReferenceFormatError,
    WatermarkError,
    WatermarkFitError,
    WindowError,
)
from industriverse.eil.proof.fitting import sort_channels
from industriverse.eil.proof.response import ORDER, TAPS, Response, correlate, fit_response
from industriverse.eil.proof.windows import fill_missing, is_contiguous
from industriverse.signals import Frame
from industriverse.storage import write_whole

__all__ = ["FreshnessResult", "Watermark", "WatermarkModel", "sign_sum_p_value"]

Array = NDArray[np.float64]

_FORMAT = "industriverse-watermark-model-1"
_ROWS_PER_COEFFICIENT = 10
_SEGMENT = 64
_MIN_SEGMENTS = 8
# A gain this many standard errors below the mean of held-out segments is the weakest that counts as alive.
_FLOOR_ERRORS = 3.0
_MIN_GAIN_FLOOR = 0.5
# Normal quantile: 99 % of live windows of the length that ``samples_needed`` states have at least that luck.
_NORMAL_99 = 2.326
# 1 / (4 P(normal >= sqrt 2)), the best constant for all weights.
_BENTKUS = 1.0 / (2.0 * math.erfc(1.0))
# Smaller probabilities would round to zero in a certificate.
_P_FLOOR = 1e-300
_QUANTITY = "answer to the keyed challenge, share of the expected response (1 in commissioning, 0 none)"


def sign_sum_p_value(excess: float, spread: float) -> float:
    """Bound on P(sum of independent signs times numbers of root sum square ``spread`` >= ``excess``).

    The smaller of exp(-z^2 / 2) and 3.18 P(normal >= z), z = excess / spread. Sources: Hoeffding, "Probability
    inequalities for sums of bounded random variables", JASA 58 (1963); Bentkus & Dzindzalieta, "A tight Gaussian
    bound for weighted sums of Rademacher random variables", Bernoulli 21 (2015).
    """
    if excess <= 0.0 or spread <= 0.0:
        return 1.0
    deviate = excess / spread
    gaussian = _BENTKUS * 0.5 * math.erfc(deviate / math.sqrt(2.0))
    return max(min(math.exp(-0.5 * deviate * deviate), gaussian), _P_FLOOR)


@dataclass(frozen=True, slots=True)
class FreshnessResult:
    """What one window says about its challenge. Both p-values follow from the five numbers.

    Attributes:
        correlation: s, in squared standard deviations of the innovation.
        expected: |r|^2, the correlation of a noiseless answer as in commissioning.
        gain_floor: Weakest share of ``expected`` that counts as an answer.
        live_spread: Root sum square of the signs' weights in the live test.
        replay_spread: The same in the replay test.
        channel_replay_p_values: ``(channel, bound)`` of the replay test on each channel alone.
    """

    correlation: float
    expected: float
    gain_floor: float
    live_spread: float
    replay_spread: float
    channel_replay_p_values: tuple[tuple[str, float], ...]

    @property
    def p_value(self) -> float:
        """Bound on the probability that a live process answers so weakly; small means not live."""
        return sign_sum_p_value(self.gain_floor * self.expected - self.correlation, self.live_spread)

    @property
    def replay_p_value(self) -> float:
        """Bound on the probability that telemetry ignorant of the challenge answers so well."""
        return sign_sum_p_value(self.correlation, self.replay_spread)

    def is_fresh(self, threshold: float) -> bool:
        """Whether the window answers, and nothing ignorant of the challenge would have, at this level."""
        return self.p_value > threshold >= self.replay_p_value

    def answering(self, threshold: float) -> tuple[str, ...]:
        """Channels that answer by themselves, Bonferroni over channels; nothing is said about the others."""
        share = threshold / len(self.channel_replay_p_values)
        return tuple(name for name, p_value in self.channel_replay_p_values if p_value <= share)

    def as_check(self) -> CheckResult:
        """The fifth check, beside the four statistical ones."""
        lacking = max(0.0, self.gain_floor * self.expected - self.correlation)
        score = (lacking / self.live_spread) ** 2 if self.live_spread > 0.0 else 0.0
        measured = self.correlation / self.expected if self.expected > 0.0 else 0.0
        return CheckResult(CheckName.FRESHNESS, self.p_value, score, _QUANTITY, measured, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class WatermarkModel:
    """How a process answers the excitation of one actuator.

    Attributes:
        channels: Names of the channels, shape (d,).
        actuator: The actuator that was excited in commissioning.
        interval_s: Sampling interval in seconds.
        response: The fitted process.
        gain: Share of the fitted response on held-out samples; near 1.
        gain_floor: Weakest share that counts as alive.
        signal_per_sample: Mean expected correlation of one sample in commissioning.
        live_noise_per_sample: Mean squared live spread of one sample in commissioning.
        replay_noise_per_sample: The same of the replay spread; larger, since the answer itself is part of it.
    """

    channels: tuple[str, ...]
    actuator: str
    interval_s: float
    response: Response
    gain: float
    gain_floor: float
    signal_per_sample: float
    live_noise_per_sample: float
    replay_noise_per_sample: float

    @classmethod
    def fit(cls, commissioning: Frame, challenge: Challenge) -> "WatermarkModel":
        """Learn the response from a clean run with the challenge on.

        The first half fixes the response; its gain is measured on segments of the second half.

        Args:
            commissioning: Clean, gapless samples within the challenge.
            challenge: The excitation that was added meanwhile.

        Raises:
            WatermarkFitError: If there are too few samples or the response is too weak to be tested.
            WindowError: If the samples have gaps or too many missing values.
        """
        rows, half = len(commissioning), len(commissioning) // 2
        usable = sort_channels(commissioning, half)[0] if half else []
        needed = max(2 * _ROWS_PER_COEFFICIENT * (ORDER * len(usable) + TAPS), 2 * _MIN_SEGMENTS * _SEGMENT)
        if not usable or rows < needed:
            raise WatermarkFitError(
                f"{rows} commissioning samples of {len(usable)} varying channels do not identify a response",
                hint=f"give at least {needed} samples of channels that vary",
            )
        names = tuple(commissioning.names[i] for i in usable)
        values, excitation = _aligned(commissioning, names, challenge)
        response = fit_response(values[:half], excitation[: half + TAPS - 1 - ORDER])
        gain, floor, *per_sample = _held_out_gain(values, excitation, half, response)
        if not floor >= _MIN_GAIN_FLOOR:
            raise WatermarkFitError(
                f"the response to actuator {challenge.actuator.name!r} repeats with a gain of {gain:.2f}, "
                f"surely above {floor:.2f} only: too weak to be tested",
                hint="raise the share of the range, commission for longer, or excite another actuator",
            )
        actuator, interval_s = challenge.actuator.name, challenge.interval_s
        return cls(names, actuator, interval_s, response, gain, floor, *per_sample)

    def check(self, window: Frame, challenge: Challenge) -> FreshnessResult:
        """Test whether a window answers a challenge.

        Raises:
            WatermarkError: If the challenge is of another actuator or interval, or began after the window.
            ChallengeError: If the samples lie off the grid of the challenge.
            WindowError: If the window has gaps, lacks channels or misses too many values.
        """
        if challenge.actuator.name != self.actuator or challenge.interval_s != self.interval_s:
            raise WatermarkError(
                f"the challenge excites {challenge.actuator.name!r} every {challenge.interval_s:g} s, the model "
                f"knows {self.actuator!r} every {self.interval_s:g} s",
                hint="challenge the actuator that was commissioned, or commission this one",
            )
        absent = [name for name in self.channels if name not in window.names]
        if absent:
            raise WindowError(
                f"the window lacks channel {absent[0]!r}", hint="give all channels of the model"
            )
        if len(window) <= TAPS + ORDER:
            raise WindowError(
                f"{len(window)} samples are too few for an answer", hint=f"give at least {TAPS + ORDER + 1}"
            )
        values, excitation = _aligned(window, self.channels, challenge)
        whole, single = correlate(values, excitation, self.response, self.gain_floor)
        by_channel = tuple(
            (name, sign_sum_p_value(answer.correlation, answer.replay_spread))
            for name, answer in zip(self.channels, single, strict=True)
        )
        return FreshnessResult(
            whole.correlation,
            whole.expected,
            self.gain_floor,
            whole.live_spread,
            whole.replay_spread,
            by_channel,
        )

    def samples_needed(self, threshold: float) -> int:
        """Window length at which 99 % of live windows answer well enough for the replay test at a threshold."""
        hoeffding = math.sqrt(2.0 * math.log(1.0 / threshold))
        deviate = min(hoeffding, -NormalDist().inv_cdf(threshold / _BENTKUS))
        spread = deviate * math.sqrt(self.replay_noise_per_sample)
        luck = _NORMAL_99 * math.sqrt(self.live_noise_per_sample)
        return ORDER + math.ceil(((spread + luck) / (self.gain * self.signal_per_sample)) ** 2)

    def _document(self) -> dict[str, Any]:
        arrays = {name: getattr(self.response, name).tolist() for name in Response.__slots__}
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        return {
            "format": _FORMAT, "channels": list(self.channels), "actuator": self.actuator, **numbers,
            "response": arrays,
        }  # fmt: skip

    @property
    def digest(self) -> str:
        """SHA-256 of the contents in canonical JSON, hex."""
        return hashlib.sha256(canonical_json(self._document())).hexdigest()

    def save(self, path: Path | str) -> str:
        """Write the model as canonical JSON; returns the digest, which is the file's SHA-256."""
        write_whole(path, canonical_json(self._document()))
        return self.digest

    @classmethod
    def load(cls, path: Path | str) -> "WatermarkModel":
        """Read a saved model.

        Raises:
            ReferenceFormatError: If the file is missing or is not a model.
        """
        try:
            fields = parse_json(Path(path).read_bytes())
            if fields["format"] != _FORMAT:
                raise ValueError(f"format is {fields['format']!r}")
            arrays = {
                name: np.array(fields["response"][name], dtype=np.float64) for name in Response.__slots__
            }
            numbers = {name: float(fields[name]) for name in _NUMBERS}
            model = cls(
                tuple(fields["channels"]), str(fields["actuator"]), response=Response(**arrays), **numbers
            )
            if model.response.taps.shape != (TAPS, len(model.channels)):
                raise ValueError(f"taps of shape {model.response.taps.shape}")
        except (OSError, ValueError, KeyError, TypeError, MalformedCertificateError) as error:
            raise ReferenceFormatError(
                f"{path} is not a watermark model ({error})",
                hint="commission the actuator and save its model",
            ) from error
        return model


_NUMBERS = (
    "interval_s",
    "gain",
    "gain_floor",
    "signal_per_sample",
    "live_noise_per_sample",
    "replay_noise_per_sample",
)


@dataclass(frozen=True, slots=True, eq=False)
class Watermark:
    """The challenge that was on while a window was sampled, and the model that tells an answer.

    Let the process settle under the challenge before the window begins: the statistical checks know the plant
    with its excitation, and take the first samples without it for a disturbance.
    """

    model: WatermarkModel
    challenge: Challenge

    def check(self, window: Frame) -> FreshnessResult:
        """As ``WatermarkModel.check``; also refuses windows from before the challenge.

        Raises:
            WatermarkError: If the window starts before the challenge.
            ProofError: As ``WatermarkModel.check``.
        """
        if len(window) and int(window.timestamps_ns[0]) < self.challenge.start_ns:
            raise WatermarkError(
                "the window starts before its challenge",
                hint="prove a window sampled after the challenge began",
            )
        return self.model.check(window, self.challenge)


def _aligned(frame: Frame, names: tuple[str, ...], challenge: Challenge) -> tuple[Array, Array]:
    """Values of the named channels and the excitation from 5 samples before the first of them."""
    if not is_contiguous(frame.timestamps_ns, challenge.interval_s):
        raise WindowError(
            f"the samples are not even at the challenge's {challenge.interval_s:g} s",
            hint="give one run without gaps",
        )
    columns = [frame.names.index(name) for name in names]
    lead = TAPS - 1 - ORDER
    first = challenge.sample_of(int(frame.timestamps_ns[0])) - lead
    return fill_missing(frame.values[:, columns], names), challenge.excitation(first, len(frame) + lead)


def _held_out_gain(
    values: Array, excitation: Array, half: int, response: Response
) -> tuple[float, float, float, float, float]:
    """Gain, its lower confidence limit, signal, live and replay noise per sample, on segments after row ``half``."""
    lead = TAPS - 1 - ORDER
    answers = [
        correlate(values[at : at + _SEGMENT], excitation[at : at + _SEGMENT + lead], response, 1.0)[0]
        for at in range(half, len(values) - _SEGMENT + 1, _SEGMENT)
    ]
    signal = max(float(np.mean([answer.expected for answer in answers])), _P_FLOOR)
    # Ratio of means: segments in which chance made the expected response small would rule a mean of ratios.
    shares = np.array([answer.correlation for answer in answers]) / signal
    gain, error = float(shares.mean()), float(shares.std(ddof=1)) / math.sqrt(len(shares))
    live = float(np.mean([answer.live_spread**2 for answer in answers]))
    replay = float(np.mean([answer.replay_spread**2 for answer in answers]))
    used = _SEGMENT - ORDER
    floor = min(gain - _FLOOR_ERRORS * error, 1.0)
    return gain, floor, signal / used, live / used, replay / used
