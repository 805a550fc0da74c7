"""What MCP clients got, for assertions."""

from typing import Any

__all__ = ["text_of"]


def text_of(result: Any) -> str:
    """The text of a tool result."""
    return " ".join(block.text for block in result.content)
