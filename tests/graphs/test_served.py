"""The three graphs through MCP from a plain SDK client over HTTP, on both eras, a person asked by elicitation."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.types import ElicitRequestParams, ElicitResult, TextResourceContents

from field_question import burgers_question
from prepared_plant import PLANT, Prepared
from web_server import served

ERAS = ("auto", "legacy")


@pytest.mark.slow
@pytest.mark.parametrize("era", ERAS)
def test_all_graphs_run_over_http_and_ask_a_person(era: str, alarmed: Path, story: Prepared) -> None:
    asked: list[str] = []
    heard: list[str] = []
    field, _ = burgers_question(viscosity_believed=5e-3)

    async def decline(context: Any, params: ElicitRequestParams) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content={"approve": False, "reason": "not today"})

    async def listen(progress: float, total: float | None, message: str | None) -> None:
        heard.append((message or "").partition(":")[0])

    async def tale(url: str) -> None:
        async with Client(f"{url}/mcp", mode=era, elicitation_callback=decline) as client:

            async def run(**arguments: Any) -> dict[str, Any]:
                result = await client.call_tool("agent_run", arguments, progress_callback=listen)
                assert not result.is_error, result.content
                return dict(result.structured_content)

            kept = await client.call_tool("nvp_field", field)
            ace = await run(
                graph="ace", field_id=kept.structured_content["field_id"], goals={"accuracy": 0.2}
            )
            assert ace["outcome"] == "emitted"
            til = await run(graph="til", stream=PLANT, options=[{"name": "repair", "relief": 0.9}])
            assert til["state"]["advice"] == "repair"
            response = await run(incident_id=story.incident_id, thread_id="r")
            assert response["outcome"] == "declined"
            assert len(asked) == 1
            for name in ("ace", "til", "response"):
                (picture,) = (await client.read_resource(f"agents://graph/{name}")).contents
                assert isinstance(picture, TextResourceContents)
                assert "graph TD" in picture.text
            (thread,) = (await client.read_resource("agents://thread/r")).contents
            assert isinstance(thread, TextResourceContents)
            assert json.loads(thread.text)["runs"][0]["outcome"] == "declined"

    with served(alarmed) as url:
        asyncio.run(tale(url))
    if era == "legacy":
        # In the stateless era progress of a call that asks comes with the call that is repeated.
        assert {"aspire", "measure", "question", "emit", "attend", "weigh", "reflect", "plan"} <= set(heard)
