"""The council: admits votes, gates them on conservation, takes the median, or abstains."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from torch import Tensor

from industriverse.nvp.field_errors import CouncilError
from industriverse.nvp.shadow.aggregation import conservation_gate, geometric_median
from industriverse.nvp.shadow.votes import Round, Vote, prediction_digest, verify

__all__ = ["Abstention", "Council", "Decision"]


@dataclass(frozen=True)
class Decision:
    """The forecast that a quorum stands behind.

    Args:
        prediction: Geometric median of the admitted members, float64.
        agreeing: Members within tolerance of it.
        refused: Reason by member for every vote that did not count.
        spread: Largest relative distance of an agreeing member to the median.
        balance_error: |sum of the median - expected| / A_E.
    """

    prediction: Tensor = field(repr=False)
    agreeing: tuple[str, ...]
    refused: Mapping[str, str]
    spread: float
    balance_error: float


@dataclass(frozen=True)
class Abstention:
    """No forecast: too few members agree.

    Args:
        reason: Why, with the counts.
        agreeing: Members within tolerance of each other's median.
        refused: Reason by member for every vote that did not count.
    """

    reason: str
    agreeing: tuple[str, ...]
    refused: Mapping[str, str]


class Council:
    """n >= 3 f + 1 members of which up to f may fail in any way, colluding included.

    Votes must be signed by registered keys, answer the open round and keep the metered balance. Two
    different votes of one member in a round convict it of equivocation: both are refused, for this
    round and the following ones until `pardon`. The geometric median of the rest is the forecast when
    at least 2 f + 1 members lie within tolerance of it; otherwise the council abstains. Any two such
    quorums share an honest member.

    Args:
        keys: Public key of every member.
        faults: f.
        tolerance: Admissible distance to the median relative to the fluctuation of the state.
        balance_tolerance: Admissible |sum - expected| / A_E.

    When it breaks: errors that all members share (a wrong equation) pass; the solver's own estimate and
    the persistence row are there for that.
    """

    def __init__(
        self,
        keys: Mapping[str, Ed25519PublicKey],
        *,
        faults: int,
        tolerance: float = 0.05,
        balance_tolerance: float = 1e-6,
    ) -> None:
        if faults < 0 or len(keys) < 3 * faults + 1:
            raise CouncilError(
                f"{len(keys)} members cannot outvote {faults} faults",
                hint=f"give at least {3 * max(faults, 0) + 1} members",
            )
        self.keys = dict(keys)
        self.faults = faults
        self.tolerance = tolerance
        self.balance_tolerance = balance_tolerance
        self.convicted: dict[str, str] = {}
        self._open: Round | None = None

    @property
    def quorum(self) -> int:
        """Members that must agree: 2 f + 1."""
        return 2 * self.faults + 1

    def open_round(self, stream: str, frame: int, state: Tensor) -> Round:
        """Opens a round about the frame after `state`, with a fresh nonce."""
        self._open = Round(stream, secrets.token_hex(16), prediction_digest(state), frame)
        return self._open

    def pardon(self, member: str) -> None:
        """Lets a convicted member vote again."""
        self.convicted.pop(member, None)

    def decide(
        self, about: Round, votes: Sequence[Vote], state: Tensor, supplied: float = 0.0
    ) -> Decision | Abstention:
        """Closes the round.

        Args:
            about: The round from `open_round`; it is decided once.
            votes: All votes received, in any order.
            state: Present density whose sum the balance is about; predictions have its shape.
            supplied: Metered exchange in the frame, in units of the sum.

        Raises:
            CouncilError: The round is not the open one.
        """
        if about != self._open:
            raise CouncilError(
                f"round {about.nonce[:8]} of {about.stream} is not open", hint="open a round and ask again"
            )
        self._open = None
        refused: dict[str, str] = dict(self.convicted)
        admitted = self._admit(about, votes, state, refused)
        exact = state.double()
        expected = exact.sum() + supplied
        amplitude = (exact - exact.mean()).abs().sum().clamp_min(1e-300)
        names = sorted(admitted)
        if names:
            stacked = torch.stack([admitted[name].double() for name in names])
            passed = conservation_gate(stacked, expected, amplitude, self.balance_tolerance)
            for name, ok in zip(names, passed.tolist(), strict=True):
                if not ok:
                    refused[name] = "breaks the balance"
            names = [name for name in names if name not in refused]
        if len(names) < self.quorum:
            return Abstention(f"{len(names)} admissible votes, {self.quorum} needed", tuple(names), refused)
        stacked = torch.stack([admitted[name].double() for name in names])
        median = geometric_median(stacked)
        scale = (median - median.mean()).norm().clamp_min(1e-300)
        distances = (stacked - median).flatten(1).norm(dim=1) / scale
        agreeing = tuple(
            name for name, far in zip(names, distances.tolist(), strict=True) if far <= self.tolerance
        )
        if len(agreeing) < self.quorum:
            return Abstention(
                f"{len(agreeing)} members within {self.tolerance:g} of the median, {self.quorum} needed",
                agreeing,
                refused,
            )
        spread = max(far for far in distances.tolist() if far <= self.tolerance)
        balance = float((median.sum() - expected).abs() / amplitude)
        return Decision(median, agreeing, refused, spread, balance)

    def _admit(
        self, about: Round, votes: Sequence[Vote], state: Tensor, refused: dict[str, str]
    ) -> dict[str, Tensor]:
        admitted: dict[str, Tensor] = {}
        for vote in votes:
            if vote.member in self.convicted:
                continue
            reason = self._objection(vote, about, state)
            if reason:
                # A forged or replayed vote in a member's name must not silence the member's own vote.
                refused.setdefault(vote.member, reason)
                continue
            known = admitted.get(vote.member)
            if known is not None and prediction_digest(known) != prediction_digest(vote.prediction):
                self.convicted[vote.member] = "equivocated: two different signed votes in one round"
                continue
            admitted[vote.member] = vote.prediction
        for member in self.convicted:
            admitted.pop(member, None)
        refused.update(self.convicted)
        for member in admitted:
            refused.pop(member, None)
        return admitted

    def _objection(self, vote: Vote, about: Round, state: Tensor) -> str:
        key = self.keys.get(vote.member)
        if key is None:
            return "is no member"
        if vote.prediction.shape != state.shape:
            return f"predicts the shape {tuple(vote.prediction.shape)}"
        try:
            verify(vote, about, key)
        except CouncilError as error:
            return error.message
        return ""
