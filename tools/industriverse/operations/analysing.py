"""A window of a stream under the shield: what it is like, what it breaks, who lies, and what it should read."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from industriverse.operations.errors import OperationError
from industriverse.operations.services import Services
from industriverse.shield.fusion import ShieldModel, ShieldMonitor, ShieldReadings
from industriverse.shield.isomorphism import NoiseMatch, SystemMatch, identify_noise, match_system
from industriverse.shield.isomorphism.noise_profiles import MINIMUM_SAMPLES
from industriverse.shield.reconstruction import Rebuilder, Rebuilt
from industriverse.shield.suspicion import Accusation, accuse
from industriverse.signals import Frame

__all__ = ["Analysis", "analyse"]

SHOWN_CHANNELS = 12
SYSTEM_ROWS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """What the shield's phases say of a window.

    Attributes:
        window: The rows.
        readings: Fused readings of each row.
        accused: Channels under suspicion.
        noise: Noise profile of each accused channel and of the first others.
        system: Canonical system, None where the window is too short or has gaps.
        relations: Invariants with their mean absolute residual over the window, in clean spreads.
        rebuilt: The window with accused channels rebuilt from the others.
    """

    window: Frame
    readings: ShieldReadings
    accused: tuple[Accusation, ...]
    noise: dict[str, NoiseMatch]
    system: SystemMatch | None
    relations: tuple[tuple[str, float], ...]
    rebuilt: Rebuilt | None


@lru_cache(maxsize=4)
def _models(digest: str, budget_per_day: float, holder: "_Clean") -> tuple[ShieldModel, Rebuilder]:
    del digest  # the key: the same clean rows and budget give the same models
    return ShieldModel.fit(holder.frame, budget_per_day=budget_per_day), Rebuilder(holder.frame)


class _Clean:
    """Clean rows that compare as equal whatever they hold, so that the digest alone is the key."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Clean)

    def __hash__(self) -> int:
        return 0


def analyse(services: Services, stream: str, last_rows: int) -> Analysis:
    """Run MIC, UPD and fusion on the latest rows of a stream.

    Raises:
        NotFoundError: If there is no such stream or nothing was learned from it.
        OperationError: If it holds no row after the clean ones.
        AnalysisError: If the clean rows are too few for the shield.
    """
    reference = services.streams.watched(stream).reference
    stored = services.streams.store.frame(stream)
    first = int(np.searchsorted(stored.timestamps_ns, reference.clean_start_ns))
    edge = int(np.searchsorted(stored.timestamps_ns, reference.clean_stop_ns, side="right"))
    clean, later = stored.rows(first, edge), stored.rows(edge)
    if not len(later):
        raise OperationError(
            f"stream {stream!r} holds no sample after its clean ones", hint="send some first"
        )
    model, rebuilder = _models(reference.digest, reference.calibration.budget_per_day, _Clean(clean))
    readings = ShieldMonitor(model).see(later)[1]
    start = max(0, len(later) - last_rows)
    window = later.rows(start)
    shown = _rows_of(readings, start)
    accused = _accusations(model, window, later.rows(0, start), shown)
    return Analysis(
        window=window,
        readings=shown,
        accused=accused,
        noise=_noise(window, accused, clean),
        system=_system(window),
        relations=_relations(model, clean, window),
        rebuilt=_rebuilt(rebuilder, window, accused),
    )


def _rows_of(readings: ShieldReadings, start: int) -> ShieldReadings:
    names = ShieldReadings.__dataclass_fields__
    return ShieldReadings(**{name: getattr(readings, name)[start:] for name in names})


def _accusations(
    model: ShieldModel, window: Frame, before: Frame, readings: ShieldReadings
) -> tuple[Accusation, ...]:
    """Suspects over the rows in alarm; nobody is accused of a calm window."""
    alarmed = np.flatnonzero(readings.alarm)
    if not len(alarmed):
        return ()
    first, last = int(alarmed[0]), int(alarmed[-1]) + 1
    first = max(0, min(first, last - 2))
    if last - first < 2:
        return ()
    joined = before if first == 0 else Frame.concatenate([before, window.rows(0, first)])
    return accuse(model, window.rows(first, last), before=joined)


def _noise(window: Frame, accused: tuple[Accusation, ...], clean: Frame) -> dict[str, NoiseMatch]:
    named = [entry.channel for entry in accused]
    named += [name for name in window.names if name not in named]
    found = {}
    for name in named[:SHOWN_CHANNELS]:
        values = window.column(name)
        if (~np.isnan(values)).sum() >= MINIMUM_SAMPLES:
            found[name] = identify_noise(values[-4096:], clean=clean.column(name)[-8192:])
    return found


def _system(window: Frame) -> SystemMatch | None:
    values = window.values[-4096:, :SHOWN_CHANNELS]
    if len(values) < SYSTEM_ROWS or np.isnan(values).any():
        return None
    return match_system(values)


def _relations(model: ShieldModel, clean: Frame, window: Frame) -> tuple[tuple[str, float], ...]:
    from industriverse.shield.isomorphism import find_invariants

    found = find_invariants(clean, balances=model.balances)
    if not found.invariants:
        return ()
    size = np.nanmean(np.abs(found.residuals(window.values)), axis=0)
    pairs = [(entry.text(), float(value)) for entry, value in zip(found.invariants, size, strict=True)]
    return tuple(sorted(pairs, key=lambda pair: -np.nan_to_num(pair[1])))


def _rebuilt(rebuilder: Rebuilder, window: Frame, accused: tuple[Accusation, ...]) -> Rebuilt | None:
    liars = [entry.channel for entry in accused if entry.ground == "copy" or entry.strength > 1.0]
    if not liars:
        return None
    distrusted = np.zeros(window.values.shape, dtype=np.bool_)
    distrusted[:, [window.names.index(name) for name in liars]] = True
    return rebuilder.rebuild(window, distrusted=distrusted)
