"""Which tools a client sees: chosen when the server starts, narrowed or changed by a request's headers."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.types import CallToolResult, ListToolsResult, TextContent

from industriverse.mcp_server.callers import CurrentCaller
from industriverse.operations.errors import UnknownOperationError
from industriverse.operations.registry import registry

__all__ = ["Surface", "SurfaceFilter", "names_in"]

TOOLSETS_HEADER = "x-mcp-toolsets"
TOOLS_HEADER = "x-mcp-tools"
EXCLUDE_HEADER = "x-mcp-exclude-tools"
READ_ONLY_HEADER = "x-mcp-readonly"
_PREFIX = b"x-mcp-"


def names_in(text: str | None) -> frozenset[str] | None:
    """Names in a comma-separated list, None if there is no list."""
    if text is None:
        return None
    return frozenset(name.strip() for name in text.split(",") if name.strip())


@dataclass(frozen=True, slots=True)
class Surface:
    """A choice of operations.

    Attributes:
        toolsets: Toolsets to show, ``all`` for every one; None for the default tools unless tools are named.
        tools: Operations to show beside those.
        exclude: Operations that are not shown, whatever else says so.
        read_only: Show only what changes nothing.
    """

    toolsets: frozenset[str] | None = None
    tools: frozenset[str] = field(default_factory=frozenset)
    exclude: frozenset[str] = field(default_factory=frozenset)
    read_only: bool = False

    def __post_init__(self) -> None:
        for name in sorted(self.tools | self.exclude):
            if name not in registry:
                raise UnknownOperationError(
                    f"no tool {name[:80]!r}", hint="docs/reference-tools.md lists every tool"
                )
        registry.select(toolsets=self.toolsets)

    def names(self) -> frozenset[str]:
        """Names of the operations that are shown."""
        shown: set[str] = set(self.tools)
        if self.toolsets is not None or not self.tools:
            shown |= {declared.name for declared in registry.select(toolsets=self.toolsets)}
        return frozenset(
            name for name in shown - self.exclude if registry[name].read_only or not self.read_only
        )

    def asked_by(self, headers: Mapping[str, str]) -> "Surface":
        """The surface of one request: its headers choose, what the server excludes stays excluded.

        Raises:
            UnknownOperationError: If a header names a toolset or a tool that does not exist.
        """
        toolsets, tools = names_in(headers.get(TOOLSETS_HEADER)), names_in(headers.get(TOOLS_HEADER))
        excluded = names_in(headers.get(EXCLUDE_HEADER)) or frozenset()
        read_only = headers.get(READ_ONLY_HEADER, "").strip().lower() in {"true", "1", "yes"}
        if toolsets is None and tools is None and not excluded and not read_only:
            return self
        chosen = self if toolsets is None and tools is None else Surface(toolsets, tools or frozenset())
        return replace(chosen, exclude=self.exclude | excluded, read_only=self.read_only or read_only)


class SurfaceFilter:
    """Lists only the tools that the caller may use and asked for, and refuses calls of the others.

    Args:
        surface: What the server was started with.
        caller: Returns the caller of the request being served.
    """

    def __init__(self, surface: Surface, caller: CurrentCaller) -> None:
        self._surface = surface
        self._caller = caller
        # Most requests choose nothing for themselves.
        self._names = surface.names()

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Filter ``tools/list``, guard ``tools/call``, pass everything else."""
        if ctx.method == "tools/call":
            name = (ctx.params or {}).get("name")
            if isinstance(name, str) and name in registry and name not in self._shown(ctx):
                return _not_shown(name)
        result = await call_next(ctx)
        if ctx.method == "tools/list":
            return self._filtered(result, self._shown(ctx))
        return result

    def _shown(self, ctx: ServerRequestContext[Any, Any]) -> frozenset[str]:
        raw = () if ctx.request is None else ctx.request.scope["headers"]
        if not any(name.startswith(_PREFIX) for name, _ in raw):
            return self._names
        surface = self._surface.asked_by(ctx.request.headers)  # type: ignore[union-attr]
        return self._names if surface is self._surface else surface.names()

    def _filtered(self, result: HandlerResult, shown: frozenset[str]) -> HandlerResult:
        caller = self._caller()

        def visible(name: str) -> bool:
            return name not in registry or (name in shown and caller.holds(registry[name].scope))

        if isinstance(result, ListToolsResult):
            return result.model_copy(update={"tools": [t for t in result.tools if visible(t.name)]})
        if isinstance(result, dict):
            return {**result, "tools": [tool for tool in result["tools"] if visible(tool["name"])]}
        return result


def _not_shown(name: str) -> CallToolResult:
    toolset = registry[name].toolset
    text = f"Unknown tool: {name} is not among the tools of this connection; ask for the toolset {toolset}"
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)
