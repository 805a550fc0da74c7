"""Third-party fields on a line whose equation is not told: Burgers, Korteweg-de Vries, Kuramoto-Sivashinsky.

    python benchmarks/nvp_lines.py --data $INDUSTRIVERSE_DATA

The first two fifths of the frames are seen, the next ones forecast. Rows: persistence, Fourier-DMD, and the
law that was found in the library of conservative terms. The fields were computed by others; nothing here was
tuned on frames after the ones seen.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from industriverse.nvp.line_law import forecast_line, modal_line

FILES = {
    "pdefind_burgers": ("usol", "x", "t"),
    "pinns_burgers_shock": ("usol", "x", "t"),
    "pdefind_kdv": ("usol", "x", "t"),
    "pinns_KdV": ("uu", "x", "tt"),
    "pdefind_kuramoto_sivishinky": ("uu", "x", "tt"),
    "pinns_KS": ("uu", "x", "tt"),
}


def load(path: Path, names: tuple[str, str, str]) -> tuple[NDArray[np.float64], float, float]:
    """Frames (time, cells), period and seconds between frames; a repeated end point is dropped."""
    with np.load(path) as file:
        field = np.real(file[names[0]]).T.astype(np.float64)
        x, t = (np.ravel(file[name]).astype(np.float64) for name in names[1:])
    if np.allclose(field[:, 0], field[:, -1], atol=1e-4 * np.abs(field).max()) and len(x) % 2:
        field, x = field[:, :-1], x[:-1]
    if field.shape[1] % 2:
        field, x = field[:, :-1], x[:-1]
    return field, float(len(x) * (x[1] - x[0])), float(t[1] - t[0])


def error(predicted: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    spread = truth - truth.mean(axis=1, keepdims=True)
    return float((np.linalg.norm(predicted - truth, axis=1) / np.linalg.norm(spread, axis=1)).mean())


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("INDUSTRIVERSE_DATA", "data")))
    parser.add_argument("--frames", type=int, default=20, help="frames ahead")
    chosen = parser.parse_args(arguments)
    print(f"mean VRMSE over {chosen.frames} frames ahead (the mean scores 1)\n")
    print(f"{'field':<30}{'persistence':<13}{'Fourier-DMD':<13}{'NVP':<11}{'track':<13}law found")
    for name, keys in FILES.items():
        field, length, frame_s = load(chosen.data / "pde_fields" / f"{name}.npz", keys)
        seen = 2 * len(field) // 5
        ahead = field[seen : seen + chosen.frames]
        found = forecast_line(field[:seen], length, frame_s, len(ahead))
        factor, state, modal = modal_line(field[:seen]), np.fft.rfft(field[seen - 1]), []
        for _ in ahead:
            state = factor * state
            modal.append(np.fft.irfft(state, n=field.shape[1]))
        still = np.repeat(field[seen - 1][None], len(ahead), axis=0)
        law = " ".join(f"{value:+.5g} {term}" for term, value in found.law.coefficients.items())
        print(
            f"{name:<30}{error(still, ahead):<13.3g}{error(np.stack(modal), ahead):<13.3g}"
            f"{error(found.mean, ahead):<11.3g}{found.track:<13}{law}",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
