"""Fields and telemetry graphs forecast through the real server, beside the open Atlas."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import numpy as np
from mcp import Client

from industriverse.cli.room import roomier
from stdio_server import parameters


def decaying_wave(cells: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Four frames of exp(-D k² t) and the fifth; D = 0.05 m2/s, frames 0.02 s apart."""
    x = 2 * np.pi * (np.arange(cells) + 0.5) / cells
    wave = np.cos(x)[:, None] * np.ones(cells)
    frames = [1 + 0.5 * np.exp(-0.05 * (2 * np.pi) ** 2 * 0.02 * k) * wave for k in range(5)]
    return np.stack(frames[:4])[:, None].astype("<f4"), frames[4]


def asked(frames: np.ndarray, **rest: Any) -> dict[str, Any]:
    sent = base64.b64encode(frames.tobytes()).decode()
    field = {"domain": "heat", "frames": sent, "shape": list(frames.shape), "frame_s": 0.02}
    return {"field": field | {"coefficients": {"scale": 0.1}, "infer": ["scale"]} | rest}


def field_of(result: Any) -> np.ndarray:
    found = result.structured_content
    return np.frombuffer(base64.b64decode(found["mean"]), dtype="<f4").reshape(found["shape"])


def test_the_server_forecasts_a_field_beside_the_open_atlas(tmp_path: Path) -> None:
    asyncio.run(_beside_the_atlas(tmp_path))


async def _beside_the_atlas(tmp_path: Path) -> None:
    frames, truth = decaying_wave()
    told: list[float] = []

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)

    async with Client(parameters(tmp_path / "home")) as client:
        # The graph engine is loaded first, and stays open while torch is loaded.
        recorded = await client.call_tool("atlas_search", {"text": "pump"})
        assert not recorded.is_error
        result = await client.call_tool("nvp_forecast", asked(frames), progress_callback=heard)
        assert not result.is_error, result.content
        residuals = result.structured_content["certificate"]["residuals"]
        assert set(residuals) == {"persistence", "solver", "inferred", "vector"}
        assert residuals["inferred"] < 0.01 < residuals["solver"]
        assert result.structured_content["certificate"]["valid"]
        assert abs(field_of(result)[0, 0] - truth).max() < 2e-3
        refused = await client.call_tool("nvp_forecast", asked(frames, domain="magnetism"))
        assert refused.is_error
        assert "choose one of" in str(refused.content[0])
        again = await client.call_tool("atlas_search", {"text": "pump"})
        assert not again.is_error
    assert told == [1.0]


def test_room_is_asked_for_once_and_only_of_glibc() -> None:
    asked_for = roomier({"HOME": "/h", "GLIBC_TUNABLES": "glibc.malloc.check=1"}, "glibc 2.36")
    assert asked_for is not None
    assert asked_for["HOME"] == "/h"
    assert asked_for["GLIBC_TUNABLES"].startswith("glibc.malloc.check=1:glibc.rtld.optional_static_tls=")
    assert roomier(asked_for, "glibc 2.36") is None
    assert roomier({}, "") is None
