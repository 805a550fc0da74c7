"""Where each quantity of the detection core lies in its arrays, and the constants of the core.

Plain integers and floats, so that the compiled kernel, the fit and the explanation agree by construction.
The kernel is compiled with these numbers inside and cached by the date of ``kernel.py``: after a change here,
save that file too.
"""

from typing import Final

__all__ = [
    "COMPONENT_FAMILIES",
    "KNOTS",
    "READING_COLUMNS",
    "SCALES",
    "SCORE_CAP",
    "component_families",
    "component_names",
]

# Rows of the per-channel constants.
CENTER: Final = 0
SCALE: Final = 1
LEVEL_RATE: Final = 2
INNOVATION_SD: Final = 3
KIND: Final = 4
MSPC_CENTER: Final = 5
SLOW_CENTER: Final = 6
SLOW_LIMIT: Final = 7  # infinite where the clean rows do not fix the mean of the channel
CHANNEL_ROWS: Final = 8  # cosine and sine amplitudes of a cycle may follow, in clean standard deviations

# Values of the KIND row.
MOVING: Final = 0.0
CONSTANT: Final = 1.0
UNOBSERVED: Final = 2.0

# Rows of the per-channel state; the filters follow: means, then squares, one row a scale.
LEVEL: Final = 0
POSITION: Final = 1
INNOVATION: Final = 2
EXPECTED: Final = 3
OBSERVED: Final = 4
SLOW: Final = 5
FIRST_FILTER: Final = 6

# Entries of the scalar constants.
CLIP: Final = 0
SLEW: Final = 1
PRINCIPAL: Final = 2
REPORT_SCALE: Final = 3
INNOVATION_RESIDUAL: Final = 4
EQUILIBRIUM_RESIDUAL: Final = 5
T2_LIMIT: Final = 6
SPE_LIMIT: Final = 7
CALM_INNOVATION: Final = 8
CALM_SMOOTH: Final = 9
ENTROPY_OFFSET: Final = 10
THRESHOLD: Final = 11
WINDOW_RATE: Final = 12
STIRRED_INNOVATION: Final = 13
STIRRED_SMOOTH: Final = 14
DRIFT_RATE: Final = 15
KEEPER_GAIN: Final = 16
KEEPER_LIMIT: Final = 17
TICKET_RATE: Final = 18
REFRACTORY_ROWS: Final = 19
CYCLE_NS: Final = 20
SLOW_RATE: Final = 21
SCALAR_COUNT: Final = 22

# Entries of the counters.
CALM_COUNT: Final = 0
STIRRED: Final = 1
OFFSET: Final = 2
SINCE_TICKET: Final = 3
SINCE_ALARM: Final = 4
EXCURSION_TICKETS: Final = 5
COUNTER_COUNT: Final = 6

# Components: innovation energy, T2, Q, MSPC, largest and capped innovation, then five a scale.
STATIC_COMPONENTS: Final = 6
SCALE_COMPONENTS: Final = 5
SMOOTH_COMPONENT: Final = 3

SCALES: Final = (4, 16, 64)  # samples; see reference: only those up to n_clean / 20 are used
KNOTS: Final = 96  # empirical knots a tail; 20 tails of 96 doubles stay far below 1 MB a stream
SCORE_CAP: Final = 20.0  # nats; an uncapped tail lets one component outvote all others
DRIFT_LIMIT: Final = 4.0  # nats a component may at most be discounted by for a slow change of the plant
DRIFT_REJECT: Final = 12.0  # nats from which a value is an event and teaches nothing about slow change
DRIFT_SCALES: Final = 20.0  # that change is followed over so many of the longest filter
EXCURSION_LIMIT: Final = 1.0  # tickets of one excursion that move the threshold
CLIP_VALUE: Final = 30.0  # clean standard deviations
SLEW_VALUE: Final = 1.0  # clean standard deviations by which the level may be pulled in one step
SLOW_CLIP: Final = 1.5  # clean standard deviations that one sample may add to the slow chart
CAPPED_SQUARE: Final = 9.0  # what one channel may add to a capped energy: three standard deviations squared
CONSTANT_STEP: Final = 5.0  # what any change of a channel without clean variation counts for
MINIMUM_VARIANCE: Final = 1e-4  # relative to clean; a frozen channel stays finite
CALM_SAMPLES: Final = 6.0
DRAIN: Final = 0.25
DRAIN_SAMPLES: Final = 12.0  # after so many calm samples nothing is left to drain
STRUCTURE_MODES: Final = 8
FLOW_MODES: Final = 4

READING_COLUMNS: Final = (
    "score",
    "p_value",
    "alarm",
    "energy",
    "innovation_energy",
    "temperature",
    "entropy",
    "free_energy",
    "work",
    "heat",
    "structure",
    "entropy_production",
)

COMPONENT_FAMILIES: Final = ("innovation", "equilibrium", "smoothed", "work", "heat", "largest", "capped")


def component_names(scales: tuple[int, ...]) -> tuple[str, ...]:
    """Names of the components in kernel order, e.g. ``work_sum_16``."""
    kinds = ("work_sum", "work_max", "heat", "equilibrium_mean", "work_capped")
    named = [f"{kind}_{scale}" for scale in scales for kind in kinds]
    return ("innovation_energy", "t2", "q", "mspc", "innovation_max", "innovation_capped", *named)


def component_families(scale_count: int) -> tuple[str, ...]:
    """Family of each component in kernel order."""
    static = ("innovation", "equilibrium", "equilibrium", "equilibrium", "largest", "capped")
    return static + ("work", "work", "heat", "smoothed", "capped") * scale_count
