"""The Socratic questions of ACE: each compares a computed number with what the goals demand."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Answer", "Goals", "ask", "next_settings"]

BALANCE_LIMIT = 1e-6
"""Drift of an invariant over what could move: rounding of float32 sums."""

STEP_SHARE = 0.5
"""Share of the accuracy that the step size may use up."""

UNDECIDED = 0.1
"""A decision is open while at least this share of the members contradicts the rest."""


@dataclass(frozen=True, slots=True)
class Goals:
    """What a forecast has to reach; fixed when a run begins.

    Attributes:
        accuracy: Largest estimated error relative to the spread of what is forecast.
        width: Largest relative width of the 90 % band.
        budget_steps: Evaluations that may be spent: 1,000 are one CEU.
    """

    accuracy: float
    width: float
    budget_steps: int


@dataclass(frozen=True, slots=True)
class Answer:
    """One question, what was measured, and what to change if it failed.

    Attributes:
        question: In words.
        measured: The number, None where the question does not apply.
        limit: What it must not exceed.
        passed: Whether it holds; True where it does not apply.
        remedies: Refinements that could help, the likeliest first.
    """

    question: str
    measured: float | None
    limit: float
    passed: bool
    remedies: tuple[str, ...] = ()


def ask(measured: Mapping[str, Any], goals: Goals) -> tuple[Answer, ...]:
    """Put every question to one measurement, as ``nvp_ensemble`` returned it."""
    error, undecided = measured["error"], _undecided(measured["above"])
    return (
        _at_most("is the balance closed?", measured["balance_error"], BALANCE_LIMIT, "smaller_step"),
        Answer(
            "is entropy production non-negative?",
            measured["entropy_produced"],
            0.0,
            measured["second_law"] is not False,
            ("smaller_step",),
        ),
        _at_most(
            "does half the step change the answer?",
            measured["half_step_change"],
            STEP_SHARE * goals.accuracy,
            "finer_grid",
            "smaller_step",
            "longer_history",
        ),
        _at_most(
            "do the members agree?",
            measured["disagreement"],
            goals.accuracy,
            "infer",
            "longer_history",
            "more_members",
        ),
        _at_most(
            "would coefficients read from the frames change the answer?",
            measured["coefficient_change"],
            STEP_SHARE * goals.accuracy,
            "infer",
        ),
        _at_most("can the grid hold what it shows?", measured["resolution"], goals.accuracy),
        _explains(measured["misfit"], goals),
        _at_most("is the decision the same inside sensor noise?", undecided, UNDECIDED, "more_members"),
        Answer(
            "does the estimated error meet the goal?",
            error,
            goals.accuracy,
            error is not None and error <= goals.accuracy,
            ("infer", "finer_grid", "smaller_step", "longer_history", "more_members"),
        ),
        _at_most(
            "is the band narrow enough?",
            measured["width"],
            goals.width,
            "finer_grid",
            "smaller_step",
            "longer_history",
            "more_members",
        ),
    )


def _at_most(question: str, measured: float | None, limit: float, *remedies: str) -> Answer:
    return Answer(question, measured, limit, measured is None or measured <= limit, remedies)


def _explains(misfit: float | None, goals: Goals) -> Answer:
    """A misfit that cannot be told is no pass: one frame says nothing about its equation."""
    limit = STEP_SHARE * goals.accuracy
    passed = misfit is not None and misfit <= limit
    return Answer("does the model explain the latest frame?", misfit, limit, passed, ("infer",))


def _undecided(above: float | None) -> float | None:
    return None if above is None else min(above, 1.0 - above)


def next_settings(
    settings: Mapping[str, Any], answers: tuple[Answer, ...], known: tuple[str, ...], infer: tuple[str, ...]
) -> tuple[str, dict[str, Any]] | None:
    """The next refinement and the settings with it; None if no failed question has a remedy left.

    Args:
        settings: Settings of the last measurement.
        answers: What it was found to be.
        known: Refinements that this kind of forecast knows.
        infer: Coefficients that may be read from the frames.
    """
    for answer in answers:
        if answer.passed:
            continue
        for remedy in answer.remedies:
            if remedy in known and (changed := _changed(settings, remedy, infer)) is not None:
                return remedy, changed
    return None


def _changed(settings: Mapping[str, Any], remedy: str, infer: tuple[str, ...]) -> dict[str, Any] | None:
    """Settings after a remedy; None where it is used up."""
    if remedy == "infer":
        return None if settings["infer"] or not infer else {**settings, "infer": list(infer)}
    key, factor, most = {
        "smaller_step": ("refinement", 2, 16),
        "finer_grid": ("padding", None, 2.5),
        "more_members": ("members", 2, 32),
        "longer_history": ("history_rows", 2, 12_000),
    }[remedy]
    value = settings[key] + 0.5 if factor is None else settings[key] * factor
    return None if value > most else {**settings, key: value}
