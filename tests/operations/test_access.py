"""Roles, tokens, tenants and the audit log."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from industriverse.operations.auditing import GENESIS, AuditEntry, AuditLog, entry_hash, verify_audit
from industriverse.operations.context import Principal
from industriverse.operations.errors import (
    AuditBrokenError,
    InvalidArgumentsError,
    NotAllowedError,
    NotFoundError,
)
from industriverse.operations.home import paths_of
from industriverse.operations.platform import Platform
from industriverse.operations.registry import registry
from industriverse.operations.roles import ADMIN_SCOPES, ROLES
from industriverse.operations.tokens import TOKEN_PREFIX, TokenStore, principal_of
from industriverse.operations.toolsets import load
from prepared_plant import call, on, opened

load()


def entry(number: int, outcome: str = "done", principal: str = "alice") -> AuditEntry:
    return AuditEntry(number, principal, "", "platform_status", "00" * 32, outcome, "", 0, "")


def test_every_scope_belongs_to_a_role() -> None:
    known = ADMIN_SCOPES.union(*(scopes for role, scopes in ROLES.items() if role != "admin"))
    assert {declared.scope for declared in registry} <= known


def test_each_role_holds_what_the_one_before_it_holds_and_more() -> None:
    viewer, operator, responder, admin = ROLES.values()
    assert viewer < operator < responder
    assert admin == {"*"}
    assert not responder & ADMIN_SCOPES


def test_a_token_opens_until_it_is_revoked_and_is_stored_only_as_a_hash(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "tokens.sqlite"
    store = TokenStore(path)
    issued = store.add("alice", "operator", now_ns=1, tenant="north")
    assert issued.text.startswith(TOKEN_PREFIX)
    found = store.find(issued.text, now_ns=2)
    assert found is not None
    assert principal_of(found) == Principal("alice", ROLES["operator"], "north")
    assert store.find(issued.text + "x", now_ns=2) is None
    assert store.find("", now_ns=2) is None
    stored = b"".join(part.read_bytes() for part in path.parent.iterdir())
    assert issued.text.encode() not in stored
    assert issued.text.removeprefix(TOKEN_PREFIX).encode() not in stored
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other_process = TokenStore(path)
    other_process.revoke(issued.record.id, now_ns=3)
    assert store.find(issued.text, now_ns=4) is None
    assert [record.revoked_ns for record in store.records()] == [3]


def test_a_token_ends_when_it_expires(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens.sqlite")
    issued = store.add("alice", "viewer", now_ns=1, expires_ns=10)
    assert store.find(issued.text, now_ns=9) is not None
    assert store.find(issued.text, now_ns=10) is None


@pytest.mark.parametrize(
    ("name", "role", "tenant", "field"),
    [
        ("", "viewer", "", "name"),
        ("a\nb", "viewer", "", "name"),
        ("a" * 81, "viewer", "", "name"),
        ("local-operator", "viewer", "", "name"),
        ("response-graph", "admin", "north", "name"),
        ("Local-Operator", "viewer", "", "name"),
        ("\uff4cocal-operator", "viewer", "", "name"),
        ("alice", "king", "", "role"),
        ("alice", "viewer", "x\x00", "tenant"),
    ],
)
def test_a_token_that_cannot_be_is_refused(
    name: str, role: str, tenant: str, field: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidArgumentsError, match=f"^{field}: "):
        TokenStore(tmp_path / "tokens.sqlite").add(name, role, now_ns=1, tenant=tenant)


def test_a_token_from_before_its_name_was_reserved_opens_nothing(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens.sqlite")
    issued = store.add("alice", "admin", now_ns=1)
    assert store.find(issued.text, now_ns=2) is not None
    with closing(sqlite3.connect(tmp_path / "tokens.sqlite")) as raw, raw:
        raw.execute("UPDATE token SET name = 'response-graph'")
    assert store.find(issued.text, now_ns=2) is None


def test_revoking_a_token_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="token list"):
        TokenStore(tmp_path / "tokens.sqlite").revoke("nonsense", now_ns=1)


def test_the_audit_log_holds_together_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "audit.sqlite"
    for start in (0, 3):
        log = AuditLog(path)
        for number in range(start, start + 3):
            log.post(entry(number))
        log.write(entry(start + 10)).result(timeout=10)
        log.close()
    count, head = verify_audit(path)
    assert count == 8
    previous = GENESIS
    for sequence, number in enumerate([0, 1, 2, 10, 3, 4, 5, 13], start=1):
        previous = entry_hash(previous, sequence, entry(number))
    assert head == previous.hex()


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE entry SET principal = 'bob' WHERE sequence = 2",
        "UPDATE entry SET outcome = 'refused' WHERE sequence = 3",
        "UPDATE entry SET micro_ceu = 5 WHERE sequence = 1",
        "DELETE FROM entry WHERE sequence = 2",
        "DELETE FROM entry WHERE sequence = 1",
        "UPDATE entry SET sequence = 9 WHERE sequence = 3",
    ],
)
def test_a_changed_audit_log_is_found_out(forgery: str, tmp_path: Path) -> None:
    path = tmp_path / "audit.sqlite"
    log = AuditLog(path)
    for number in range(3):
        log.post(entry(number))
    log.close()
    thief = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        thief.execute(forgery)
    thief.execute("DROP TRIGGER entry_stays")
    thief.execute("DROP TRIGGER entry_is_kept")
    thief.execute(forgery)
    thief.close()
    with pytest.raises(AuditBrokenError, match="does not follow"):
        verify_audit(path)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_can_be_chained_and_no_two_entries_share_a_hash(one: str, other: str) -> None:
    first = entry_hash(GENESIS, 1, entry(1, principal=one, outcome=other))
    second = entry_hash(GENESIS, 1, entry(1, principal=other, outcome=one))
    assert (first == second) == (one == other)


def test_every_call_is_written_down_with_its_outcome(tmp_path: Path) -> None:
    stranger = Principal("stranger", frozenset({"forecast"}))

    async def story(platform: Platform) -> None:
        await call(platform, "platform_status")
        with pytest.raises(NotAllowedError):
            await call(platform, "platform_status", caller=stranger)
        with pytest.raises(InvalidArgumentsError):
            await call(platform, "sim_run", plant_id="p", until_hours="soon")
        await call(platform, "sim_run", plant_id="p", until_hours=1.0, create={"interval_s": 3600})
        page = await call(platform, "audit_search")
        seen = [(item.principal, item.operation, item.outcome, item.reason) for item in page.items]
        assert seen == [
            ("local-operator", "sim_run", "done", ""),
            ("local-operator", "sim_run", "began", ""),
            ("local-operator", "sim_run", "refused", "InvalidArgumentsError"),
            ("stranger", "platform_status", "refused", "NotAllowedError"),
            ("local-operator", "platform_status", "done", ""),
        ]
        first = await call(platform, "audit_search", limit=2, outcome="refused")
        assert [item.principal for item in first.items] == ["local-operator", "stranger"]
        page = await call(platform, "audit_search", limit=1)
        assert page.next_cursor
        following = await call(platform, "audit_search", limit=1, cursor=page.next_cursor)
        assert following.items[0].sequence == page.items[0].sequence - 1

    on(tmp_path / "home", story)
    assert verify_audit(paths_of(tmp_path / "home").audit)[0] == 9


def test_only_an_administrator_reads_the_audit_log(tmp_path: Path) -> None:
    async def story(platform: Platform) -> None:
        with pytest.raises(NotAllowedError, match="audit"):
            await call(platform, "audit_search", caller=Principal("r", ROLES["responder"]))

    on(tmp_path / "home", story)


def test_tenants_do_not_see_each_other(tmp_path: Path) -> None:
    everything = frozenset({"*"})

    async def story(platform: Platform) -> None:
        north, south = Principal("n", everything, "north"), Principal("n", everything, "south")
        create = {"interval_s": 3600}
        await call(platform, "sim_run", caller=north, plant_id="p", until_hours=2.0, create=create)
        seen = await call(platform, "platform_status", caller=north)
        assert [stream.name for stream in seen.streams] == ["p"]
        for stranger in (south, Principal("n", everything)):
            other = await call(platform, "platform_status", caller=stranger)
            assert other.streams == []
            with pytest.raises(NotFoundError):
                await call(platform, "eil_regime", caller=stranger, stream="p")
        audited = await call(platform, "audit_search", caller=south)
        assert {item.operation for item in audited.items} == {"platform_status", "eil_regime"}
        with pytest.raises(NotAllowedError, match="another tenant"):
            platform.of_tenant("north").of_tenant("south")

    on(tmp_path / "home", story)


@pytest.mark.parametrize("tenant", ["../../etc", "..", "/", "a\\b", "CON"])
def test_the_name_of_a_tenant_never_becomes_a_path(tenant: str, tmp_path: Path) -> None:
    folder = paths_of(tmp_path).tenant(tenant)
    assert folder.parent == tmp_path / "tenants"
    assert folder.name.isalnum()


def test_a_crash_loses_no_call_that_changed_something(tmp_path: Path) -> None:
    program = """
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from prepared_plant import call, opened
async def story(platform):
    await call(platform, "sim_run", plant_id="p", until_hours=1.0, create={"interval_s": 3600})
    os.kill(os.getpid(), 9)
with opened(Path(sys.argv[1])) as platform:
    asyncio.run(story(platform))
"""
    home, tests = tmp_path / "home", Path(__file__).parents[1]
    ended = subprocess.run(
        [sys.executable, "-c", program, str(home), str(tests)], timeout=120, env=dict(os.environ)
    )
    assert ended.returncode == -9
    assert verify_audit(paths_of(home).audit)[0] == 2
    with opened(home) as platform:
        page = asyncio.run(call(platform, "audit_search"))
    assert [item.outcome for item in page.items] == ["done", "began"]


def test_the_command_line_makes_lists_and_revokes_tokens_and_verifies_the_log(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from industriverse.cli.main import main

    def command(*words: str) -> str:
        return CliRunner().invoke(main, [*words, "--home", str(tmp_path)], catch_exceptions=False).output

    shown = command("token", "add", "alice", "--role", "responder")
    text = shown.splitlines()[0]
    store = TokenStore(paths_of(tmp_path).tokens)
    record = store.find(text, now_ns=record_time())
    assert record is not None
    listed = command("token", "list")
    assert record.id in listed
    assert text not in listed
    assert "revoked" in command("token", "revoke", record.id)
    assert store.find(text, now_ns=record_time()) is None
    assert "Error: no audit log" in command("audit", "verify")
    with opened(tmp_path) as platform:
        asyncio.run(call(platform, "platform_status"))
    assert "1 entries hold together" in command("audit", "verify")


def record_time() -> int:
    import time

    return time.time_ns()
