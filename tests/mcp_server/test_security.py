"""What an attacker would try: other people's tokens, tenants and plans, and requests made to confuse."""

import asyncio
import io
import json
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.provider import AccessToken
from mcp.shared.exceptions import MCPError

from industriverse.cli.serving import HttpOptions
from industriverse.economy.rules import budget_account
from industriverse.mcp_server.authentication import JwtVerifier, OAuthSettings
from industriverse.mcp_server.callers import NOBODY, principal_in
from industriverse.mcp_server.composition import compose
from industriverse.mcp_server.edge import Limits
from industriverse.mcp_server.errors import AuthenticationSettingsError
from industriverse.mcp_server.logs import JsonLines, Redaction
from industriverse.mcp_server.web import WebSettings
from industriverse.operations.amounts import account_of
from industriverse.operations.context import (
    LOCAL_OPERATOR,
    OAUTH_PREFIX,
    OWNERS,
    ApprovalAnswer,
    ApprovalRequest,
    Principal,
    is_reserved,
)
from industriverse.operations.home import Home, paths_of
from industriverse.operations.platform import Platform
from industriverse.operations.policy import invoke
from industriverse.operations.roles import ROLES
from industriverse.operations.tokens import TokenStore
from industriverse.physics import IndustriverseError
from industriverse.shield.errors import PrincipalMismatchError
from prepared_plant import PLANT, Prepared, approve, call, copied, on
from web_server import served

ISSUER, RESOURCE = "https://login.example", "https://plant.example/mcp"
METADATA = "https://plant.example/.well-known/oauth-protected-resource/mcp"
DAY_NS = 86_400 * 10**9


class Authority:
    """An authorization server, as far as a resource server sees of it."""

    def __init__(self, folder: Path) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        document = {**json.loads(ECAlgorithm.to_jwk(self.key.public_key())), "kid": "k1", "alg": "ES256"}
        self.jwks = folder / "jwks.json"
        self.jwks.write_text(json.dumps({"keys": [document]}))

    def token(self, scope: str, **changed: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": RESOURCE,
            "sub": "alice",
            "scope": scope,
            "exp": now + 300,
            "iat": now,
        }
        claims |= {name: value for name, value in changed.items() if name not in {"key", "algorithm", "kid"}}
        claims = {name: value for name, value in claims.items() if value is not None}
        key = changed.get("key", self.key)
        headers = {"kid": changed.get("kid", "k1")}
        return jwt.encode(claims, key, algorithm=changed.get("algorithm", "ES256"), headers=headers)


@dataclass(frozen=True)
class Protected:
    url: str
    home: Path
    authority: Authority
    tokens: dict[str, str]

    def post(self, path: str, token: str | None, body: Any = None, **headers: str) -> httpx.Response:
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        return httpx.post(f"{self.url}{path}", json={} if body is None else body, headers=headers, timeout=60)


@pytest.fixture(scope="module")
def protected(story: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Protected]:
    """A server that asks for tokens, with one of each role."""
    folder = tmp_path_factory.mktemp("protected")
    home, authority = copied(story.planned, folder / "home"), Authority(folder)
    store, now = TokenStore(paths_of(home).tokens), time.time_ns()
    tokens = {role: store.add(role, role, now_ns=now).text for role in ROLES}
    tokens["north"] = store.add("n", "responder", now_ns=now, tenant="north").text
    tokens["south"] = store.add("n", "responder", now_ns=now, tenant="south").text
    tokens["expired"] = store.add("old", "admin", now_ns=now - 2 * DAY_NS, expires_ns=now - DAY_NS).text
    settings = WebSettings(oauth=OAuthSettings(ISSUER, RESOURCE, str(authority.jwks)))
    with served(home, settings=settings) as url:
        yield Protected(url, home, authority, tokens)


READ, PLAN = "/v1/platform/status", "/v1/shield/plan"


def test_a_good_token_of_either_kind_opens(protected: Protected) -> None:
    assert protected.post(READ, protected.tokens["viewer"]).status_code == 200
    assert protected.post(READ, protected.authority.token("read")).status_code == 200


@pytest.mark.parametrize("path", [READ, "/mcp", "/metrics", "/v1/stream", "/docs"])
def test_without_a_token_there_is_a_challenge_that_names_the_metadata(
    path: str, protected: Protected
) -> None:
    answer = httpx.get(f"{protected.url}{path}", timeout=30)
    assert answer.status_code == 401
    assert f'resource_metadata="{METADATA}"' in answer.headers["www-authenticate"]


def test_health_and_metadata_are_open(protected: Protected) -> None:
    assert httpx.get(f"{protected.url}/healthz").status_code == 200
    assert httpx.get(f"{protected.url}/readyz").status_code == 200
    told = httpx.get(f"{protected.url}/.well-known/oauth-protected-resource/mcp").json()
    assert told["resource"] == RESOURCE
    assert [url.rstrip("/") for url in told["authorization_servers"]] == [ISSUER]
    assert {"read", "plan", "act"} <= set(told["scopes_supported"])


BAD_TOKENS: dict[str, Callable[[Authority], str]] = {
    "wrong audience": lambda a: a.token("read", aud="https://other.example/mcp"),
    "no audience": lambda a: a.token("read", aud=None),
    "wrong issuer": lambda a: a.token("read", iss="https://evil.example"),
    "expired": lambda a: a.token("read", exp=int(time.time()) - 3600),
    "never expires": lambda a: a.token("read", exp=None),
    "not yet valid": lambda a: a.token("read", nbf=int(time.time()) + 3600),
    "of nobody": lambda a: a.token("read", sub=None),
    "of an empty subject": lambda a: a.token("read", sub="", client_id="local-operator"),
    "of the owner": lambda a: a.token("read", sub="local-operator"),
    "of one who spells out where it comes from": lambda a: a.token("read", sub="oauth:alice"),
    "of the response graph": lambda a: a.token("read", sub="response-graph", tenant="north"),
    "of one who reads like the owner": lambda a: a.token("read", sub=" Local-Operator"),
    "another key": lambda a: a.token("read", key=ec.generate_private_key(ec.SECP256R1())),
    "unknown key id": lambda a: a.token("read", kid="k2"),
    "unsigned": lambda a: a.token("read", key=None, algorithm="none"),
    "signed with the public key as a secret": lambda a: a.token("read", key="x" * 64, algorithm="HS256"),
    "no token": lambda _: "nonsense",
    "too long": lambda _: "a" * 9000,
    "unknown static": lambda _: "ivt_" + "A" * 43,
}


def test_a_token_that_bears_the_owners_name_stands_for_nobody() -> None:
    for name in OWNERS:
        token = AccessToken(token="", client_id=name, scopes=["act", "trade"])
        assert principal_in(token) == NOBODY
    assert (
        principal_in(AccessToken(token="", client_id="c", subject="alice", scopes=["read"])).name == "alice"
    )


def test_a_subject_of_the_authorization_server_and_a_token_of_the_same_name_are_two_callers() -> None:
    def caller(subject: str, **claims: str) -> Principal:
        return principal_in(
            AccessToken(token="", client_id="c", subject=subject, scopes=["trade"], claims=claims)
        )

    named, vouched = caller("alice"), caller("alice", iss=ISSUER)
    assert (named.name, vouched.name) == ("alice", "oauth:alice")
    assert account_of(named) != account_of(vouched)
    assert budget_account(named.name) != budget_account(vouched.name)
    for name in ("oauth:alice", " OAuth:alice", "\uff4fauth:alice"):
        # Nobody comes to the other's name by spelling it out.
        assert caller(name) == NOBODY
        assert is_reserved(name)


@pytest.mark.parametrize("kind", BAD_TOKENS)
def test_a_bad_token_is_refused(kind: str, protected: Protected) -> None:
    for path in (READ, "/mcp"):
        answer = protected.post(path, BAD_TOKENS[kind](protected.authority))
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_an_expired_and_a_revoked_static_token_are_refused(protected: Protected) -> None:
    assert protected.post(READ, protected.tokens["expired"]).status_code == 401
    store = TokenStore(paths_of(protected.home).tokens)
    issued = store.add("gone", "viewer", now_ns=time.time_ns())
    assert protected.post(READ, issued.text).status_code == 200
    store.revoke(issued.record.id, now_ns=time.time_ns())
    assert protected.post(READ, issued.text).status_code == 401


def legacy_call(name: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": name, "arguments": arguments or {}},
    }


ACCEPT = {"accept": "application/json, text/event-stream"}


def test_a_missing_scope_is_a_step_up_over_rest_and_both_eras(protected: Protected, story: Prepared) -> None:
    token = protected.authority.token("read")
    modern = {
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "shield_plan",
        **ACCEPT,
    }
    for answer in (
        protected.post(PLAN, token, {"incident_id": story.incident_id}),
        protected.post("/mcp", token, legacy_call("shield_plan"), **ACCEPT),
        protected.post("/mcp", token, legacy_call("shield_plan"), **modern),
    ):
        assert answer.status_code == 403
        challenge = answer.headers["www-authenticate"]
        assert 'error="insufficient_scope"' in challenge
        assert 'scope="plan"' in challenge
        assert METADATA in challenge


def test_headers_that_hide_the_tool_do_not_pass_the_policy(protected: Protected, story: Prepared) -> None:
    token = protected.tokens["viewer"]
    disguised = {
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "platform_status",
        **ACCEPT,
    }
    body = legacy_call("shield_act", {"plan_id": story.plan_id})
    assert protected.post("/mcp", token, body, **disguised).status_code == 400
    listed = {**ACCEPT, "mcp-method": "tools/list"}
    assert protected.post("/mcp", token, body, **listed).status_code in {400, 403}


@asynccontextmanager
async def mcp_client(protected: Protected, token: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=60) as http,
        Client(streamable_http_client(f"{protected.url}/mcp", http_client=http)) as client,
    ):
        yield client


def test_tools_that_a_token_cannot_call_are_not_listed(protected: Protected) -> None:
    async def tale() -> None:
        async with mcp_client(protected, protected.tokens["viewer"]) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
        assert "platform_status" in names
        assert not names & {"shield_plan", "shield_act", "agent_run", "economy_mint", "audit_search"}
        async with mcp_client(protected, protected.tokens["admin"]) as client:
            assert "audit_search" in {tool.name for tool in (await client.list_tools()).tools}

    asyncio.run(tale())


def test_the_policy_asks_again_in_process(tmp_path: Path) -> None:
    async def tale(platform: Platform) -> None:
        for role in ("viewer", "operator"):
            with pytest.raises(IndustriverseError, match="lacks the scope 'act'"):
                await call(platform, "shield_act", caller=Principal("x", ROLES[role]), plan_id="p")

    on(tmp_path / "home", tale)


def test_a_plan_made_for_one_principal_is_no_good_to_another(planned: Path, story: Prepared) -> None:
    altered = story.plan_id[:-2] + ("AA" if story.plan_id[-2:] != "AA" else "BB")

    async def tale(platform: Platform) -> None:
        for principal, plan_id in (
            (Principal("mallory", ROLES["responder"]), story.plan_id),
            (LOCAL_OPERATOR, altered),
        ):
            with pytest.raises(IndustriverseError):
                await invoke(
                    platform, "shield_act", {"plan_id": plan_id}, principal=principal, approve=approve
                )
            assert platform.services.plants.find(PLANT).active_commands() == ()

    on(planned, tale)


def test_nobody_is_asked_about_a_plan_that_the_caller_may_not_carry_out(
    planned: Path, story: Prepared
) -> None:
    asked = []

    async def ask(request: ApprovalRequest) -> ApprovalAnswer:
        asked.append(request)
        return ApprovalAnswer(approved=True)

    async def tale(platform: Platform) -> None:
        await call(platform, "shield_mode", mode="detect")
        arguments = {"plan_id": story.plan_id}
        mallory = Principal("mallory", ROLES["responder"])
        with pytest.raises(PrincipalMismatchError):
            await invoke(platform, "shield_act", arguments, principal=mallory, approve=ask)
        assert not asked
        await invoke(platform, "shield_act", arguments, principal=LOCAL_OPERATOR, approve=ask)
        assert len(asked) == 1

    on(planned, tale)


def test_a_plan_that_has_expired_is_not_carried_out(planned: Path, story: Prepared) -> None:
    def tomorrow() -> int:
        return time.time_ns() + DAY_NS

    with Home(planned) as home, compose(home, clock=tomorrow) as platform:
        with pytest.raises(IndustriverseError, match="expired"):
            asyncio.run(
                invoke(
                    platform,
                    "shield_act",
                    {"plan_id": story.plan_id},
                    principal=LOCAL_OPERATOR,
                    approve=approve,
                )
            )
        assert platform.services.plants.find(PLANT).active_commands() == ()


def test_a_plan_that_was_carried_out_is_not_carried_out_again(planned: Path, story: Prepared) -> None:
    async def tale(platform: Platform) -> None:
        async def act() -> Any:
            return await invoke(
                platform, "shield_act", {"plan_id": story.plan_id}, principal=LOCAL_OPERATOR, approve=approve
            )

        await act()
        plant = platform.services.plants.find(PLANT)
        before = plant.active_commands()
        again = await act()
        assert plant.active_commands() == before
        assert again.status == "executed"

    on(planned, tale)


def test_another_tenant_sees_no_stream_thread_or_audit_entry(protected: Protected) -> None:
    north, south = protected.tokens["north"], protected.tokens["south"]
    run = {"plant_id": "p", "until_hours": 2, "create": {"interval_s": 3600}}
    assert protected.post("/v1/sim/run", north, run).status_code == 200
    assert [s["name"] for s in protected.post(READ, north).json()["streams"]] == ["p"]
    assert protected.post(READ, south).json()["streams"] == []
    assert protected.post("/v1/eil/regime", south, {"stream": "p"}).status_code == 404
    assert protected.post("/v1/agents/agent_state", south, {"thread_id": "p"}).status_code == 404
    assert "practice" not in protected.post(READ, north).text


def test_another_ones_task_does_not_exist(protected: Protected) -> None:
    from industriverse.mcp_server.task_store import TaskRecord, TaskStore

    owner = Principal(f"{OAUTH_PREFIX}alice", frozenset()).identity
    now = time.time_ns()
    record = TaskRecord(
        "task-of-alice", owner, "sim_run", {}, "completed", "", now, now, 60_000, {"content": []}
    )
    store = TaskStore(paths_of(protected.home).tasks)
    store.save(record)
    assert store.find(record.id, owner, now) is not None
    assert (
        store.find(record.id, Principal(f"{OAUTH_PREFIX}alice", frozenset(), "north").identity, now) is None
    )
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
    }
    headers = {
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tasks/get",
        "mcp-name": record.id,
        **ACCEPT,
    }
    for method in ("tasks/get", "tasks/cancel"):
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"taskId": record.id, "_meta": meta}}
        mine = protected.post(
            "/mcp", protected.authority.token("read"), body, **{**headers, "mcp-method": method}
        )
        other = protected.post("/mcp", protected.tokens["viewer"], body, **{**headers, "mcp-method": method})
        assert "result" in mine.text, mine.text
        assert "no such task" in other.text


@pytest.mark.parametrize(
    "uri",
    [
        "docs://..%2F..%2Fetc%2Fpasswd",
        "docs://../../etc/passwd",
        "atlas://state/..%2F..%2Fetc",
        "agents://thread/..%00",
        "result://x/../1",
        "eil://regime/%2e%2e%2f%2e%2e",
        "file:///etc/passwd",
    ],
)
def test_a_path_in_a_template_leads_nowhere(uri: str, protected: Protected) -> None:
    async def tale() -> None:
        async with mcp_client(protected, protected.tokens["admin"]) as client:
            with pytest.raises(MCPError) as refused:
                await client.read_resource(uri)
            assert "root:" not in str(refused.value)

    asyncio.run(tale())


def test_an_oversized_body_is_refused_announced_or_not(protected: Protected) -> None:
    token = protected.tokens["viewer"]
    big = b'{"x": "' + b"a" * (5 * 1024 * 1024) + b'"}'

    def parts() -> Iterator[bytes]:
        for start in range(0, len(big), 65536):
            yield big[start : start + 65536]

    headers = {"authorization": f"Bearer {token}", "content-type": "application/json", **ACCEPT}
    for path in (READ, "/mcp"):
        for content in (big, parts()):
            try:
                answer = httpx.post(f"{protected.url}{path}", content=content, headers=headers, timeout=60)
            except httpx.TransportError:
                # The server answered and closed before everything was sent.
                continue
            assert answer.status_code == 413
            assert answer.headers["content-type"] == "application/problem+json"


def raw(url: str, text: bytes, *, wait_s: float = 10.0) -> bytes:
    """What a server says to bytes that no client library would send."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=wait_s) as line:
        line.sendall(text)
        answer = b""
        try:
            while part := line.recv(65536):
                answer += part
        except TimeoutError:
            return answer
    return answer


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: 2\r\nContent-Length: 30",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked",
        b"Content-Length: 2\r\nMcp-Name: a\r\nMcp-Name: b",
        b"Content-Length: 2\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b",
        b"Content-Length: 2\r\nOrigin: http://localhost\r\nOrigin: http://evil.example",
        b"Content-Length: 2\r\nHost: evil.example",
        b"Content-Length: 2\r\nTraceparent: 00-1-1-01\r\nTraceparent: 00-2-2-01",
    ],
)
def test_headers_that_two_readers_would_read_differently_are_refused(
    header: bytes, protected: Protected
) -> None:
    request = b"POST /v1/platform/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + header
    answer = raw(protected.url, request + b"\r\n\r\n{}")
    assert b" 400 " in answer.split(b"\r\n")[0], answer[:300]


def test_a_slow_client_is_hung_up_on(tmp_path: Path) -> None:
    with served(tmp_path / "home", settings=WebSettings(limits=Limits(receive_s=0.5))) as url:
        head = b"POST /v1/platform/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
        started = time.monotonic()
        answer = raw(url, head)
        assert b" 408 " in answer.split(b"\r\n")[0]
        assert time.monotonic() - started < 5


def test_no_token_is_ever_in_a_log(protected: Protected) -> None:
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    static, signed = protected.tokens["viewer"], protected.authority.token("read")
    try:
        for token in (
            static,
            signed,
            static + "x",
            protected.authority.token("read", aud="https://other.example"),
        ):
            protected.post(READ, token)
            protected.post("/mcp", token, legacy_call("platform_status"), **ACCEPT)
            httpx.get(f"{protected.url}/v1/platform/status?access_token={token}", timeout=30)
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    ours = [
        line
        for line in heard.getvalue().splitlines()
        if "httpcore" not in line and "HTTP Request" not in line
    ]
    for token in (static, signed):
        assert not [line for line in ours if token in line]


def test_a_token_that_someone_logs_is_taken_out() -> None:
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    handler.addFilter(Redaction())
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("industriverse.test")
    logger.addHandler(handler)
    logger.propagate = False
    secrets = ["ivt_" + "A" * 43, "eyJhbGciOi.eyJzdWIi.c2ln", "Bearer abcdef"]
    try:
        for secret in secrets:
            logger.error("got %s", secret)
            try:
                raise ValueError(secret)
            except ValueError:
                logger.exception("failed")
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
    lines = [json.loads(line) for line in heard.getvalue().splitlines()]
    assert next(line["message"] for line in lines) == "got [secret]"
    assert not any(secret in heard.getvalue() for secret in secrets)


def options(**changed: Any) -> HttpOptions:
    given: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 1,
        "auth": "none",
        "public": (),
        "issuer": None,
        "resource": None,
        "jwks": None,
        "stateless": False,
    }
    return HttpOptions(**{**given, **changed})


@pytest.mark.parametrize(
    ("changed", "hint"),
    [
        ({"host": "0.0.0.0"}, "add --auth token"),
        ({"host": "192.0.2.1"}, "add --auth token"),
        ({"host": "::"}, "add --auth token"),
        ({"public": ("plant.example",)}, "add --auth token"),
        ({"host": "0.0.0.0", "auth": "token"}, "--public-name"),
        ({"auth": "oauth"}, "they name the authorization server"),
        ({"auth": "oauth", "issuer": "http://login.example", "resource": RESOURCE, "jwks": "x"}, "https"),
    ],
)
def test_a_server_that_would_not_be_safe_does_not_start(changed: dict[str, Any], hint: str) -> None:
    with pytest.raises(AuthenticationSettingsError, match=hint):
        options(**changed).settings()


def test_a_server_with_tokens_may_listen_elsewhere() -> None:
    settings = options(host="0.0.0.0", auth="token", public=("plant.example",)).settings()
    assert settings.asks
    assert "plant.example" in settings.names


def test_keys_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{}")
    for jwks in ("/nowhere/jwks.json", str(tmp_path / "bad.json"), "http://keys.example/jwks"):
        with pytest.raises(AuthenticationSettingsError, match="jwks: "):
            JwtVerifier(OAuthSettings(ISSUER, RESOURCE, jwks))
