"""What a keyed challenge is worth and costs on a simulated water network: the lake pump's speed carries it."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from industriverse.eil.proof.challenge import Challenge
from industriverse.eil.proof.watermark import WatermarkModel
from industriverse.operations.challenging import Challenges, find_actuator
from industriverse.operations.plants import Plants
from industriverse.signals import Frame
from industriverse.simulation.water_network import WaterNetworkSpec

__all__ = ["PlantRow", "plant_row", "show_plant"]

START_NS = 1_767_571_200_000_000_000
INTERVAL_S = 900
DAY = 86_400 // INTERVAL_S
COMMISSIONING_DAYS = 14
WATCHED_DAYS = 60
ALPHA = 1e-3
HOURS_OF_A_STEP = INTERVAL_S / 3600


@dataclass(frozen=True)
class PlantRow:
    """One amplitude on one plant.

    Attributes:
        share: Amplitude as a share of the actuator's range.
        gain: Learned answer on held-out samples.
        windows: Day-long windows, none overlapping.
        replays_refused: Share of replayed days, each another day under the same challenge, without freshness.
        live_fresh: Share of live days found fresh.
        energy_share: Energy of all pumps against the same plant without a challenge, as a relative change.
        moves_per_day: Times that the actuator moved.
        pressure_m: Largest change of the daily least pressure over all junctions, m.
        lost_share: Share of the water asked for that was not delivered.
    """

    share: float
    gain: float
    windows: int
    replays_refused: float
    live_fresh: float
    energy_share: float
    moves_per_day: float
    pressure_m: float
    lost_share: float


def _energy_kwh(frame: Frame) -> float:
    columns = [k for k, channel in enumerate(frame.channels) if channel.quantity == "power"]
    return float(frame.values[:, columns].sum()) * HOURS_OF_A_STEP


def _least_pressures(frame: Frame) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    columns = [k for k, channel in enumerate(frame.channels) if channel.name.startswith("junction-")]
    days = len(frame) // DAY
    least: np.ndarray[tuple[int, int], np.dtype[np.float64]] = (
        frame.values[: days * DAY, columns].reshape(days, DAY, -1).min(axis=1)
    )
    return least


def plant_row(share: float, *, seed: int = 11) -> PlantRow:
    """Commission the lake pump, challenge it, and run the same plant without a challenge beside it."""
    with tempfile.TemporaryDirectory() as folder:
        plants = Plants(Path(folder) / "plants.sqlite")
        challenges = Challenges(Path(folder) / "challenges", plants.find, bytes(range(32)))
        spec = WaterNetworkSpec(seed, START_NS, None, INTERVAL_S)
        plants.create("challenged", spec)
        actuator = find_actuator(plants.find("challenged"), None)
        learning = challenges.begin(
            "challenged", "s", actuator, share=share, nonce="00" * 8, commissioning=True
        )
        model = challenges.learn(learning, challenges.advance("challenged", COMMISSIONING_DAYS * DAY))
        session = challenges.begin(
            "challenged", "s", actuator, share=share, nonce="11" * 8, commissioning=False
        )
        watched = challenges.advance("challenged", WATCHED_DAYS * DAY)
        challenge = challenges.challenge_of(session)
        plain = plants.create("plain", spec)
        plain.advance(COMMISSIONING_DAYS * DAY)
        beside = plain.advance(WATCHED_DAYS * DAY)
        fresh = replayed = 0
        for day in range(WATCHED_DAYS):
            window = watched.rows(day * DAY, (day + 1) * DAY)
            other = (day + WATCHED_DAYS // 2) % WATCHED_DAYS
            forged = Frame(
                window.timestamps_ns, watched.values[other * DAY : (other + 1) * DAY], window.channels
            )
            fresh += _is_fresh(model, window, challenge)
            replayed += not _is_fresh(model, forged, challenge)
        signs = challenge.excitation(0, len(watched))
        row = PlantRow(
            share=share,
            gain=model.gain,
            windows=WATCHED_DAYS,
            replays_refused=replayed / WATCHED_DAYS,
            live_fresh=fresh / WATCHED_DAYS,
            energy_share=_energy_kwh(watched) / _energy_kwh(beside) - 1.0,
            moves_per_day=float(np.count_nonzero(np.diff(signs))) / WATCHED_DAYS,
            pressure_m=float(np.abs(_least_pressures(watched) - _least_pressures(beside)).max()),
            lost_share=plants.find("challenged").service(COMMISSIONING_DAYS * DAY).lost_share,
        )
        challenges.close()
        plants.close()
    return row


def _is_fresh(model: WatermarkModel, window: Frame, challenge: Challenge) -> bool:
    return model.check(window, challenge).is_fresh(ALPHA)


def show_plant(rows: list[PlantRow]) -> None:
    """Print the rows."""
    print(
        f"\nkeyed challenge on the speed of the lake pump of a simulated water network (EPANET Net3): "
        f"day-long windows of {DAY} samples, alpha {ALPHA:g}; costs against the same plant without it"
    )
    print(
        f"{'% of range':>10}{'gain':>7}{'days':>6}{'replay refused %':>18}{'live fresh %':>14}{'energy %':>10}"
        f"{'moves a day':>13}{'least pressure, m':>19}{'water lost %':>14}"
    )
    for row in rows:
        print(
            f"{100 * row.share:10.1f}{row.gain:7.2f}{row.windows:6d}{100 * row.replays_refused:18.1f}"
            f"{100 * row.live_fresh:14.1f}{100 * row.energy_share:+10.2f}{row.moves_per_day:13.1f}"
            f"{row.pressure_m:19.2f}{100 * row.lost_share:14.3f}"
        )
