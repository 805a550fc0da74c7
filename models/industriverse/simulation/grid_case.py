"""The IEEE 30-bus system of Alsac and Stott as data: buses, generators and branches per unit on 100 MVA.

Source: O. Alsac, B. Stott, "Optimal load flow with steady state security", IEEE Trans. PAS-93 (1974) 745-751, with
the generators and areas of Ferrero, Shahidehpour and Ramesh, IEEE Trans. Power Systems 12 (1997) 1340-1347, in the
rounded form that MATPOWER distributes as case30 (BSD licence).
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["BASE_MVA", "BRANCHES", "BUSES", "GENERATORS", "case_digest", "matpower_case"]

BASE_MVA = 100.0

# (bus, demand MW, demand Mvar, shunt Mvar, area)
BUSES = (
    (1, 0, 0, 0, 1),
    (2, 21.7, 12.7, 0, 1),
    (3, 2.4, 1.2, 0, 1),
    (4, 7.6, 1.6, 0, 1),
    (5, 0, 0, 0.19, 1),
    (6, 0, 0, 0, 1),
    (7, 22.8, 10.9, 0, 1),
    (8, 30, 30, 0, 1),
    (9, 0, 0, 0, 1),
    (10, 5.8, 2, 0, 3),
    (11, 0, 0, 0, 1),
    (12, 11.2, 7.5, 0, 2),
    (13, 0, 0, 0, 2),
    (14, 6.2, 1.6, 0, 2),
    (15, 8.2, 2.5, 0, 2),
    (16, 3.5, 1.8, 0, 2),
    (17, 9, 5.8, 0, 2),
    (18, 3.2, 0.9, 0, 2),
    (19, 9.5, 3.4, 0, 2),
    (20, 2.2, 0.7, 0, 2),
    (21, 17.5, 11.2, 0, 3),
    (22, 0, 0, 0, 3),
    (23, 3.2, 1.6, 0, 2),
    (24, 8.7, 6.7, 0.04, 3),
    (25, 0, 0, 0, 3),
    (26, 3.5, 2.3, 0, 3),
    (27, 0, 0, 0, 3),
    (28, 0, 0, 0, 1),
    (29, 2.4, 0.9, 0, 3),
    (30, 10.6, 1.9, 0, 3),
)

# (bus, output MW, largest output MW)
GENERATORS = (
    (1, 23.54, 80),
    (2, 60.97, 80),
    (22, 21.59, 50),
    (27, 26.91, 55),
    (23, 19.2, 30),
    (13, 37, 40),
)

# (from, to, r, x, b, rating MVA)
BRANCHES = (
    (1, 2, 0.02, 0.06, 0.03, 130),
    (1, 3, 0.05, 0.19, 0.02, 130),
    (2, 4, 0.06, 0.17, 0.02, 65),
    (3, 4, 0.01, 0.04, 0, 130),
    (2, 5, 0.05, 0.2, 0.02, 130),
    (2, 6, 0.06, 0.18, 0.02, 65),
    (4, 6, 0.01, 0.04, 0, 90),
    (5, 7, 0.05, 0.12, 0.01, 70),
    (6, 7, 0.03, 0.08, 0.01, 130),
    (6, 8, 0.01, 0.04, 0, 32),
    (6, 9, 0, 0.21, 0, 65),
    (6, 10, 0, 0.56, 0, 32),
    (9, 11, 0, 0.21, 0, 65),
    (9, 10, 0, 0.11, 0, 65),
    (4, 12, 0, 0.26, 0, 65),
    (12, 13, 0, 0.14, 0, 65),
    (12, 14, 0.12, 0.26, 0, 32),
    (12, 15, 0.07, 0.13, 0, 32),
    (12, 16, 0.09, 0.2, 0, 32),
    (14, 15, 0.22, 0.2, 0, 16),
    (16, 17, 0.08, 0.19, 0, 16),
    (15, 18, 0.11, 0.22, 0, 16),
    (18, 19, 0.06, 0.13, 0, 16),
    (19, 20, 0.03, 0.07, 0, 32),
    (10, 20, 0.09, 0.21, 0, 32),
    (10, 17, 0.03, 0.08, 0, 32),
    (10, 21, 0.03, 0.07, 0, 32),
    (10, 22, 0.07, 0.15, 0, 32),
    (21, 22, 0.01, 0.02, 0, 32),
    (15, 23, 0.1, 0.2, 0, 16),
    (22, 24, 0.12, 0.18, 0, 16),
    (23, 24, 0.13, 0.27, 0, 16),
    (24, 25, 0.19, 0.33, 0, 16),
    (25, 26, 0.25, 0.38, 0, 16),
    (25, 27, 0.11, 0.21, 0, 16),
    (28, 27, 0, 0.4, 0, 65),
    (27, 29, 0.22, 0.42, 0, 16),
    (27, 30, 0.32, 0.6, 0, 16),
    (29, 30, 0.24, 0.45, 0, 16),
    (8, 28, 0.06, 0.2, 0.02, 32),
    (6, 28, 0.02, 0.06, 0.01, 32),
)


def matpower_case(open_branches: frozenset[int], dead_buses: frozenset[int]) -> dict[str, object]:
    """The case in MATPOWER's matrices without some branches and buses; both are numbered from 0."""
    live = [row for position, row in enumerate(BUSES) if position not in dead_buses]
    numbers = {row[0] for row in live}
    slack = GENERATORS[0][0]
    generators = [row for row in GENERATORS if row[0] in numbers]
    with_generator = {row[0] for row in generators}

    def bus(number: int, p: float, q: float, shunt: float, area: int) -> list[float]:
        kind = 3 if number == slack else 2 if number in with_generator else 1
        return [number, kind, p, q, 0.0, shunt, area, 1.0, 0.0, 135.0, 1, 1.1, 0.9]

    branches = [
        [a, b, r, x, c, rating, rating, rating, 0.0, 0.0, 1, -360.0, 360.0]
        for position, (a, b, r, x, c, rating) in enumerate(BRANCHES)
        if position not in open_branches and a in numbers and b in numbers
    ]
    return {
        "baseMVA": BASE_MVA,
        "bus": _matrix([bus(*row) for row in live]),
        "gen": _matrix(
            [
                [number, p, 0.0, 999.0, -999.0, 1.0, BASE_MVA, 1, largest, 0.0, *[0.0] * 11]
                for number, p, largest in generators
            ]
        ),
        "branch": _matrix(branches),
    }


def _matrix(rows: list[list[float]]) -> NDArray[np.float64]:
    return np.array(rows, dtype=float)


def case_digest() -> str:
    """SHA-256 over the data above, hexadecimal."""
    return hashlib.sha256(repr((BUSES, GENERATORS, BRANCHES)).encode()).hexdigest()
