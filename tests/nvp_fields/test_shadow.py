"""A council with up to f liars of 3f+1 gives the right forecast or none."""

import dataclasses

import pytest
import torch
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from industriverse.nvp.field_errors import CouncilError, FieldShapeError
from industriverse.nvp.shadow.aggregation import (
    AGGREGATORS,
    conservation_gate,
    coordinate_median,
    gated_geometric_median,
    geometric_median,
)
from industriverse.nvp.shadow.attacks import ATTACKS, corrupt, honest_members, smooth_field
from industriverse.nvp.shadow.council import Abstention, Council, Decision
from industriverse.nvp.shadow.votes import Vote, cast

MEMBERS, FAULTS, CELLS = 7, 2, 32
KEYS = {f"member-{k}": Ed25519PrivateKey.from_private_bytes(bytes([k + 1]) * 32) for k in range(MEMBERS)}


def make_council(tolerance: float = 0.2) -> Council:
    public = {name: key.public_key() for name, key in KEYS.items()}
    return Council(public, faults=FAULTS, tolerance=tolerance)


def make_field(seed: int = 0) -> tuple[Tensor, torch.Generator]:
    generator = torch.Generator().manual_seed(seed)
    return 2 + 0.5 * smooth_field(1, CELLS, generator)[0], generator


def vote_all(council: Council, truth: Tensor, predictions: Tensor) -> Decision | Abstention:
    about = council.open_round("pump", 1, truth)
    votes = [cast(n, about, p, KEYS[n]) for n, p in zip(KEYS, predictions, strict=True)]
    return council.decide(about, votes, truth)


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_gated_median_keeps_energy_exactly_and_errs_at_most_1_7_times_clean(attack: str) -> None:
    ratios = []
    for seed in range(5):
        truth, generator = make_field(seed)
        members = honest_members(truth, MEMBERS, 0.03, generator)
        attacked = corrupt(attack, members, truth, FAULTS, generator)
        amplitude = (truth - truth.mean()).abs().sum()
        found = gated_geometric_median(attacked, truth.sum(), amplitude)
        assert float((found.sum() - truth.sum()).abs() / truth.sum()) < 1e-14
        clean = geometric_median(members)
        ratios.append(float((found - truth).norm() / (clean - truth).norm()))
    assert sum(ratios) / len(ratios) <= 1.7


def test_the_mean_follows_a_liar_and_the_coordinate_median_breaks_energy() -> None:
    truth, generator = make_field()
    members = honest_members(truth, MEMBERS, 0.03, generator)
    attacked = corrupt("sign flip x5", members, truth, FAULTS, generator)
    assert float((AGGREGATORS["mean"](attacked, FAULTS) - truth).norm() / truth.norm()) > 1
    loss = (coordinate_median(attacked).sum() - truth.sum()).abs() / truth.sum()
    assert float(loss) > 1e-4


@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 1e6))
@settings(max_examples=30, deadline=None)
def test_the_geometric_median_stays_with_the_majority(seed: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    cluster = torch.randn(5, 16, dtype=torch.float64, generator=generator)
    liars = scale * torch.randn(2, 16, dtype=torch.float64, generator=generator)
    centre = cluster.mean(dim=0)
    radius = float((cluster - centre).norm(dim=1).max())
    found = geometric_median(torch.cat([cluster, liars]))
    # Minsker (Bernoulli 21, 2015, lemma 2.1): within (1 - a)/sqrt(1 - 2 a) radii for a share a of liars.
    share = 2 / 7
    assert float((found - centre).norm()) <= 1.001 * (1 - share) / (1 - 2 * share) ** 0.5 * radius


def test_the_geometric_median_of_points_on_a_line_is_their_median() -> None:
    points = torch.tensor([[0.0], [1.0], [5.0]])
    assert float(geometric_median(points, iterations=500)) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("attack", ATTACKS)
def test_two_liars_of_seven_do_not_move_the_decision(attack: str) -> None:
    truth, generator = make_field()
    members = honest_members(truth, MEMBERS, 0.03, generator)
    decision = vote_all(make_council(), truth, corrupt(attack, members, truth, FAULTS, generator))
    assert isinstance(decision, Decision)
    assert set(decision.agreeing) >= {f"member-{k}" for k in range(5)}
    assert decision.balance_error < 1e-12
    assert float((decision.prediction - truth).norm() / truth.norm()) < 0.015


def test_three_disagreeing_camps_make_the_council_abstain() -> None:
    truth, generator = make_field()
    camps = truth + 0.5 * smooth_field(3, CELLS, generator)
    outcome = vote_all(make_council(0.05), truth, camps[[0, 0, 0, 1, 1, 2, 2]])
    assert isinstance(outcome, Abstention)
    assert "5 needed" in outcome.reason


def test_members_that_break_the_balance_are_named_and_left_out() -> None:
    truth, generator = make_field()
    members = honest_members(truth, MEMBERS, 0.03, generator)
    members[6] *= 1.01
    decision = vote_all(make_council(), truth, members)
    assert isinstance(decision, Decision)
    assert decision.refused == {"member-6": "breaks the balance"}
    members[4:] *= 1.01
    outcome = vote_all(make_council(), truth, members)
    assert isinstance(outcome, Abstention)
    assert outcome.reason == "4 admissible votes, 5 needed"


def test_metered_supply_is_part_of_the_balance() -> None:
    truth, generator = make_field()
    council = make_council()
    about = council.open_round("pump", 1, truth)
    fed = honest_members(truth + 0.01, MEMBERS, 0.03, generator)
    votes = [cast(n, about, p, KEYS[n]) for n, p in zip(KEYS, fed, strict=True)]
    assert isinstance(council.decide(about, votes, truth, supplied=0.01 * CELLS**2), Decision)


def test_an_equivocating_member_is_convicted_until_pardoned() -> None:
    truth, generator = make_field()
    members = honest_members(truth, MEMBERS, 0.03, generator)
    council = make_council()
    about = council.open_round("pump", 1, truth)
    votes = [cast(n, about, p, KEYS[n]) for n, p in zip(KEYS, members, strict=True)]
    votes.append(cast("member-0", about, members[1], KEYS["member-0"]))
    decision = council.decide(about, votes, truth)
    assert isinstance(decision, Decision)
    assert "equivocated" in decision.refused["member-0"]
    later = vote_all(council, truth, members)
    assert isinstance(later, Decision)
    assert "member-0" not in later.agreeing
    council.pardon("member-0")
    assert "member-0" in vote_all(council, truth, members).agreeing


def test_sending_the_same_vote_twice_is_no_equivocation() -> None:
    truth, generator = make_field()
    members = honest_members(truth, MEMBERS, 0.03, generator)
    council = make_council()
    about = council.open_round("pump", 1, truth)
    votes = [cast(n, about, p, KEYS[n]) for n, p in zip(KEYS, members, strict=True)]
    decision = council.decide(about, [*votes, *votes], truth)
    assert isinstance(decision, Decision)
    assert len(decision.agreeing) == MEMBERS


def test_replayed_forged_foreign_and_malformed_votes_do_not_count() -> None:
    truth, generator = make_field()
    members = honest_members(truth, MEMBERS, 0.03, generator)
    council = make_council()
    old = council.open_round("pump", 1, truth)
    replayed = cast("member-0", old, members[0], KEYS["member-0"])
    about = council.open_round("pump", 2, truth)
    votes = [cast(n, about, p, KEYS[n]) for n, p in zip(KEYS, members, strict=True)]
    votes[0] = replayed
    votes[1] = dataclasses.replace(votes[1], prediction=members[2])
    stranger = Ed25519PrivateKey.generate()
    votes.append(cast("stranger", about, members[0], stranger))
    decision = council.decide(about, votes, truth)
    assert isinstance(decision, Decision)
    assert "another round" in decision.refused["member-0"]
    assert "wrong signature" in decision.refused["member-1"]
    assert decision.refused["stranger"] == "is no member"
    assert len(decision.agreeing) == 5


def test_a_forgery_in_its_name_does_not_silence_an_honest_member() -> None:
    truth, generator = make_field()
    members = honest_members(truth, MEMBERS, 0.03, generator)
    council = make_council()
    about = council.open_round("pump", 1, truth)
    votes = [cast(n, about, p, KEYS[n]) for n, p in zip(KEYS, members, strict=True)]
    forged = Vote("member-3", about, members[0], b"\0" * 64)
    decision = council.decide(about, [forged, *votes, forged], truth)
    assert isinstance(decision, Decision)
    assert "member-3" in decision.agreeing
    assert decision.refused == {}


def test_nan_votes_and_wrong_shapes_are_refused() -> None:
    truth, generator = make_field()
    members = list(honest_members(truth, MEMBERS, 0.03, generator))
    members[0] = torch.full_like(truth, torch.nan)
    members[1] = torch.zeros(4, 4, dtype=torch.float64)
    council = make_council()
    about = council.open_round("pump", 1, truth)
    votes = [cast(n, about, p, KEYS[n]) for n, p in zip(KEYS, members, strict=True)]
    decision = council.decide(about, votes, truth)
    assert isinstance(decision, Decision)
    assert "NaN" in decision.refused["member-0"]
    assert "shape" in decision.refused["member-1"]


def test_a_round_is_decided_once() -> None:
    truth, _ = make_field()
    council = make_council()
    about = council.open_round("pump", 1, truth)
    assert isinstance(council.decide(about, [], truth), Abstention)
    with pytest.raises(CouncilError, match="not open"):
        council.decide(about, [], truth)


def test_too_few_members_for_the_faults_are_refused() -> None:
    public = {name: key.public_key() for name, key in list(KEYS.items())[:6]}
    with pytest.raises(CouncilError, match="at least 7"):
        Council(public, faults=2)
    with pytest.raises(CouncilError, match="no member keeps the balance"):
        gated_geometric_median(torch.ones(3, 4), 0.0, 1.0)
    with pytest.raises(FieldShapeError, match="members"):
        geometric_median(torch.ones(3))
    assert conservation_gate(torch.full((1, 4), torch.nan), 0.0, 1.0).tolist() == [False]
