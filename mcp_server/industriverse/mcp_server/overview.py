"""The page that a person sees first: every route with what it does, made of the OpenAPI document and nothing else.

The usual pages load their scripts from elsewhere. A plant may have no way there, and a script from there could call
this server as whoever looks at the page; so this one holds no script, and its policy allows none.
"""

import html
import json
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.responses import HTMLResponse, RedirectResponse

__all__ = ["add_overview"]

_POLICY = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f23;"
    "background:#fff}h2{margin-top:2.5rem;border-bottom:1px solid #d0d7de}h3{margin:1.5rem 0 .25rem}"
    "code,pre{font:14px/1.45 ui-monospace,monospace}pre{background:#f6f8fa;padding:.75rem;overflow-x:auto}"
    "@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}pre{background:#161b22}a{color:#79b8ff}}"
)


def add_overview(app: FastAPI) -> None:
    """Serve the page at ``/docs``, and send whoever asks for ``/`` there."""
    router = APIRouter()

    @router.get("/docs", include_in_schema=False)
    async def overview() -> HTMLResponse:
        return HTMLResponse(_page(app.openapi()), headers=_POLICY)

    @router.get("/", include_in_schema=False)
    async def first() -> RedirectResponse:
        return RedirectResponse("docs")

    app.include_router(router)


def _page(document: dict[str, Any]) -> str:
    sections: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            sections.setdefault(route.get("tags", ["server"])[0], []).append(_route(path, method, route))
    title = html.escape(f"{document['info']['title']} {document['info']['version']}")
    links = " · ".join(f'<a href="#{html.escape(name)}">{html.escape(name)}</a>' for name in sorted(sections))
    body = "".join(
        f'<h2 id="{html.escape(name)}">{html.escape(name)}</h2>{"".join(sections[name])}'
        for name in sorted(sections)
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body><h1>{title}</h1>'
        "<p>Every operation by REST; the same operations are tools of MCP at <code>/mcp</code>. Arguments and results "
        'are described in <a href="openapi.json">openapi.json</a>. Bodies are JSON objects.</p>'
        f"<p>{links}</p>{body}</body></html>"
    )


def _route(path: str, method: str, route: dict[str, Any]) -> str:
    told = html.escape(route.get("description") or route.get("summary", ""))
    content = route.get("requestBody", {}).get("content", {}).get("application/json", {})
    example = next((shown["value"] for shown in content.get("examples", {}).values()), None)
    shown = ""
    if method == "post":
        sent = json.dumps(example if example is not None else {})
        command = f"curl -X POST -H 'Content-Type: application/json' -d '{sent}' http://127.0.0.1:8765{path}"
        shown = f"<pre>{html.escape(command)}</pre>" if example is not None else ""
    return f"<h3><code>{method.upper()} {html.escape(path)}</code></h3><p>{told}</p>{shown}"
