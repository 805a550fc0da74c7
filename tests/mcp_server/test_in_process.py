"""The tools as an MCP client sees them, on both eras of the protocol."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import ElicitRequestParams, ElicitResult, TextResourceContents

from industriverse.mcp_server.app import create_mcp_server
from industriverse.operations.platform import Platform
from industriverse.operations.registry import registry
from prepared_plant import CLEAN_HOURS, PLANT, Prepared, opened

T = TypeVar("T")
ERAS = ("auto", "legacy")
EVERYTHING = frozenset({"all"})


def person(
    action: str, content: dict[str, Any] | None = None, asked: list[str] | None = None
) -> Callable[..., Any]:
    """A client's way to ask somebody, who answers so."""

    async def answer(context: Any, params: ElicitRequestParams) -> ElicitResult:
        if asked is not None:
            asked.append(params.message)
        return ElicitResult(action=action, content=content)  # type: ignore[arg-type]

    return answer


def with_client(
    folder: Path,
    story: Callable[[Client, Platform], Coroutine[Any, Any, T]],
    *,
    toolsets: frozenset[str] | None = EVERYTHING,
    read_only: bool = False,
    **options: Any,
) -> T:
    """Run a story with a client connected in process."""

    async def connected(platform: Platform) -> T:
        failure: Exception | None = None
        async with Client(create_mcp_server(platform, toolsets=toolsets), **options) as client:
            try:
                result = await story(client, platform)
            except Exception as error:
                failure = error
        if failure is not None:
            raise failure
        return result

    with opened(folder, read_only=read_only) as platform:
        return asyncio.run(connected(platform))


def text(result: Any) -> str:
    return " ".join(block.text for block in result.content)


@pytest.mark.parametrize("era", ERAS)
def test_the_default_surface_is_small_enough_for_any_model(era: str, tmp_path: Path) -> None:
    async def tale(client: Client, platform: Platform) -> None:
        tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools} == {declared.name for declared in registry.select()}
        assert len(tools) <= 15
        shown = [
            {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}
            for tool in tools
        ]
        whole = sum(len(tool.model_dump_json(by_alias=True, exclude_none=True)) for tool in tools)
        assert len(json.dumps(shown)) / 4 < 4000
        assert whole / 4 < 12_000, "with output schemas, which clients do not show to a model"

    with_client(tmp_path / "home", tale, toolsets=None, mode=era)


def test_tools_carry_titles_descriptions_and_hints(tmp_path: Path) -> None:
    async def tale(client: Client, platform: Platform) -> None:
        for tool in (await client.list_tools()).tools:
            declared = registry[tool.name]
            assert tool.title == declared.title
            assert tool.description == declared.summary
            assert tool.output_schema is not None
            hints = tool.annotations
            assert hints is not None
            assert (hints.read_only_hint, hints.destructive_hint) == (
                declared.read_only,
                declared.destructive,
            )
            assert (hints.idempotent_hint, hints.open_world_hint) == (declared.idempotent, False)

    with_client(tmp_path / "home", tale)


def test_a_read_only_server_neither_shows_nor_runs_what_changes_anything(tmp_path: Path) -> None:
    async def tale(client: Client, platform: Platform) -> None:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert names == {declared.name for declared in registry if declared.read_only}
        refused = await client.call_tool("sim_run", {"plant_id": "p", "until_hours": 1})
        assert refused.is_error
        assert "sim_run" in text(refused)
        status = await client.call_tool("platform_status", {})
        assert status.structured_content["simulated_plants"] == []

    with_client(tmp_path / "home", tale, read_only=True)


@pytest.mark.parametrize("era", ERAS)
def test_a_call_gives_terse_text_and_structured_data(era: str, alarmed: Path, story: Prepared) -> None:
    async def tale(client: Client, platform: Platform) -> None:
        regime = await client.call_tool("eil_regime", {"stream": PLANT})
        assert not regime.is_error
        assert regime.structured_content["alarm"] is True
        assert "in alarm since" in text(regime)
        assert len(text(regime)) < 400
        threats = await client.call_tool("shield_threats", {})
        assert threats.structured_content["incidents"][0]["id"] == story.incident_id
        explained = await client.call_tool("shield_explain", {"incident_id": story.incident_id})
        shares = sum(sensor["share_percent"] for sensor in explained.structured_content["sensors"])
        assert shares <= 100.0 + 1e-6
        json.dumps([regime.structured_content, explained.structured_content], allow_nan=False)

    with_client(alarmed, tale, mode=era)


@pytest.mark.parametrize("era", ERAS)
def test_errors_say_what_to_do_next(era: str, alarmed: Path) -> None:
    async def tale(client: Client, platform: Platform) -> None:
        for name, arguments, hint in (
            ("eil_regime", {"stream": "nonsense"}, "streams are: practice"),
            ("shield_threats", {"stream": "practise"}, "streams are: practice"),
            ("shield_explain", {"incident_id": "x"}, "list incidents with shield_threats"),
            ("sim_run", {"plant_id": "new", "until_hours": 1}, "create it with sim_run"),
            ("eil_regime", {"stream": PLANT, "at": "yesterday"}, "write it like 2026"),
            ("nvp_forecast", {"stream": PLANT, "horizon_hours": 0.001}, "give at least"),
            ("economy_mint", {"certificate_id": "x"}, "call eil_prove"),
        ):
            refused = await client.call_tool(name, arguments)
            assert refused.is_error, name
            assert hint in text(refused), text(refused)
            assert "Traceback" not in text(refused)

    with_client(alarmed, tale, mode=era)


def test_arguments_out_of_range_are_named(alarmed: Path) -> None:
    async def tale(client: Client, platform: Platform) -> None:
        for name, arguments, field in (
            ("nvp_forecast", {"stream": PLANT, "horizon_hours": 1e9}, "horizon_hours"),
            ("sim_run", {"plant_id": "", "until_hours": 1}, "plant_id"),
            ("sim_run", {"plant_id": "p", "until_hours": 1, "create": {"interval_s": 7}}, "interval_s"),
            ("atlas_search", {"kind": "Nonsense"}, "kind"),
            ("eil_prove", {"stream": PLANT, "alpha": 2}, "alpha"),
            ("shield_threats", {"incident": "x"}, "incident"),
        ):
            refused = await client.call_tool(name, arguments)
            assert refused.is_error, name
            assert field in text(refused)

    with_client(alarmed, tale)


@pytest.mark.parametrize("era", ERAS)
def test_an_approved_plan_is_carried_out_by_the_person_who_was_asked(
    era: str, planned: Path, story: Prepared
) -> None:
    asked: list[str] = []

    async def tale(client: Client, platform: Platform) -> None:
        done = await client.call_tool("shield_act", {"plan_id": story.plan_id})
        assert not done.is_error, text(done)
        assert done.structured_content["approved_by"] == "local-operator"
        assert len(platform.services.plants.find(PLANT).active_commands()) == 2

    answer = person("accept", {"approve": True, "reason": "yes"}, asked)
    with_client(planned, tale, mode=era, elicitation_callback=answer)
    assert len(asked) == 1
    assert "CANNOT be undone" in asked[0]


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("action", "content", "said"),
    [
        ("accept", {"approve": False, "reason": "not today"}, "declined: not today"),
        ("decline", None, "the person chose decline"),
        ("cancel", None, "the person chose cancel"),
    ],
)
def test_a_plan_that_is_not_approved_does_nothing(
    action: str, content: dict[str, Any] | None, said: str, era: str, planned: Path, story: Prepared
) -> None:
    async def tale(client: Client, platform: Platform) -> None:
        refused = await client.call_tool("shield_act", {"plan_id": story.plan_id})
        assert refused.is_error
        assert said in text(refused)
        assert platform.services.plants.find(PLANT).active_commands() == ()

    with_client(planned, tale, mode=era, elicitation_callback=person(action, content))


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("content", [None, {}, {"approve": "perhaps"}])
def test_a_form_without_an_answer_is_no_approval(
    content: dict[str, Any] | None, era: str, planned: Path, story: Prepared
) -> None:
    async def tale(client: Client, platform: Platform) -> None:
        refused = await client.call_tool("shield_act", {"plan_id": story.plan_id})
        assert refused.is_error
        assert platform.services.plants.find(PLANT).active_commands() == ()

    with_client(planned, tale, mode=era, elicitation_callback=person("accept", content))


@pytest.mark.parametrize("era", ERAS)
def test_a_client_that_cannot_ask_is_refused_and_nothing_is_done(
    era: str, planned: Path, story: Prepared
) -> None:
    async def tale(client: Client, platform: Platform) -> None:
        refused = await client.call_tool("shield_act", {"plan_id": story.plan_id})
        assert refused.is_error
        assert "your client cannot ask one; nothing was done; connect with a client that supports" in text(
            refused
        )
        assert platform.services.plants.find(PLANT).active_commands() == ()

    with_client(planned, tale, mode=era)


@pytest.mark.parametrize("era", ERAS)
def test_a_response_run_asks_through_the_client_and_reports_each_step(
    era: str, alarmed: Path, story: Prepared
) -> None:
    heard: list[str] = []
    asked: list[str] = []

    async def heard_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message or "")

    async def tale(client: Client, platform: Platform) -> None:
        run = await client.call_tool(
            "agent_run",
            {"incident_id": story.incident_id, "thread_id": "t"},
            progress_callback=heard_progress,
        )
        assert not run.is_error, text(run)
        assert run.structured_content["outcome"] == "declined"
        state = await client.call_tool("agent_state", {"thread_id": "t"})
        assert state.structured_content["runs"][0]["status"] == "done"

    answer = person("accept", {"approve": False}, asked)
    with_client(alarmed, tale, mode=era, elicitation_callback=answer)
    assert len(asked) == 1
    nodes = [message.partition(":")[0] for message in heard]
    assert nodes[:5] == ["sense", "assess", "forecast", "reflect", "plan"]


def test_resources_and_prompt_answer(alarmed: Path, story: Prepared) -> None:
    async def tale(client: Client, platform: Platform) -> None:
        async def read(uri: str) -> Any:
            (content,) = (await client.read_resource(uri)).contents
            assert isinstance(content, TextResourceContents)
            return json.loads(content.text)

        assert (await read("shield://threats/active"))["incidents"][0]["id"] == story.incident_id
        assert (await read(f"eil://regime/{PLANT}"))["alarm"] is True
        found = await client.call_tool("atlas_search", {"regime": "disturbed"})
        state = found.structured_content["items"][0]["id"]
        assert (await read(f"atlas://state/{state}"))["item"]["id"] == state
        listed = {str(resource.uri) for resource in (await client.list_resources()).resources}
        assert listed == {"shield://threats/active"}
        templates = {t.uri_template for t in (await client.list_resource_templates()).resource_templates}
        assert templates >= {"atlas://state/{state_id}", "eil://regime/{stream}", "docs://{page}"}
        assert (await read("economy://pool/CEU-PFT"))["pool"]["price_ceu"] is None
        alert = await read(f"shield://alert/{story.incident_id}")
        assert alert["incident_id"] == story.incident_id
        prompt = await client.get_prompt("triage_threat", {"incident_id": story.incident_id})
        assert story.incident_id in prompt.messages[0].content.model_dump_json()

    with_client(alarmed, tale)


@pytest.mark.parametrize(
    "uri", ["eil://regime/nonsense", "atlas://state/nonsense", "atlas://state/..%2F..%2Fetc"]
)
def test_a_resource_that_does_not_exist_is_refused_with_a_hint(uri: str, alarmed: Path) -> None:
    async def tale(client: Client, platform: Platform) -> None:
        with pytest.raises(MCPError) as refused:
            await client.read_resource(uri)
        assert "Traceback" not in str(refused.value)

    with_client(alarmed, tale)


def test_a_long_simulation_reports_progress(tmp_path: Path) -> None:
    heard: list[tuple[float, float | None]] = []

    async def heard_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total))

    async def tale(client: Client, platform: Platform) -> None:
        arguments = {"plant_id": "p", "until_hours": 72.0, "create": {"interval_s": 3600}}
        ran = await client.call_tool("sim_run", arguments, progress_callback=heard_progress)
        assert ran.structured_content["samples_added"] == 72
        again = await client.call_tool("sim_run", arguments)
        assert again.structured_content["samples_added"] == 0

    with_client(tmp_path / "home", tale)
    assert heard == [(24.0, 72.0), (48.0, 72.0), (72.0, 72.0)]


def test_calls_at_the_same_time_do_not_mix(learned: Path) -> None:
    async def tale(client: Client, platform: Platform) -> None:
        hours = [CLEAN_HOURS + step for step in range(1, 9)]
        results = await asyncio.gather(
            *(client.call_tool("sim_run", {"plant_id": PLANT, "until_hours": hour}) for hour in hours),
            *(client.call_tool("platform_status", {}) for _ in range(8)),
        )
        assert not any(result.is_error for result in results)
        status = await client.call_tool("platform_status", {})
        assert status.structured_content["streams"][0]["samples"] == hours[-1] * 4

    with_client(learned, tale)
