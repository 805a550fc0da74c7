# ruff: noqa: N815
"""Tools, prompts and resources with the names that the official conformance suite asks for."""

import asyncio
import json
from base64 import b64decode
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    CallToolResult,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    EmbeddedResource,
    ImageContent,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel, Field

from industriverse.mcp_server.app import McpParts
from industriverse.mcp_server.tasks import current_task

PIXEL_PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
SILENCE_WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="

Answer = InputRequiredResult | CallToolResult


def said(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=text)])


def form(message: str, field: str, kind: str = "string") -> ElicitRequest:
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sampling(text: str, max_tokens: int) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=max_tokens))


def filled(ctx: Context[Any, Any], key: str, field: str) -> Any:
    """A field of a form that the client sent back, None if it did not."""
    answer = (ctx.input_responses or {}).get(key)
    if isinstance(answer, ElicitResult) and answer.action == "accept":
        return (answer.content or {}).get(field)
    return None


def add_plain_tools(parts: McpParts) -> None:
    server = parts.server

    @server.tool()
    def test_simple_text() -> str:
        """Answer with text."""
        return "This is a simple text response for testing."

    @server.tool()
    def test_image_content() -> list[ImageContent]:
        """Answer with an image."""
        return [ImageContent(type="image", data=PIXEL_PNG, mime_type="image/png")]

    @server.tool()
    def test_audio_content() -> list[AudioContent]:
        """Answer with sound."""
        return [AudioContent(type="audio", data=SILENCE_WAV, mime_type="audio/wav")]

    @server.tool()
    def test_embedded_resource() -> list[EmbeddedResource]:
        """Answer with a resource."""
        return [embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]

    @server.tool()
    def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
        """Answer with content of several kinds."""
        return [
            TextContent(type="text", text="Multiple content types test:"),
            ImageContent(type="image", data=PIXEL_PNG, mime_type="image/png"),
            embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
        ]

    @server.tool()
    async def test_tool_with_logging(ctx: Context[Any, Any]) -> str:
        """Log while working."""
        for text in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await ctx.session.send_log_message("info", text, related_request_id=ctx.request_id)
            await asyncio.sleep(0.05)
        return "logged"

    @server.tool()
    async def test_logging_tool(ctx: Context[Any, Any]) -> str:
        """Log once."""
        await ctx.session.send_log_message("info", "working", related_request_id=ctx.request_id)
        return "logged"

    @server.tool()
    async def test_tool_with_progress(ctx: Context[Any, Any]) -> str:
        """Report progress while working."""
        for done in (0, 50, 100):
            await ctx.report_progress(done, 100, f"{done} of 100")
            await asyncio.sleep(0.05)
        return "done"

    @server.tool()
    def test_error_handling() -> str:
        """Fail."""
        raise RuntimeError("This tool intentionally returns an error for testing")

    @server.tool()
    async def test_reconnection(ctx: Context[Any, Any]) -> str:
        """Close the stream in the middle of a call."""
        await ctx.close_sse_stream()
        await asyncio.sleep(0.2)
        return "Reconnection test completed"


def embedded(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    return EmbeddedResource(
        type="resource", resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    )


class Reply(BaseModel):
    response: str = Field(description="User's response")


class Defaults(BaseModel):
    name: str = Field(default="John Doe")
    age: int = Field(default=30)
    score: float = Field(default=95.5)
    status: str = Field(default="active", json_schema_extra={"enum": ["active", "inactive", "pending"]})
    verified: bool = Field(default=True)


def titled(*names: str) -> list[dict[str, str]]:
    return [{"const": name, "title": name.title()} for name in names]


class Choices(BaseModel):
    untitledSingle: str = Field(json_schema_extra={"enum": ["option1", "option2", "option3"]})
    titledSingle: str = Field(json_schema_extra={"oneOf": titled("value1", "value2", "value3")})  # type: ignore[dict-item]
    legacyEnum: str = Field(
        json_schema_extra={"enum": ["opt1", "opt2"], "enumNames": ["Option One", "Option Two"]}
    )
    untitledMulti: list[str] = Field(
        json_schema_extra={"items": {"type": "string", "enum": ["option1", "option2", "option3"]}}
    )
    titledMulti: list[str] = Field(
        json_schema_extra={"items": {"anyOf": titled("value1", "value2", "value3")}}  # type: ignore[dict-item]
    )


def add_asking_tools(parts: McpParts) -> None:
    server = parts.server

    @server.tool()
    async def test_sampling(prompt: str, ctx: Context[Any, Any]) -> str:
        """Ask the client's model."""
        message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
        result = await ctx.session.create_message(
            messages=[message], max_tokens=100, related_request_id=ctx.request_id
        )
        return f"LLM response: {getattr(result.content, 'text', '')}"

    @server.tool()
    async def test_elicitation(message: str, ctx: Context[Any, Any]) -> str:
        """Ask the person."""
        answer = await ctx.elicit(message, Reply)
        return f"User response: {answer.action}"

    @server.tool()
    async def test_elicitation_sep1034_defaults(ctx: Context[Any, Any]) -> str:
        """Ask with defaults."""
        answer = await ctx.elicit("Please review", Defaults)
        return f"Elicitation completed: action={answer.action}"

    @server.tool()
    async def test_client_elicitation_defaults(ctx: Context[Any, Any]) -> str:
        """Ask with defaults."""
        answer = await ctx.elicit("Please review", Defaults)
        return f"Elicitation completed: action={answer.action}"

    @server.tool()
    async def test_elicitation_sep1330_enums(ctx: Context[Any, Any]) -> str:
        """Ask with choices."""
        answer = await ctx.elicit("Please choose", Choices)
        return f"Elicitation completed: action={answer.action}"


def add_questions(parts: McpParts) -> None:
    """Tools that ask inside their result, as the stateless revision does."""
    server = parts.server

    @server.tool()
    async def test_input_required_result_elicitation(ctx: Context[Any, Any]) -> Answer:
        """Ask for a name."""
        name = filled(ctx, "user_name", "name")
        if isinstance(name, str):
            return said(f"Hello, {name}!")
        return InputRequiredResult(input_requests={"user_name": form("What is your name?", "name")})

    @server.tool()
    async def test_streaming_elicitation(ctx: Context[Any, Any]) -> Answer:
        """Ask for a name after some progress."""
        await ctx.report_progress(1, 2, "asking")
        name = filled(ctx, "user_name", "name")
        if isinstance(name, str):
            return said(f"Hello, {name}!")
        return InputRequiredResult(input_requests={"user_name": form("What is your name?", "name")})

    @server.tool()
    async def test_input_required_result_sampling(ctx: Context[Any, Any]) -> Answer:
        """Ask the client's model."""
        answer = (ctx.input_responses or {}).get("capital_question")
        if isinstance(answer, CreateMessageResult):
            return said(getattr(answer.content, "text", ""))
        question = sampling("What is the capital of France?", 100)
        return InputRequiredResult(input_requests={"capital_question": question})

    @server.tool()
    async def test_input_required_result_list_roots(ctx: Context[Any, Any]) -> Answer:
        """Ask for the client's roots."""
        answer = (ctx.input_responses or {}).get("client_roots")
        if isinstance(answer, ListRootsResult):
            return said(", ".join(str(root.uri) for root in answer.roots))
        return InputRequiredResult(input_requests={"client_roots": ListRootsRequest()})

    @server.tool()
    async def test_input_required_result_request_state(ctx: Context[Any, Any]) -> Answer:
        """Ask, and keep something meanwhile."""
        if ctx.request_state == "kept" and filled(ctx, "confirm", "ok") is not None:
            return said("state-ok")
        return InputRequiredResult(
            input_requests={"confirm": form("Please confirm", "ok", "boolean")}, request_state="kept"
        )

    @server.tool()
    async def test_input_required_result_tampered_state(ctx: Context[Any, Any]) -> Answer:
        """Ask, and keep something that nobody may change."""
        if ctx.request_state == "sealed" and filled(ctx, "confirm", "ok") is not None:
            return said("state-ok")
        return InputRequiredResult(
            input_requests={"confirm": form("Please confirm", "ok", "boolean")}, request_state="sealed"
        )

    @server.tool()
    async def test_input_required_result_multiple_inputs(ctx: Context[Any, Any]) -> Answer:
        """Ask three things at once."""
        answers = ctx.input_responses or {}
        if ctx.request_state == "three" and {"user_name", "greeting", "client_roots"} <= set(answers):
            return said(f"{filled(ctx, 'user_name', 'name')} has {len(answers)} answers")
        return InputRequiredResult(
            input_requests={
                "user_name": form("What is your name?", "name"),
                "greeting": sampling("Generate a greeting", 50),
                "client_roots": ListRootsRequest(),
            },
            request_state="three",
        )

    @server.tool()
    async def test_input_required_result_multi_round(ctx: Context[Any, Any]) -> Answer:
        """Ask twice."""
        name, color = filled(ctx, "step1", "name"), filled(ctx, "step2", "color")
        state = ctx.request_state or ""
        if state.startswith("2:") and color is not None:
            return said(f"{state[2:]} likes {color}")
        if state == "1" and name is not None:
            return InputRequiredResult(
                input_requests={"step2": form("Step 2: What is your favorite color?", "color")},
                request_state=f"2:{name}",
            )
        return InputRequiredResult(
            input_requests={"step1": form("Step 1: What is your name?", "name")}, request_state="1"
        )

    @server.tool()
    async def test_input_required_result_capabilities(ctx: Context[Any, Any]) -> Answer:
        """Ask only what the client can answer."""
        has = ctx.client_capabilities
        requests: dict[str, Any] = {}
        if has is not None and has.elicitation is not None:
            requests["name"] = form("What is your name?", "name")
        if has is not None and has.sampling is not None:
            requests["greeting"] = sampling("Generate a greeting", 50)
        if not requests or ctx.input_responses:
            return said("done")
        return InputRequiredResult(input_requests=requests)

    @server.tool()
    async def test_missing_capability(ctx: Context[Any, Any]) -> str:
        """Need a client that samples."""
        has = ctx.client_capabilities
        if has is None or has.sampling is None:
            raise MCPError(
                code=MISSING_REQUIRED_CLIENT_CAPABILITY,
                message="this needs a client that samples",
                data={"requiredCapabilities": {"sampling": {}}},
            )
        return "has it"

    @server.prompt()
    async def test_input_required_result_prompt(ctx: Context[Any, Any]) -> Any:
        """Ask for context first."""
        context = filled(ctx, "user_context", "context")
        if context is None:
            question = form("What context should the prompt use?", "context")
            return InputRequiredResult(input_requests={"user_context": question})
        return [UserMessage(f"Use this context: {context}")]


def add_schemas(parts: McpParts) -> None:
    server = parts.server

    @server.tool()
    async def test_custom_headers(
        region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})] = "",
        query: str = "",
    ) -> str:
        """Take an argument that travels in a header too."""
        return f"{region} {query}"

    @server.tool()
    async def test_headers(
        region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})] = "",
    ) -> str:
        """Take an argument that travels in a header too."""
        return region

    @server.tool()
    async def json_schema_2020_12_tool(name: str = "", address: dict[str, Any] | None = None) -> str:
        """Carry keywords of JSON Schema 2020-12."""
        return f"{name} {address}"

    described = server._tool_manager.get_tool("json_schema_2020_12_tool")
    assert described is not None
    described.parameters.clear()
    described.parameters.update(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": {
                "address": {
                    "$anchor": "addressDef",
                    "type": "object",
                    "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
                }
            },
            "properties": {
                "name": {"type": "string"},
                "address": {"$ref": "#/$defs/address"},
                "contactMethod": {"type": "string", "enum": ["phone", "email"]},
                "phone": {"type": "string"},
                "email": {"type": "string"},
            },
            "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
            "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
            "then": {"required": ["phone"]},
            "else": {"required": ["email"]},
            "additionalProperties": False,
        }
    )


def add_changes(parts: McpParts) -> None:
    server = parts.server

    @server.tool()
    async def test_trigger_tool_change(ctx: Context[Any, Any]) -> str:
        """Say that the list of tools changed."""
        await ctx.notify_tools_changed()
        return "told"

    @server.tool()
    async def test_trigger_prompt_change(ctx: Context[Any, Any]) -> str:
        """Say that the list of prompts changed."""
        await ctx.notify_prompts_changed()
        return "told"


def add_task_tools(parts: McpParts) -> None:
    server, support = parts.server, parts.tasks.support

    @server.tool()
    async def greet(name: str) -> str:
        """Answer at once."""
        return f"Hello, {name}!"

    @server.tool()
    async def slow_compute(seconds: float = 0, label: str = "") -> str:
        """Take a while."""
        await asyncio.sleep(seconds)
        return f"{label} took {seconds} s"

    @server.tool()
    async def test_tool_with_task(ctx: Context[Any, Any]) -> Answer:
        """Ask first, then take a while."""
        if not ctx.input_responses:
            return InputRequiredResult(input_requests={"user_name": form("What is your name?", "name")})
        await asyncio.sleep(0.5)
        return said(f"Hello, {filled(ctx, 'user_name', 'name')}!")

    @server.tool()
    async def failing_job() -> str:
        """Fail after a while."""
        await asyncio.sleep(0.3)
        raise RuntimeError("it failed")

    @server.tool()
    async def protocol_error_job() -> str:
        """End with a protocol error after a while."""
        await asyncio.sleep(0.3)
        raise MCPError(code=INTERNAL_ERROR, message="the job broke the protocol")

    async def asked(key: str, request: ElicitRequest) -> dict[str, Any]:
        task = current_task()
        assert task is not None
        answer = await task.ask(key, request.model_dump(by_alias=True, mode="json", exclude_none=True))
        return dict(answer.get("content") or {}) if isinstance(answer, dict) else {}

    @server.tool()
    async def confirm_delete(filename: str, ctx: Context[Any, Any]) -> Answer:
        """Ask before deleting."""
        if current_task() is None:
            if filled(ctx, "confirm", "confirm") is None:
                question = form(f"Delete {filename}?", "confirm", "boolean")
                return InputRequiredResult(input_requests={"confirm": question})
            return said(f"deleted {filename}")
        content = await asked("confirm", form(f"Delete {filename}?", "confirm", "boolean"))
        return said(f"deleted {filename}" if content.get("confirm") else f"kept {filename}")

    @server.tool()
    async def multi_input() -> Answer:
        """Ask two things at the same time."""
        name, color = await asyncio.gather(
            asked("name", form("What is your name?", "name")),
            asked("color", form("What is your favorite color?", "color")),
        )
        return said(f"{name.get('name')} likes {color.get('color')}")

    for tool in (
        "slow_compute",
        "protocol_error_job",
        "confirm_delete",
        "multi_input",
        "test_tool_with_task",
    ):
        support[tool] = "optional"
    support["failing_job"] = "required"


def add_prompts_and_resources(parts: McpParts) -> None:
    server = parts.server

    @server.prompt()
    def test_simple_prompt() -> str:
        """A prompt without arguments."""
        return "This is a simple prompt for testing."

    @server.prompt()
    def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        """A prompt with arguments."""
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt()
    def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:
        """A prompt that holds a resource."""
        resource = embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
        return [UserMessage(resource), UserMessage("Please process the embedded resource above.")]

    @server.prompt()
    def test_prompt_with_image() -> list[UserMessage]:
        """A prompt that holds an image."""
        image = ImageContent(type="image", data=PIXEL_PNG, mime_type="image/png")
        return [UserMessage(image), UserMessage("Please analyze the image above.")]

    @server.resource("test://static-text", mime_type="text/plain")
    def static_text() -> str:
        """Text."""
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", mime_type="image/png")
    def static_binary() -> bytes:
        """An image."""
        return b64decode(PIXEL_PNG)

    @server.resource("test://template/{id}/data", mime_type="application/json")
    def template(id: str) -> str:
        """Data by id."""
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})

    @server.resource("test://watched-resource", mime_type="text/plain")
    def watched() -> str:
        """A resource to subscribe to."""
        return "Watched resource content"


def add_conformance_fixtures(parts: McpParts) -> None:
    """Everything that the suite asks a server for."""
    add_plain_tools(parts)
    add_asking_tools(parts)
    add_questions(parts)
    add_schemas(parts)
    add_changes(parts)
    add_task_tools(parts)
    add_prompts_and_resources(parts)
