"""The sets of the proof benchmark: clean rows to learn from, later clean windows to test and to forge.

Real or third-party telemetry is read from the data folder; three sets are simulations and called so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import expm, solve_discrete_are

from industriverse.eil.proof import Actuator, Challenge, WatermarkModel
from industriverse.signals import NANOSECONDS_PER_SECOND, Channel, Frame

__all__ = ["PUMP", "SIMULATED", "START_NS", "STORED", "ProofSet", "QuadrupleTank", "challenge"]

Array = NDArray[np.float64]
SECRET = bytes(range(32))
START_NS = 1_700_000_000 * NANOSECONDS_PER_SECOND


@dataclass(frozen=True, eq=False)
class ProofSet:
    """One set; windows do not overlap, so that a binomial interval means something.

    Attributes:
        name: How the table calls it, saying whether it is simulated.
        clean: Rows to fit the reference on.
        window: Samples per window.
        tests: Later clean windows, each with the challenge that was on, if any.
        model: Response to the challenge, None without an actuator.
        recorded: Clean windows that a forger has.
    """

    name: str
    clean: Frame
    window: int
    tests: tuple[tuple[Frame, Challenge | None], ...]
    recorded: tuple[Array, ...]
    model: WatermarkModel | None = None


def _frame(values: Array, interval_s: float, names: Sequence[str] | None = None, first: int = 0) -> Frame:
    step = round(interval_s * NANOSECONDS_PER_SECOND)
    labels = names or [f"channel-{i}" for i in range(values.shape[1])]
    times = START_NS + (first + np.arange(len(values), dtype=np.int64)) * step
    return Frame(times, values, tuple(Channel(name) for name in labels))


def _blocks(frame: Frame, window: int) -> list[Frame]:
    return [frame.rows(at, at + window) for at in range(0, len(frame) - window + 1, window)]


def _split(name: str, frame: Frame, clean_rows: int, window: int) -> ProofSet:
    clean = frame.rows(0, clean_rows)
    tests = tuple((block, None) for block in _blocks(frame.rows(clean_rows), window))
    return ProofSet(name, clean, window, tests, tuple(b.values for b in _blocks(clean, window)))


def synthetic() -> ProofSet:
    """Eight channels of a driven, irreversible VAR(1): damped rotations at several speeds, mixed."""
    rng = np.random.default_rng(1)
    dimension, clean_rows, window, windows = 8, 60_000, 200, 200
    dynamics = np.zeros((dimension, dimension))
    for i, angle in enumerate((0.2, 0.5, 0.8, 1.2)):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        dynamics[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = 0.85 * turn
    mixing = np.linalg.qr(rng.normal(size=(dimension, dimension)))[0]
    rows = clean_rows + window * windows
    noise, state, values = (
        rng.normal(size=(rows + 200, dimension)),
        np.zeros(dimension),
        np.empty((rows, dimension)),
    )
    for row in range(-200, rows):
        state = dynamics @ state + noise[row + 200]
        if row >= 0:
            values[row] = mixing @ state
    return _split("synthetic irreversible VAR (simulation)", _frame(values, 1.0), clean_rows, window)


def batadal(folder: Path) -> ProofSet:
    """Water network, hourly, clean year: three-day windows, so that a daily cycle is no disturbance."""
    table = pd.read_parquet(folder / "batadal" / "dataset03.parquet")
    names = [c for c in table.columns if c not in ("DATETIME", "ATT_FLAG")]
    frame = _frame(table[names].to_numpy(dtype=np.float64), 3600.0, names)
    return _split("BATADAL dataset03", frame, int(0.7 * len(frame)), 72)


def tennessee_eastman(folder: Path) -> ProofSet:
    """Reference on the short normal run and the rows before each fault, test on the long normal run."""
    table = pd.read_parquet(folder / "tep" / "tep.parquet")
    names = [c for c in table.columns if c.startswith(("XMEAS", "XMV"))]
    normal = table[table["fault"] == 0]
    faults = table[(table["fault"] > 0) & (table["split"] == "test")]
    runs = [normal[normal["split"] == "train"]]
    runs += [rows[~(rows["label"] > 0)] for _, rows in faults.groupby("fault", sort=True)]
    starts = np.cumsum([0, *(len(run) + 10 for run in runs)])
    frames = [
        _frame(run[names].to_numpy(dtype=np.float64), 180.0, names, int(start))
        for run, start in zip(runs, starts, strict=False)
    ]
    held = _frame(
        normal[normal["split"] == "test"][names].to_numpy(dtype=np.float64), 180.0, names, int(starts[-1])
    )
    tests = tuple((block, None) for block in _blocks(held, 64))
    recorded = tuple(b.values for run in frames for b in _blocks(run, 64))
    return ProofSet("Tennessee Eastman, normal rows", Frame.concatenate(frames), 64, tests, recorded)


def skab(folder: Path) -> ProofSet:
    """Water-pump loop without anomaly, 1 s: five of eight channels drift throughout."""
    table = pd.read_parquet(folder / "skab" / "skab.parquet")
    table = table[table["anomaly"].isna()]
    names = [c for c in table.columns if c not in ("experiment", "datetime", "anomaly", "changepoint")]
    frame = _frame(table[names].to_numpy(dtype=np.float64), 1.0, names)
    return _split("SKAB anomaly-free (drifts)", frame, int(0.7 * len(frame)), 64)


def water_network() -> ProofSet:
    """EPANET Net3 in closed loop, 15 min, day windows."""
    from industriverse.simulation.water_network import WaterNetworkPlant

    plant = WaterNetworkPlant(11, START_NS, interval_s=900)
    return _split("water network Net3 (simulation)", plant.advance(96 * 400), 96 * 300, 96)


PUMP = Actuator("pump-1", low=0.0, high=10.0, share=0.02)


class QuadrupleTank:
    """A simulation of four tanks and two pumps, linearised, under linear-quadratic control.

    Johansson, "The quadruple-tank process", IEEE Trans. Control Systems Technology 8 (2000), minimum-phase
    setting: areas in cm2, levels in cm, pump voltages in V. Process and sensor noise are this project's choice.
    """

    interval_s = 5.0
    _noise_cm = 0.05
    _sensor_noise_cm = 0.03

    def __init__(self) -> None:
        area = np.array([28.0, 32.0, 28.0, 32.0])
        outlet = np.array([0.071, 0.057, 0.071, 0.057])
        time_s = area / outlet * np.sqrt(2.0 * np.array([12.4, 12.7, 1.8, 1.4]) / 981.0)
        drift = np.diag(-1.0 / time_s)
        drift[0, 2], drift[1, 3] = area[2] / (area[0] * time_s[2]), area[3] / (area[1] * time_s[3])
        gain, split = (3.33, 3.35), (0.7, 0.6)
        inlet = np.zeros((4, 2))
        inlet[0, 0], inlet[1, 1] = split[0] * gain[0] / area[0], split[1] * gain[1] / area[1]
        inlet[2, 1], inlet[3, 0] = (1 - split[1]) * gain[1] / area[2], (1 - split[0]) * gain[0] / area[3]
        step = expm(np.block([[drift, inlet], [np.zeros((2, 6))]]) * self.interval_s)
        self.a, self.b = step[:4, :4], step[:4, 4:]
        self.q, self.r = np.diag([1.0, 1.0, 0.1, 0.1]), 0.1 * np.eye(2)
        cost = solve_discrete_are(self.a, self.b, self.q, self.r)
        self.k = np.linalg.solve(self.r + self.b.T @ cost @ self.b, self.b.T @ cost @ self.a)

    def run(self, excitation: Array, seed: int) -> tuple[Array, float]:
        """Measured levels (n, 4) in cm and the mean quadratic control cost of the run."""
        rng = np.random.default_rng(seed)
        rows = len(excitation) + 100
        extra = np.concatenate([np.zeros(100), excitation])
        shocks = self._noise_cm * rng.normal(size=(rows, 4))
        sensor = self._sensor_noise_cm * rng.normal(size=(rows, 4))
        state, measured, cost = np.zeros(4), np.empty((rows, 4)), np.empty(rows)
        for row in range(rows):
            measured[row] = state + sensor[row]
            command = -self.k @ measured[row]
            command[0] += extra[row]
            cost[row] = state @ self.q @ state + command @ self.r @ command
            state = self.a @ state + self.b @ command + shocks[row]
        return measured[100:] + np.array([12.4, 12.7, 1.8, 1.4]), float(cost[100:].mean())


def challenge(nonce: bytes, actuator: Actuator = PUMP, start_ns: int = START_NS) -> Challenge:
    """A session with the plant's pump."""
    return Challenge.from_secret(
        SECRET, nonce, actuator, start_ns=start_ns, interval_s=QuadrupleTank.interval_s
    )


def quadruple_tank() -> ProofSet:
    """The only set with an actuator: all five checks run."""
    plant, window, windows = QuadrupleTank(), 200, 200
    session = challenge(b"commissioning")
    clean = _frame(plant.run(session.excitation(0, 60_000), seed=1)[0], plant.interval_s)
    tests = []
    for i in range(windows):
        own = challenge(b"window %06d" % i)
        # The plant has settled under the challenge when the window begins, as in the clean rows.
        values, _ = plant.run(own.excitation(0, 2 * window), seed=10_000 + i)
        tests.append((_frame(values, plant.interval_s).rows(window), own))
    recorded = tuple(b.values for b in _blocks(clean, window))
    model = WatermarkModel.fit(clean.rows(0, 6000), session)
    return ProofSet(
        "quadruple tank, 2 % watermark (simulation)", clean, window, tuple(tests), recorded, model
    )


SIMULATED: dict[str, Callable[[], ProofSet]] = {
    "synthetic": synthetic,
    "tank": quadruple_tank,
    "water": water_network,
}
STORED: dict[str, Callable[[Path], ProofSet]] = {
    "batadal": batadal,
    "tep": tennessee_eastman,
    "skab": skab,
}
