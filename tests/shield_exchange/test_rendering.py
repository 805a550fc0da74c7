"""Actions are written for those who carry them out: closed, checked, reversible, and never done by writing them."""

import ipaddress
import json
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from industriverse.shield.errors import RenderError
from industriverse.shield.rendering import (
    CATALOGUE,
    Containment,
    render_network_policy,
    render_nftables,
    send_webhook,
    sign_webhook,
    verify_webhook,
)
from industriverse.shield.rendering.containment import ContainmentKind

SECRET = b"0123456789abcdef01234567"
PODS = {"namespace": "plant", "pod_labels": (("app", "hmi"),)}


def block(address: str = "10.0.0.9", kind: ContainmentKind = ContainmentKind.BLOCK_ADDRESS) -> Containment:
    return Containment("a1", kind, address=address, allow=("10.0.0.1",))


@pytest.mark.parametrize("kind", [k for k in ContainmentKind if k is not ContainmentKind.ISOLATE_PODS])
def test_an_nftables_script_is_one_table_that_its_reversal_deletes(kind: ContainmentKind) -> None:
    rendered = render_nftables(block(kind=kind))
    lines = rendered.text.splitlines()
    assert lines[:2] == ["add table inet industriverse_a1", "delete table inet industriverse_a1"]
    assert rendered.reversal == "delete table inet industriverse_a1\n"
    assert rendered.text.count("{") == rendered.text.count("}") == 4
    assert "10.0.0.9" in rendered.text
    assert rendered.dry_run
    assert rendered.cost == CATALOGUE[kind].cost
    assert all(line.startswith(("+", "-", "@")) for line in rendered.difference.splitlines())
    if shutil.which("nft"):
        checked = subprocess.run(
            ["nft", "-c", "-f", "-"], input=rendered.text, text=True, capture_output=True
        )
        assert "syntax error" not in checked.stderr


def test_an_isolated_host_keeps_what_is_allowed_and_that_comes_before_the_drop() -> None:
    text = render_nftables(block(kind=ContainmentKind.ISOLATE_HOST)).text
    assert text.index("10.0.0.1/32 counter accept") < text.index("counter drop")


def test_what_is_in_force_already_shows_no_difference() -> None:
    first = render_nftables(block())
    present = "\n".join(first.text.splitlines()[2:])
    assert render_nftables(block(), present=present).difference == ""


@given(st.text(max_size=40))
def test_no_text_but_an_address_reaches_a_script(text: str) -> None:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        with pytest.raises(RenderError):
            block(text)


@pytest.mark.parametrize("address", ["0.0.0.0/0", "::/0", "10.0.0.0/4", "10.0.0.1; flush ruleset"])
def test_a_block_of_the_internet_or_an_injection_is_refused(address: str) -> None:
    with pytest.raises(RenderError):
        block(address)


def test_a_network_policy_denies_both_directions_but_the_allowed_address() -> None:
    action = Containment("a1", ContainmentKind.ISOLATE_PODS, **PODS, allow=("10.0.0.1",))  # type: ignore[arg-type]
    rendered = render_network_policy(action)
    policy = json.loads(rendered.text)
    assert (policy["apiVersion"], policy["kind"]) == ("networking.k8s.io/v1", "NetworkPolicy")
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert policy["spec"]["egress"] == [{"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]}]
    assert policy["spec"]["podSelector"] == {"matchLabels": {"app": "hmi"}}
    assert rendered.reversal == "kubectl delete networkpolicy industriverse-a1 --namespace plant\n"
    nothing = Containment("a1", ContainmentKind.ISOLATE_PODS, **PODS)  # type: ignore[arg-type]
    assert json.loads(render_network_policy(nothing).text)["spec"]["ingress"] == []


@pytest.mark.parametrize("labels", [(), (("app", "x y"),), (("a;b", "c"),)])
def test_pods_without_usable_labels_are_refused(labels: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(RenderError):
        Containment("a1", ContainmentKind.ISOLATE_PODS, namespace="plant", pod_labels=labels)


def test_a_webhook_is_signed_as_the_standard_says_and_a_change_is_noticed() -> None:
    # The vector of the Standard Webhooks reference libraries.
    import base64

    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    signature = sign_webhook("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, secret)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    headers = {
        "webhook-id": "m",
        "webhook-timestamp": "100",
        "webhook-signature": sign_webhook("m", 100, body, SECRET),
    }
    assert verify_webhook(headers, body, SECRET, now_s=120)
    assert not verify_webhook(headers, body + b" ", SECRET, now_s=120)
    assert not verify_webhook(headers, body, SECRET[::-1], now_s=120)
    assert not verify_webhook(headers, body, SECRET, now_s=1000)
    assert not verify_webhook({}, body, SECRET, now_s=120)


def test_a_dry_run_sends_nothing_and_a_real_one_arrives_verified() -> None:
    arrived: list[bool] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {key.lower(): value for key, value in self.headers.items()}
            arrived.append(verify_webhook(headers, body, SECRET, now_s=1000))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/act"
    try:
        assert send_webhook(url, "m1", {"act": 1}, SECRET, now_s=1000).status is None
        assert not arrived
        assert send_webhook(url, "m1", {"act": 1}, SECRET, now_s=1000, dry_run=False).status == 204
        assert arrived == [True]
    finally:
        server.shutdown()
        server.server_close()
    with pytest.raises(RenderError, match="TLS"):
        send_webhook("http://example.org", "m", {}, SECRET, now_s=0)
    with pytest.raises(RenderError, match="short"):
        send_webhook(url, "m", {}, b"short", now_s=0)
