"""Webhooks with a signature, so that the receiver knows who sent them, when, and that nothing was changed.

Source: Standard Webhooks 1.0 (https://www.standardwebhooks.com): HMAC-SHA256 over ``id.timestamp.body``. Sending is
a dry run unless told otherwise: the request is returned and not made.
"""

import base64
import hashlib
import hmac
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from industriverse.shield.errors import RenderError

__all__ = ["WebhookRequest", "send_webhook", "sign_webhook", "verify_webhook"]

SHORTEST_SECRET = 24
TOLERANCE_S = 300


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """One signed request and what came of it.

    Attributes:
        url: Where it goes.
        headers: Its headers, the signature among them.
        body: Canonical JSON.
        status: HTTP status of the answer, None for a dry run.
    """

    url: str
    headers: dict[str, str]
    body: bytes
    status: int | None = None


def sign_webhook(message_id: str, timestamp_s: int, body: bytes, secret: bytes) -> str:
    """The value of the ``webhook-signature`` header.

    Raises:
        RenderError: If the secret is too short.
    """
    if len(secret) < SHORTEST_SECRET:
        raise RenderError(
            f"a webhook secret of {len(secret)} bytes is too short", hint="use 24 random bytes or more"
        )
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def verify_webhook(headers: Mapping[str, str], body: bytes, secret: bytes, *, now_s: int) -> bool:
    """Whether a request is genuine, unchanged and at most five minutes old."""
    try:
        stamp = int(headers["webhook-timestamp"])
        expected = sign_webhook(headers["webhook-id"], stamp, body, secret)
        given = headers["webhook-signature"].split(" ")
    except (KeyError, ValueError):
        return False
    fresh = abs(now_s - stamp) <= TOLERANCE_S
    return fresh and any(hmac.compare_digest(expected.encode(), one.encode()) for one in given)


def send_webhook(
    url: str, message_id: str, payload: Mapping[str, Any], secret: bytes, *, now_s: int, dry_run: bool = True
) -> WebhookRequest:
    """Sign a payload, and send it only when it is not a dry run.

    Raises:
        RenderError: If the address is no HTTPS one (HTTP is allowed on the loopback), the secret is too short,
            or the receiver cannot be reached.
    """
    if not url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        raise RenderError(
            f"{url[:80]!r} is no HTTPS address", hint="webhooks leave this machine over TLS only"
        )
    body = json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(now_s),
        "webhook-signature": sign_webhook(message_id, now_s, body, secret),
    }
    if dry_run:
        return WebhookRequest(url, headers, body)
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310 (checked above)
    try:
        with urllib.request.urlopen(request, timeout=10.0) as answer:  # noqa: S310 (checked above)
            return WebhookRequest(url, headers, body, int(answer.status))
    except urllib.error.HTTPError as error:
        error.close()
        return WebhookRequest(url, headers, body, error.code)
    except OSError as error:
        raise RenderError(
            f"{url} cannot be reached ({error})", hint="the message keeps its id: send it again"
        ) from None
