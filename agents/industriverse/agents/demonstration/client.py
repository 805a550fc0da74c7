"""Drive the platform through its main job, as any MCP assistant would: over stdio, by tools alone."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.types import ElicitRequestParams, ElicitResult

from industriverse.agents.demonstration.outcome import Outcome
from industriverse.agents.demonstration.scenario import ATTENDED, HOURS_PER_DAY, UNATTENDED, Scenario
from industriverse.agents.errors import ToolError

__all__ = ["Demonstration", "Say"]

Say = Callable[[str, str], None]
"""Called with a short label and what happened."""

Decide = Callable[[str], bool]
"""Called with the question of the platform; returns whether the operator approves."""

VERIFY_SECONDS = 60


class Demonstration:
    """One run of a scenario in one home folder; a run that was cut off goes on where it stopped.

    Args:
        scenario: What happens.
        home: State folder of the server that is started.
        say: Receives what happens.
        progress: Receives messages of long calls.
        decide: Answers the platform's question to a person.
    """

    def __init__(
        self, scenario: Scenario, home: Path, *, say: Say, progress: Callable[[str], None], decide: Decide
    ) -> None:
        self.scenario = scenario
        self.home = home
        self.outcome = Outcome()
        self._say = say
        self._progress = progress
        self._decide = decide

    async def run(self) -> Outcome:
        """Run to the end.

        Raises:
            ToolError: If a tool answers with an error that the story does not expect.
        """
        async with self._connected() as call:
            await self._learn(call)
            await self._watch(call)
            await self._finish(call)
            if self.scenario.attacked and self.scenario.respond:
                await self._run_unattended(call)
        if self.outcome.certificate_file:
            self._verify_offline()
        return self.outcome

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator["Call"]:
        command = ["-m", "industriverse.cli", "mcp", "--home", str(self.home), "--toolsets", "all"]
        server = StdioServerParameters(command=sys.executable, args=command, env=dict(os.environ))

        async def elicited(context: Any, params: ElicitRequestParams) -> ElicitResult:  # noqa: ARG001
            self._say("question", params.message)
            approved = self._decide(params.message)
            self._say("answer", "approved" if approved else "declined")
            reason = "operator of the demonstration"
            return ElicitResult(action="accept", content={"approve": approved, "reason": reason})

        async def progressed(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001
            self._progress(message or "")

        async with Client(server, elicitation_callback=elicited) as client:

            async def call(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
                result = await client.call_tool(tool, arguments, progress_callback=progressed)
                if result.is_error:
                    text = " ".join(getattr(block, "text", "") for block in result.content)
                    raise ToolError(text.removeprefix(f"Error executing tool {tool}: "))
                return dict(result.structured_content or {})

            tools = await client.list_tools()
            self._say("connect", f"MCP {client.protocol_version} over stdio, {len(tools.tools)} tools")
            yield call

    async def _advance(self, call: "Call", until_hours: float, **options: Any) -> dict[str, Any]:
        arguments = {"plant_id": ATTENDED, "until_hours": until_hours, "create": self.scenario.plant()}
        return await call("sim_run", {**arguments, **options})

    async def _learn(self, call: "Call") -> None:
        scenario = self.scenario
        clean_hours = scenario.clean_days * HOURS_PER_DAY
        status = await call("platform_status", {})
        self.outcome.resumed = bool(status["streams"])
        if self.outcome.resumed:
            self._say("resume", "continuing a run that was cut off")
        await self._advance(call, clean_hours)
        self._say(
            "plant", f"{scenario.clean_days:.0f} clean days of the simulated water network (EPANET Net3)"
        )
        rows = round(clean_hours * 3600 / scenario.interval_s)
        learned = await call(
            "signal_compile",
            {"stream": ATTENDED, "clean_rows": rows, "budget_per_day": scenario.budget_per_day},
        )
        self.outcome.promise = learned["note"]
        self._say("learn", f"{learned['channels']} channels, {learned['clean_rows']} rows; {learned['note']}")

    async def _watch(self, call: "Call") -> None:
        """Run until the last day; answer every incident once, as it comes."""
        last_hour = self.scenario.last_day * HOURS_PER_DAY
        while True:
            for incident in await self._unanswered(call):
                await self._respond(call, incident)
            ran = await self._advance(call, last_hour, stop_on_ticket=self.scenario.respond)
            if ran["hours"] >= last_hour and not ran["tickets"]:
                return

    async def _unanswered(self, call: "Call") -> list[dict[str, Any]]:
        """Incidents, oldest first, with tickets that no response has answered; none if nobody is to respond."""
        if not self.scenario.respond:
            return []
        runs = (await call("agent_state", {}))["runs"]
        ended = {run["thread_id"] for run in runs if run["status"] == "done"}
        threats = await call("shield_threats", {"stream": ATTENDED})
        return [incident for incident in reversed(threats["incidents"]) if _thread(incident) not in ended]

    async def _respond(self, call: "Call", incident: dict[str, Any]) -> None:
        self._say("ticket", f"{incident['id']}: {incident['entity']} since {incident['opened']}")
        explained = await call("shield_explain", {"incident_id": incident["id"]})
        self._say("explain", explained["text"])
        run = await call("agent_run", {"incident_id": incident["id"], "thread_id": _thread(incident)})
        self._say(
            "response",
            f"{run['outcome']}: {', '.join(run['state'].get('actions', [])) or 'nothing was done'}",
        )
        self.outcome.responses.append(
            {"opened": incident["opened"], "explanation": explained["text"], **run["state"]}
        )

    async def _finish(self, call: "Call") -> None:
        clean_hours = self.scenario.clean_days * HOURS_PER_DAY
        ran = await self._advance(call, self.scenario.last_day * HOURS_PER_DAY, curve_from_hours=clean_hours)
        outcome = self.outcome
        outcome.curve = [(point["hours"], point["free_energy_kt"], point["alarm"]) for point in ran["curve"]]
        outcome.attack_hour = ran["attack_began_hours"]
        outcome.last_hour = ran["plant_hours"]
        outcome.lost_m3, outcome.requested_m3 = ran["service"]["lost_m3"], ran["service"]["requested_m3"]
        outcome.ticket_hours = await self._ticket_hours(call)
        first = outcome.ticket_hours[0] if outcome.ticket_hours else None
        outcome.ticket_before_attack = first is not None and (
            outcome.attack_hour is None or first < outcome.attack_hour
        )
        states = await call("atlas_search", {"kind": "EnergyState", "stream": ATTENDED, "limit": 100})
        outcome.atlas_states = [f"{item['fields']['regime']}: {item['id']}" for item in states["items"]][::-1]
        proved = [response for response in outcome.responses if response.get("certificate_id")]
        if proved:
            await self._proof(call, proved[-1])

    async def _ticket_hours(self, call: "Call") -> list[float]:
        threats = await call("shield_threats", {"stream": ATTENDED})
        start = datetime.fromisoformat(self.scenario.start)
        times = [time for incident in threats["incidents"] for time in incident["ticket_times"]]
        return sorted((datetime.fromisoformat(time) - start).total_seconds() / 3600 for time in times)

    async def _proof(self, call: "Call", response: dict[str, Any]) -> None:
        certificate_id = response["certificate_id"]
        read = await call("economy_read", {"asset": "PFT", "certificate_id": certificate_id})
        self.outcome.balance_pft = read["balance"]
        try:
            await call("economy_mint", {"certificate_id": certificate_id})
        except ToolError as refused:
            self.outcome.second_mint_refusal = refused.message
        self.outcome.certificate_file = str(response["certificate_file"])
        self.outcome.evidence_file = str(response["evidence_file"])
        self.outcome.public_key_file = str(response["public_key_file"])

    async def _run_unattended(self, call: "Call") -> None:
        """The same plant, seed and attack, with nobody to help."""
        ran = await call(
            "sim_run",
            {
                "plant_id": UNATTENDED,
                "until_hours": self.outcome.last_hour,
                "create": self.scenario.plant(),
            },
        )
        self.outcome.unattended_lost_m3 = ran["service"]["lost_m3"]

    def _verify_offline(self) -> None:
        """Verify as a stranger would, then once more after changing one byte."""
        self.outcome.verified = self._verification(Path(self.outcome.certificate_file))
        genuine = Path(self.outcome.certificate_file).read_bytes()
        position = genuine.index(b'"payload"') + len('"payload": "') + 40
        changed = bytes([genuine[position] ^ 1])
        forged = self.home / "tampered-certificate.json"
        forged.write_bytes(genuine[:position] + changed + genuine[position + 1 :])
        self.outcome.tampered_refusal = self._verification(forged)

    def _verification(self, certificate: Path) -> str:
        command = [sys.executable, "-m", "industriverse.cli", "proof", "verify", str(certificate)]
        command += ["--key", self.outcome.public_key_file]
        if certificate == Path(self.outcome.certificate_file):
            command += ["--evidence", self.outcome.evidence_file]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=VERIFY_SECONDS)  # noqa: S603
        return (done.stdout or done.stderr).strip()


def _thread(incident: dict[str, Any]) -> str:
    """Name of the run that answers an incident as it stands: further tickets deserve another look."""
    return f"{incident['id']}-{len(incident['tickets'])}"


Call = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Calls a tool and returns its structured result; raises ToolError on an error result."""
