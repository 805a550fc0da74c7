"""Errors as RFC 9457 problem documents, for ASGI code below any framework."""

import json
from collections.abc import Sequence

from starlette.types import Send

from industriverse.mcp_server.inert import inert

__all__ = ["PROBLEM_MEDIA_TYPE", "problem_document", "send_problem"]

PROBLEM_MEDIA_TYPE = "application/problem+json"


def problem_document(status: int, title: str, detail: str, hint: str) -> dict[str, str | int]:
    """The document; what a caller or telemetry named in it does nothing to whoever shows it."""
    told = {"detail": inert(detail), "hint": inert(hint)}
    return {"type": "about:blank", "status": status, "title": title, **told}


async def send_problem(
    send: Send,
    status: int,
    title: str,
    detail: str,
    hint: str,
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Answer with a problem document and nothing else."""
    body = json.dumps(problem_document(status, title, detail, hint)).encode()
    sent = [
        (b"content-type", PROBLEM_MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})
