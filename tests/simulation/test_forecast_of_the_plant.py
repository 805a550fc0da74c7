"""The simulated plant can be forecast better than by assuming that nothing changes."""

import numpy as np

from industriverse.nvp import VectorForecaster
from industriverse.simulation.water_network import WaterNetworkPlant

DAY = 288


def test_the_vector_track_beats_persistence_on_the_water_plant_and_its_intervals_hold() -> None:
    plant = WaterNetworkPlant(seed=11, start_ns=20_000 * 86_400 * 1_000_000_000)
    values = plant.advance(14 * DAY).values
    forecaster = VectorForecaster.fit(values, max_horizon=24, period=DAY)
    forecast = forecaster.forecast(values[-2:], 24)
    assert not forecast.abstained
    assert forecast.skill_over_persistence > 0.1
    assert np.isfinite(forecast.mean).all()
    assert 0.8 < forecast.measured_coverage < 0.97

    fresh = plant.advance(2 * DAY).values
    inside = []
    for origin in range(2, 2 * DAY - 24, 22):
        ahead = forecaster.forecast(fresh[origin - 2 : origin], 24, start=len(values) + origin - 2)
        truth = fresh[origin : origin + 24]
        inside.append((ahead.lower - 1e-6 <= truth) & (truth <= ahead.upper + 1e-6))
    assert np.mean(inside) > 0.75
    plant.close()
