"""A small drawing for each toolset, so that clients can show tools at a glance."""

from base64 import b64encode
from functools import cache

from mcp.types import Icon

__all__ = ["icon_of"]

_STROKES = {
    "agents": "M8 2v4M4 8h8M5 8v5h6V8",
    "atlas": "M3 4l5-2 5 2v9l-5-2-5 2zM8 2v9",
    "economy": "M8 2a6 6 0 100 12 6 6 0 000-12M8 5v6",
    "eil": "M2 10q3-8 6 0t6 0",
    "nvp": "M2 12l4-4 3 2 5-7M10 3h4v4",
    "ops": "M4 2h8v12H4zM6 6h4M6 9h4",
    "platform": "M2 3h12v8H2zM6 14h4",
    "shield": "M8 2l5 2v4q0 4-5 6-5-2-5-6V4z",
    "signal": "M2 8h3l2-5 2 10 2-5h3",
    "sim": "M8 2v12M2 8h12M4 4l8 8",
    "telemetry": "M8 14V8M5 9a4 4 0 016 0M3 6a7 7 0 0110 0",
}
_OTHERWISE = "M3 3h10v10H3z"


@cache
def icon_of(toolset: str) -> Icon:
    """The icon of a toolset, as an SVG in a data URI."""
    path = _STROKES.get(toolset, _OTHERWISE)
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="none" stroke="#368">'
        f'<path d="{path}"/></svg>'
    )
    return Icon(
        src=f"data:image/svg+xml;base64,{b64encode(drawing.encode()).decode()}",
        mime_type="image/svg+xml",
        sizes=["any"],
    )
