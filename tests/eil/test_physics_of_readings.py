"""The readings mean what their names say."""

import numpy as np

from eil.conftest import frame_of, vector_autoregression
from industriverse.eil import layout
from industriverse.eil.detector import Detector
from industriverse.physics.energy import gaussian_energy
from industriverse.physics.entropy_production import var1_entropy_production
from industriverse.physics.free_energy import gaussian_free_energy_excess
from industriverse.signals import Frame


def test_energies_are_equipartitioned_on_unseen_clean_data() -> None:
    # At 120 channels the covariance of 1,000 held-out innovations costs about n / (n - d) = 1.14.
    for channels, tolerance in ((3, 0.1), (12, 0.1), (120, 0.16)):
        frame = frame_of(vector_autoregression(8000, channels, seed=11))
        readings = Detector().fit(frame.rows(0, 4000)).score(frame.rows(4000))
        assert abs(readings.innovation_energy.mean() / (channels / 2) - 1.0) < tolerance
        assert abs(readings.energy.mean() / (channels / 2) - 1.0) < tolerance
        assert abs(readings.temperature.mean() - 1.0) < 0.06


def test_free_energy_is_work_plus_heat_plus_structure_exactly(fitted: Detector, clean_stream: Frame) -> None:
    readings = Detector.from_reference(fitted.reference).score(clean_stream.rows(3000))
    assert (readings.free_energy == readings.work + readings.heat + readings.structure).all()
    assert min(readings.work.min(), readings.heat.min(), readings.structure.min()) >= 0.0


def test_bias_is_work_noise_is_heat_and_a_frozen_sensor_is_cold(
    clean_stream: Frame, fitted: Detector
) -> None:
    clean = clean_stream.values[3000:3200]
    biased, noisy, frozen = clean.copy(), clean.copy(), clean.copy()
    biased[:, 1] += 10.0
    noisy[:, 1] += 5.0 * np.random.default_rng(0).normal(size=200)
    frozen[:, 1] = frozen[0, 1]
    parts = {}
    for name, values in (("biased", biased), ("noisy", noisy), ("frozen", frozen)):
        detector = Detector.from_reference(fitted.reference)
        detector.score(Frame(clean_stream.timestamps_ns[3000:3200], values, clean_stream.channels))
        parts[name] = next(entry for entry in detector.evidence() if entry.channel == "c1")
    assert parts["biased"].work > parts["biased"].heat
    assert parts["noisy"].heat > parts["noisy"].work
    assert parts["noisy"].temperature > 3.0
    assert parts["frozen"].temperature < 0.6


def test_entropy_falls_when_the_stream_freezes_and_rises_when_it_boils(
    clean_stream: Frame, fitted: Detector
) -> None:
    times = clean_stream.timestamps_ns[3000:3400]
    clean = clean_stream.values[3000:3400]
    noise = np.random.default_rng(1).normal(size=clean.shape)

    def entropy(values: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> float:
        frame = Frame(times, values, clean_stream.channels)
        return float(Detector.from_reference(fitted.reference).score(frame).entropy[200:].mean())

    assert abs(entropy(clean)) < 0.5
    assert entropy(clean + 5.0 * noise) > 1.0
    assert entropy(0.1 * clean) < -1.0


def rotation(rows: int, angle: float, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """A damped, noise-driven rotation in the plane: irreversible unless the angle is zero."""
    generator = np.random.default_rng(seed)
    turn = 0.7 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    values = np.zeros((rows, 2))
    for t in range(1, rows):
        values[t] = turn @ values[t - 1] + generator.normal(size=2)
    return values


def test_entropy_production_tells_a_driven_rotation_from_a_reversible_stream() -> None:
    produced = {}
    for angle in (0.0, 0.8):
        frame = frame_of(rotation(6000, angle, seed=4))
        produced[angle] = (
            Detector().fit(frame.rows(0, 3000)).score(frame.rows(3000)).entropy_production.mean()
        )
    turn = 0.7 * np.array([[np.cos(0.8), -np.sin(0.8)], [np.sin(0.8), np.cos(0.8)]])
    exact = var1_entropy_production(turn, np.eye(2))
    assert produced[0.0] < 0.15
    assert abs((produced[0.8] - produced[0.0]) / exact - 1.0) < 0.25


def test_expected_value_is_in_the_units_of_the_channel(clean_stream: Frame, fitted: Detector) -> None:
    detector = Detector.from_reference(fitted.reference)
    errors = []
    for row in range(3000, 3200):
        detector.update(int(clean_stream.timestamps_ns[row]), clean_stream.values[row])
        errors += [entry.actual - entry.expected for entry in detector.evidence()]
    assert abs(float(np.std(errors)) - 1.0) < 0.1  # the innovations of the stream have unit variance


def test_a_level_that_moves_slowly_is_absorbed_and_a_step_is_not() -> None:
    generator = np.random.default_rng(8)
    drift = np.cumsum(0.05 * generator.normal(size=(9000, 1)), axis=0)
    values = drift + generator.normal(size=(9000, 3))
    values[8000:8100, 0] += 8.0
    frame = frame_of(values)
    detector = Detector().fit(frame.rows(0, 4000))
    assert (detector.reference.model.channel[layout.LEVEL_RATE] > 0.0).any()
    readings = detector.score(frame.rows(4000))
    assert readings.alarm[4005:4095].mean() > 0.9
    assert readings.alarm[:3900].mean() < 0.05


def test_energy_work_and_heat_agree_with_the_laws(clean_stream: Frame, fitted: Detector) -> None:
    detector = Detector.from_reference(fitted.reference)
    model = fitted.reference.model
    variance = model.mode_variance[1, :6]
    modes = model.equilibrium_modes * np.sqrt(variance)
    covariance = (modes * variance) @ modes.T
    for row in range(3000, 3060):
        reading = detector.update(int(clean_stream.timestamps_ns[row]), clean_stream.values[row])
        state = detector.snapshot().state.channel
        law = gaussian_energy(state[layout.POSITION], np.zeros(6), covariance)
        assert abs(float(law) - reading.energy) < 1e-9
        first = layout.FIRST_FILTER + int(model.scalars[layout.REPORT_SCALE])
        mean, power = state[first], state[first + len(model.rates)]
        excess = gaussian_free_energy_excess(mean, np.diag(power - mean**2))
        assert abs(excess.work - reading.work) < 1e-12
        assert abs(excess.heat - reading.heat) < 1e-12
