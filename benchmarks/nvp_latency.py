"""How long a field forecast takes through the MCP server, as a client sees it.

    python benchmarks/nvp_latency.py [--calls 20]

Starts `industriverse mcp` on an empty home over standard input and output, opens the Atlas in it, warms up
once per size and then asks for one frame ahead of one frame, each time of other values, so that the exact
memory never answers. Wall time holds everything: encoding, transport, policy, audit, solver, certificate.
"""

import argparse
import asyncio
import base64
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from mcp import Client, StdioServerParameters

# Seconds between frames: what a fast sensor would choose, a few substeps of the solver.
CASES = {
    "advection_diffusion": 0.02,
    "allen_cahn": 0.1,
    "burgers": 0.02,
    "cahn_hilliard": 0.001,
    "fokker_planck": 0.002,
    "gray_scott": 1.0,
    "heat": 0.001,
    "navier_stokes": 0.01,
    "shallow_water": 0.002,
    "vorticity": 0.05,
    "wave": 0.02,
}
TARGETS_MS = {64: 100, 128: 250}


def channels(domain: str, wave: np.ndarray) -> list[np.ndarray]:
    """Channels of a state of the domain around a field of unit size."""
    flow = 3 * (wave - wave.mean())
    return {
        "advection_diffusion": [1 + 0.3 * wave],
        "allen_cahn": [0.5 * wave],
        "burgers": [wave],
        "cahn_hilliard": [0.5 * wave],
        "fokker_planck": [1 + 0.3 * wave],
        "gray_scott": [0.75 - 0.15 * wave, 0.25 + 0.15 * wave],
        "heat": [1 + 0.3 * wave],
        "navier_stokes": [flow, 1 + 0.2 * wave],
        "shallow_water": [1 + 0.1 * wave, 0 * wave, 0 * wave],
        "vorticity": [flow],
        "wave": [wave, 0 * wave],
    }[domain]


def frames(domain: str, cells: int, generator: np.random.Generator) -> dict[str, Any]:
    x = 2 * np.pi * (np.arange(cells) + 0.5) / cells
    wave = np.zeros((cells, cells))
    for k in range(1, 4):
        a, b = generator.uniform(0, 2 * np.pi, 2)
        wave += np.cos(k * x + a)[:, None] * np.cos(k * x + b)[None, :] / k**2
    wave /= np.abs(wave).max()
    array = np.stack(channels(domain, wave))[None].astype("<f4")
    return {
        "domain": domain,
        "frames": base64.b64encode(array.tobytes()).decode(),
        "shape": list(array.shape),
        "frame_s": CASES[domain],
    }


async def measure(calls: int) -> None:
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        server = StdioServerParameters(
            command=sys.executable,
            args=["-m", "industriverse.cli", "mcp", "--home", str(Path(folder) / "home")],
            env=dict(os.environ),
        )
        async with Client(server) as client:
            await client.call_tool("atlas_search", {"text": "nothing"})
            print(f"{'domain':<21}{'cells':<7}{'p50 ms':<9}{'p95 ms':<9}{'server ms p50':<15}{'target p95'}")
            for cells, target in TARGETS_MS.items():
                for domain in CASES:
                    walls, inside = [], []
                    for call in range(calls + 2):
                        asked = frames(domain, cells, generator)
                        started = time.perf_counter()
                        result = await client.call_tool("nvp_forecast", {"field": asked})
                        spent = 1e3 * (time.perf_counter() - started)
                        if result.is_error:
                            raise SystemExit(f"{domain}: {result.content}")
                        if call >= 2:
                            walls.append(spent)
                            inside.append(float(result.structured_content["elapsed_ms"]))
                    p50, p95 = np.percentile(walls, [50, 95])
                    print(
                        f"{domain:<21}{cells:<7}{p50:<9.1f}{p95:<9.1f}{np.percentile(inside, 50):<15.1f}"
                        f"{target} {'met' if p95 < target else 'MISSED'}",
                        flush=True,
                    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=20)
    chosen = parser.parse_args(arguments)
    print(f"load {os.getloadavg()[0]:.1f} when started, {os.cpu_count()} cores")
    asyncio.run(measure(chosen.calls))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
