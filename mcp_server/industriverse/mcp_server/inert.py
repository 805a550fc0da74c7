"""Errors that name what a caller sent must not carry what it would do to whoever shows or runs them."""

import re

from mcp.server.context import HandlerResult
from mcp.types import CallToolResult

__all__ = ["inert", "inert_result"]

_OPENERS = re.compile(
    r"<(?=[a-zA-Z/!?%])|\$(?=[({])|\{(?=[{%])|`|\.\.(?=[/\\])|'(?=;\s*(?i:drop|delete|insert|update|select|alter|--))|[\x00-\x08\x0b-\x1f\x7f]"
)

_ELSEWHERE = re.compile(r"\s*For further information visit https://errors\.pydantic\.dev/\S*")
"""A library's pages say nothing of this server, and an error has no need to send anybody there."""


def _broken(found: re.Match[str]) -> str:
    opener = found[0]
    if opener == "`":
        return "'"
    return f"{opener} " if opener.isprintable() else "\ufffd"


def inert(text: str) -> str:
    """A text in which what opens markup, a shell or template expression, a path upwards or a statement is broken."""
    return _OPENERS.sub(_broken, _ELSEWHERE.sub("", text))


def inert_result(result: HandlerResult) -> HandlerResult:
    """A tool's result as it is, or with its texts made inert where it is an error."""
    if isinstance(result, CallToolResult):
        if not result.is_error:
            return result
        result = result.model_dump(by_alias=True, mode="json", exclude_none=True)
    if isinstance(result, dict) and result.get("isError") is True:
        content = [
            {**block, "text": inert(block["text"])} if isinstance(block.get("text"), str) else block
            for block in result.get("content", ())
        ]
        return {**result, "content": content}
    return result
