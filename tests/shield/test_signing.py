from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from industriverse.eil.proof import KeyFileError
from industriverse.shield import (
    PlanAlteredError,
    PlanExpiredError,
    PlanSigner,
    PrincipalMismatchError,
    ShieldError,
    generate_plan_key,
    load_plan_key,
)
from industriverse.shield.plan import plan_id_of
from shield.tank import PRINCIPAL, Clock, plan_of

KEY = b"k" * 32


def test_a_signed_plan_id_verifies_until_the_plan_expires() -> None:
    clock = Clock()
    signer, plan = PlanSigner(KEY, clock), plan_of("valve-1")
    signed = signer.sign(plan)
    clock.advance(899)
    signer.verify(signed, plan, principal=PRINCIPAL)
    clock.advance(1)
    with pytest.raises(PlanExpiredError, match="has expired; make a new plan"):
        signer.verify(signed, plan, principal=PRINCIPAL)


def test_another_principal_cannot_use_the_plan() -> None:
    signer, plan = PlanSigner(KEY, Clock()), plan_of("valve-1")
    with pytest.raises(PrincipalMismatchError, match="was made for 'operator-7', not for 'mallory'"):
        signer.verify(signer.sign(plan), plan, principal="mallory")


def test_an_altered_plan_is_refused_even_under_its_own_new_id() -> None:
    signer, plan = PlanSigner(KEY, Clock()), plan_of("valve-1")
    signed = signer.sign(plan)
    for change in (
        {"principal": "mallory"},
        {"expires_ns": plan.expires_ns + 1},
        {"actions": plan_of("valve-2").actions},
        {"incident": "incident-2"},
    ):
        altered = replace(plan, **change)
        renamed = replace(altered, id=plan_id_of(altered))
        for presented in (signed, signed.replace(plan.id, renamed.id)):
            for stored in (altered, renamed):
                with pytest.raises(PlanAlteredError):
                    signer.verify(presented, stored, principal=stored.principal)
    with pytest.raises(PlanAlteredError, match="not the id of this content"):
        signer.sign(replace(plan, rationale="other"))


@given(position=st.integers(0, 200), character=st.sampled_from("0123456789abcdefx."))
def test_every_changed_character_of_a_signed_id_is_refused(position: int, character: str) -> None:
    signer, plan = PlanSigner(KEY, Clock()), plan_of("valve-1")
    signed = signer.sign(plan)
    position %= len(signed)
    forged = signed[:position] + character + signed[position + 1 :]
    if forged != signed:
        with pytest.raises(PlanAlteredError):
            signer.verify(forged, plan, principal=PRINCIPAL)


def test_another_key_and_short_keys_are_refused() -> None:
    plan = plan_of("valve-1")
    signed = PlanSigner(KEY, Clock()).sign(plan)
    with pytest.raises(PlanAlteredError):
        PlanSigner(b"x" * 32, Clock()).verify(signed, plan, principal=PRINCIPAL)
    with pytest.raises(ShieldError, match="5 bytes is too short"):
        PlanSigner(b"short", Clock())


def test_a_plan_key_file_is_private_and_random(tmp_path: Path) -> None:
    first = generate_plan_key(tmp_path / "first.key")
    assert load_plan_key(tmp_path / "first.key") == first != generate_plan_key(tmp_path / "second.key")
    (tmp_path / "first.key").chmod(0o644)
    with pytest.raises(KeyFileError, match="mode 0644"):
        load_plan_key(tmp_path / "first.key")
