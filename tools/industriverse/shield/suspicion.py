"""Who lies: copies first, then contradiction. One ranked list of channels for a window."""

from dataclasses import dataclass

import numpy as np

from industriverse.shield.fusion.witnesses import ShieldModel
from industriverse.shield.isomorphism.replay import RepeatWatch
from industriverse.shield.reconstruction.attribution import LieDetector
from industriverse.signals import Frame

__all__ = ["Accusation", "accuse"]


@dataclass(frozen=True, slots=True)
class Accusation:
    """One channel under suspicion.

    Attributes:
        channel: Channel name.
        ground: ``copy`` (it repeats earlier readings beyond chance) or ``contradiction``.
        strength: Evidence in nats for a copy; how many times what is ordinary for a contradiction.
        share: Share of the window's rows in which a copy was playing, 0 for a contradiction.
    """

    channel: str
    ground: str
    strength: float
    share: float


def accuse(
    model: ShieldModel, window: Frame, *, before: Frame | None = None, limit: int = 3
) -> tuple[Accusation, ...]:
    """The channels most likely to lie in a window.

    A copy is a proof and comes first; what the other channels contradict follows. Honest neighbours of a group of
    channels that lie together are accused too: contradiction is mutual, and a majority of liars wins.

    Args:
        model: The fitted shield.
        window: Rows to judge, at least two.
        before: Rows between the clean ones and the window, in which the originals of copies may lie.
        limit: Most channels to name.
    """
    copies = RepeatWatch(model.clean.values)
    if before is not None and len(before):
        copies.evidence(before.values)
    evidence = copies.evidence(window.values)
    convicted = [
        Accusation(window.names[j], "copy", float(evidence[:, j].max()), float((evidence[:, j] > 0).mean()))
        for j in np.flatnonzero(evidence.max(axis=0) > 0)
    ]
    # Many channels repeat a little; the liar does so for most of the window and at the highest price for chance.
    convicted.sort(key=lambda entry: (-entry.strength, entry.channel))
    named = {entry.channel for entry in convicted}
    if len(window.channels) < 2 or len(convicted) >= limit:
        return tuple(convicted[:limit])
    suspects = LieDetector(model.clean).suspects(window, limit=limit + len(convicted))
    accused = [
        Accusation(suspect.channel, "contradiction", suspect.ratio, 0.0)
        for suspect in suspects
        if suspect.channel not in named
    ]
    return tuple([*convicted, *accused][:limit])
