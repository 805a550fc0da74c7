"""An equation that nobody told is found from frames that other people's formulas made."""

import numpy as np
import pytest

from industriverse.nvp.field_errors import FieldShapeError, FieldValueError
from industriverse.nvp.line_law import forecast_line, infer_line_law


def two_solitons(frames: int) -> np.ndarray:
    """Solitons of u_t + u u_x + u_xxx = 0 on a period of 60, too far apart to meet; speeds 1.6 and 0.8."""
    x = (np.arange(256) + 0.5) * 60 / 256
    seen = []
    for k in range(frames):
        waves = [(1.6, 12.0), (0.8, 40.0)]
        seen.append(
            sum(3 * c / np.cosh(0.5 * np.sqrt(c) * (x - start - c * 0.1 * k)) ** 2 for c, start in waves)
        )
    return np.stack(seen)


def test_korteweg_and_de_vries_are_found_in_two_solitons_and_followed() -> None:
    fields = two_solitons(40)
    forecast = forecast_line(fields[:24], 60.0, 0.1, 16)
    assert forecast.track == "law"
    assert set(forecast.law.coefficients) == {"(u2/2)_x", "u_xxx"}
    assert forecast.law.coefficients["(u2/2)_x"] == pytest.approx(-1.0, abs=1e-3)
    assert forecast.law.coefficients["u_xxx"] == pytest.approx(-1.0, abs=1e-3)
    spread = fields[-1] - fields[-1].mean()
    assert np.linalg.norm(forecast.mean[-1] - fields[-1]) < 1e-3 * np.linalg.norm(spread)
    assert forecast.residuals["law"] < 0.01 * min(
        forecast.residuals["persistence"], forecast.residuals["vector"]
    )
    assert forecast.mean.mean(axis=1) == pytest.approx(fields[23].mean(), rel=1e-12)


def test_drift_and_diffusion_are_told_apart() -> None:
    x = 2 * np.pi * np.arange(64) / 64
    fields = np.stack(
        [
            1 + sum(np.exp(-0.1 * k * k * t) * np.cos(k * (x - 0.7 * t)) / k for k in (1, 2, 3))
            for t in 0.05 * np.arange(20)
        ]
    )
    law = infer_line_law(fields, 2 * np.pi, 0.05)
    assert law.coefficients == pytest.approx({"u_x": -0.7, "u_xx": 0.1}, abs=1e-5)


def test_noise_has_no_law_and_the_null_is_not_beaten_by_pretending() -> None:
    fields = np.random.default_rng(0).standard_normal((24, 32))
    forecast = forecast_line(fields, 1.0, 1.0, 3)
    truth = np.random.default_rng(1).standard_normal((3, 32))
    assert np.linalg.norm(forecast.mean - truth) < 2 * np.linalg.norm(truth)
    assert forecast.residuals["law"] > 0.8


def test_bad_lines_are_refused() -> None:
    with pytest.raises(FieldShapeError, match="even"):
        infer_line_law(np.zeros((10, 33)), 1.0, 1.0)
    with pytest.raises(FieldValueError, match="NaN"):
        infer_line_law(np.full((10, 32), np.nan), 1.0, 1.0)
    with pytest.raises(FieldValueError, match="length is -1"):
        infer_line_law(np.zeros((10, 32)), -1.0, 1.0)
    with pytest.raises(FieldValueError, match="horizon"):
        forecast_line(np.zeros((10, 32)), 1.0, 1.0, 0)
