"""Errors as RFC 9457 problem documents, for ASGI code below any framework."""

import json
from collections.abc import Sequence

from starlette.types import Send

__all__ = ["PROBLEM_MEDIA_TYPE", "send_problem"]

PROBLEM_MEDIA_TYPE = "application/problem+json"


async def send_problem(
    send: Send,
    status: int,
    title: str,
    detail: str,
    hint: str,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Answer with a problem document and nothing else."""
    document = {"type": "about:blank", "status": status, "title": title, "detail": detail, "hint": hint}
    body = json.dumps(document).encode()
    sent = [
        (b"content-type", PROBLEM_MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})
