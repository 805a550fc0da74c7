"""What a call costs through each face of the server, beside bare FastAPI and a bare MCP server in the same run.

    python benchmarks/api.py [--seconds 2] [--clients 16] [--only economy_read,eil_decide]
        [--json out.json] [--markdown out.md]

Every case runs against a server in processes of its own: one, and two behind two ports, each with a home of its own,
because one process owns the stores of a home. Requests go over keep-alive connections on the loopback interface.
CPU per request is what the server's processes used, from /proc, so that it says the same on a busy machine; requests
per second depend on what else runs. Decisions are asked for by 50 clients, forecasts by two a worker.

What the bare servers do: ``no-op`` is an async function that returns, ready made, what the real server answered to the
same call, on the MCP server with the same declared output model; ``same read`` looks the account, its entries and the
supply up in a copy of the same SQLite ledger for every call and makes the model of the answer; both with the SDK's own
settings, and ``JSON`` with its switch for answers without an event stream. The product chooses between the two for
each request, so both are shown. What lives as long as the server is frozen out of the garbage collection of every
server here, the product's and the bare ones alike. The overhead rows take product and bare servers by turns, three
rounds each, and compare medians. The table of stages times each part of a call alone, in process.
"""

import argparse
import asyncio
import json
import os
import platform as machine
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import httpx

from industriverse.cli.room import threads_of

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

TICKS = os.sysconf("SC_CLK_TCK")
START = 1_772_323_200
"""2026-03-01T00:00:00Z, where the simulated plant begins."""

FIRST_NEW_ROW = 2880
"""Streams to send samples to hold so many rows of 900 s."""

SERVER = """
import gc, json, sys
from pathlib import Path
kind, home, port, answer = sys.argv[1:5]
sys.path.insert(0, sys.argv[5])
import uvicorn

def run(app):
    gc.collect()
    gc.freeze()
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="error", access_log=False, timeout_keep_alive=120)

if kind == "product":
    from industriverse.mcp_server.app import create_web_application
    from prepared_plant import opened
    with opened(Path(home)) as platform:
        run(create_web_application(platform, toolsets=frozenset({"all"})))
elif kind == "fastapi":
    from fastapi import FastAPI
    from pydantic import BaseModel
    documents = json.loads(Path(answer).read_text())
    app = FastAPI()
    class Body(BaseModel):
        model_config = {"extra": "allow"}
    def add(name, document):
        @app.post(f"/{name}")
        async def bare(body: Body) -> dict:
            return document
    for name, document in documents.items():
        add(name, document)
    @app.get("/readyz")
    async def readyz() -> dict:
        return {}
    run(app)
else:
    import sqlite3
    from typing import Annotated, Any
    from mcp.server import MCPServer
    from mcp.types import CallToolResult, TextContent
    from starlette.responses import JSONResponse
    from industriverse.operations.registry import registry
    from industriverse.operations.toolsets import load
    from industriverse.operations.toolsets.economy import EntryItem, ReadOutput
    load()
    documents = json.loads(Path(answer).read_text())
    server = MCPServer("bare", log_level="ERROR")
    def add(name, document):
        model = registry[name].output_model
        text = str(model.model_validate(document))
        async def bare(arguments: dict[str, Any]) -> CallToolResult:
            return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=document)
        bare.__annotations__["return"] = Annotated[CallToolResult, model]
        server.add_tool(bare, name=name, description="Answer.")
    for name, document in documents.items():
        add(name, document)
    ledger = sqlite3.connect(f"file:{home}/ledger.sqlite?mode=ro", uri=True, check_same_thread=False)
    @server.tool()
    async def same_read(
        account: str = "treasury", asset: str = "PFT", limit: int = 20
    ) -> Annotated[CallToolResult, ReadOutput]:
        "Read an account."
        def one(query, *values):
            row = ledger.execute(query, values).fetchone()
            return "0.000000" if row is None or row[0] is None else f"{row[0] / 1e6:.6f}"
        rows = ledger.execute(
            "SELECT sequence, asset, amount, balance FROM entries WHERE account = ? AND asset = ? "
            "ORDER BY sequence LIMIT ?", (account, asset, limit)).fetchall()
        result = ReadOutput(
            account=account, asset=asset, next_cursor="", minted_for_certificate=None,
            balance=one("SELECT amount FROM balances WHERE account = ? AND asset = ?", account, asset),
            supply=one("SELECT sum(amount) FROM balances WHERE asset = ? AND NOT issuer", asset),
            entries=[
                EntryItem(sequence=s, asset=a, amount=f"{m / 1e6:.6f}", balance=f"{b / 1e6:.6f}") for s, a, m, b in rows
            ],
        )
        return CallToolResult(
            content=[TextContent(type="text", text=str(result))], structured_content=result.model_dump(mode="json"))
    @server.custom_route("/readyz", methods=["GET"])
    async def readyz(request):
        return JSONResponse({})
    run(server.streamable_http_app(streamable_http_path="/mcp", json_response=kind == "mcp-json"))
"""

STAGES = """
import asyncio, json, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from prepared_plant import opened
from industriverse.mcp_server.answering import answered
from industriverse.mcp_server.guard import ResponseGuard
from industriverse.operations.context import LOCAL_OPERATOR, OperationContext
from industriverse.operations.policy import _Call, _validated, invoke
from industriverse.operations.registry import registry
from industriverse.operations.tracing import outgoing_headers, request_context

async def microseconds(work, calls=2000):
    best = 1e9
    for _ in range(3):
        began = time.process_time()
        for _ in range(calls):
            await work()
        best = min(best, (time.process_time() - began) / calls)
    return 1e6 * best

async def main(platform):
    declared, guard = registry["economy_read"], ResponseGuard()
    request = declared.input_model()
    context = OperationContext(platform=platform, principal=LOCAL_OPERATOR)
    async def whole():
        with request_context({}):
            return await invoke(platform, "economy_read", {}, principal=LOCAL_OPERATOR)
    result = await whole()
    async def tracing():
        with request_context({}) as energy:
            outgoing_headers(); energy.header()
    async def validation():
        _validated(declared, {})
    async def metering():
        platform.meter.settle(platform.meter.reserve(declared, request, LOCAL_OPERATOR))
    async def audit():
        call = _Call(platform, declared, LOCAL_OPERATOR, request, document="{}")
        platform.audit.post(call.entry("done"))
    async def read():
        await declared.function(request, context)
    async def answer():
        answered("economy_read", result, guard, LOCAL_OPERATOR)
    found = {
        "trace and energy context": await microseconds(tracing), "validation": await microseconds(validation),
        "metering": await microseconds(metering), "audit": await microseconds(audit),
        "the read": await microseconds(read),
    }
    everything = await microseconds(whole)
    found["policy, metrics and the rest of the call"] = max(0.0, everything - sum(found.values()))
    found["making the answer"] = await microseconds(answer)
    print(json.dumps(found))

with opened(Path(sys.argv[1])) as platform:
    asyncio.run(main(platform))
"""


@dataclass(frozen=True)
class Row:
    """One case."""

    call: str
    face: str
    workers: int
    requests: int
    per_second: float
    cpu_ms: float
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class Face:
    """How a call is sent."""

    name: str
    server: str
    path: str
    tool: str = ""

    def headers(self, tool: str) -> dict[str, str]:
        """Headers of a call."""
        if not self.path.startswith("/mcp"):
            return {}
        accept = {"accept": "application/json, text/event-stream"}
        if "2026" in self.name:
            return {
                **accept,
                "mcp-protocol-version": "2026-07-28",
                "mcp-method": "tools/call",
                "mcp-name": tool,
            }
        return {**accept, "mcp-protocol-version": "2025-11-25"}

    def body(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Body of a call."""
        if not self.path.startswith("/mcp"):
            return arguments
        params: dict[str, Any] = {"name": tool, "arguments": arguments}
        if "2026" in self.name:
            params["_meta"] = {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            }
        return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(kind: str, homes: list[Path], answer: Path) -> Iterator[tuple[list[str], list[int]]]:
    """Servers in processes of their own; yields their URLs and process ids."""
    started = []
    try:
        urls = []
        for home in homes:
            port = free_port()
            words = [
                sys.executable,
                "-c",
                SERVER,
                kind,
                str(home),
                str(port),
                str(answer),
                str(ROOT / "tests"),
            ]
            # As the command starts a server.
            environment = dict(os.environ) | threads_of(os.environ)
            started.append(subprocess.Popen(words, env=environment))
            urls.append(f"http://127.0.0.1:{port}")
        for url in urls:
            wait_until_ready(url)
        yield urls, [process.pid for process in started]
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(timeout=60)


def wait_until_ready(url: str) -> None:
    for _ in range(600):
        try:
            if httpx.get(f"{url}/readyz", timeout=10).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"{url} did not become ready")


def cpu_seconds(pids: list[int]) -> float:
    """Time that some processes ran, in steps of the kernel's clock, so that a case needs some hundred requests."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


class Arguments:
    """Arguments of a call; samples to ingest are new in every request, of one stream for each client."""

    def __init__(
        self, tool: str, arguments: dict[str, Any], mix: tuple[tuple[str, dict[str, Any]], ...] = ()
    ) -> None:
        self.tool = tool
        self.mix = mix
        self._fixed = arguments
        self._sent: dict[int, int] = {}

    def of(self, client: int) -> dict[str, Any]:
        """What a client sends next."""
        if self.tool != "telemetry_ingest":
            return self._fixed
        number = self._sent[client] = self._sent.get(client, 0) + 1
        template = self._fixed
        times = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START + 900 * (FIRST_NEW_ROW + number)))]
        return {**template, "stream": f"{template['stream']}-{client}", "times": times}


class Line:
    """A keep-alive connection that does no more than the protocol asks, so that the client is not what is measured."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host

    async def post(
        self, path: str, document: Any, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        """Send one request and read its whole answer."""
        body = json.dumps(document).encode()
        lines = [f"POST {path} HTTP/1.1", f"host: {self._host}", "content-type: application/json"]
        lines += [f"content-length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items())]
        self._writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        told = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        if told.get("transfer-encoding") == "chunked":
            return int(head[0].split()[1]), told, await self._chunks()
        return (
            int(head[0].split()[1]),
            told,
            await self._reader.readexactly(int(told.get("content-length", "0"))),
        )

    async def _chunks(self) -> bytes:
        parts: list[bytes] = []
        while True:
            size = int(await self._reader.readuntil(b"\r\n"), 16)
            part = await self._reader.readexactly(size + 2)
            if not size:
                return b"".join(parts)
            parts.append(part[:-2])

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


@dataclass
class Client:
    """One connection, with the session that its face needs."""

    number: int
    line: Line
    headers: dict[str, str]
    turn: int = 0

    @classmethod
    async def of(cls, number: int, url: str, face: Face, tool: str) -> "Client":
        """Connect, and begin a session where the protocol has one."""
        host = url.removeprefix("http://")
        name, _, port = host.partition(":")
        line, headers = Line(*await asyncio.open_connection(name, int(port)), host), face.headers(tool)
        if "2025" in face.name:
            headers |= await handshake(line, headers)
        return cls(number, line, headers, number)

    async def send(self, face: Face, arguments: Arguments, stop: float, seconds: list[float]) -> None:
        """Send one request after the other until a time, at least one of each kind: a first one may be slow."""
        bare, tool = face.server != "product", face.tool or arguments.tool
        left = max(1, len(arguments.mix))
        while True:
            left -= 1
            given = arguments.of(self.number)
            if bare and face.path == "/mcp":
                given = {} if face.tool else {"arguments": given}
            if arguments.mix:
                self.turn += 1
                tool, given = arguments.mix[self.turn % len(arguments.mix)]
                self.headers |= {k: v for k, v in face.headers(tool).items() if k == "mcp-name"}
            path = path_of(tool) if arguments.mix and face.path != "/mcp" else face.path
            began = time.perf_counter()
            status, _, body = await self.line.post(path, face.body(tool, given), self.headers)
            seconds.append(time.perf_counter() - began)
            if status != 200 or b'"isError":true' in body:
                raise RuntimeError(f"{face.name} {tool}: {status} {body[:500]!r}")
            if left <= 0 and time.perf_counter() > stop:
                return


async def handshake(line: Line, headers: dict[str, str]) -> dict[str, str]:
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "b", "version": "1"},
    }
    begin = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    _, told, _ = await line.post("/mcp", begin, headers)
    session = {"mcp-session-id": told["mcp-session-id"]}
    await line.post("/mcp", {"jsonrpc": "2.0", "method": "notifications/initialized"}, {**headers, **session})
    return session


def measure(
    urls: list[str],
    pids: list[int],
    face: Face,
    arguments: Arguments,
    clients: int,
    seconds: float,
    label: str,
) -> Row:
    """Send as many requests as get answered in the time, after a short warm-up; beginning sessions does not count."""

    async def load() -> tuple[list[float], float, float]:
        tool = face.tool or arguments.tool
        senders = await asyncio.gather(
            *(Client.of(n, urls[n % len(urls)], face, tool) for n in range(clients))
        )

        async def all_send(duration: float) -> list[float]:
            took: list[float] = []
            stop = time.perf_counter() + duration
            await asyncio.gather(*(sender.send(face, arguments, stop, took) for sender in senders))
            return took

        await all_send(min(0.5, seconds))
        before, began = cpu_seconds(pids), time.perf_counter()
        took = await all_send(seconds)
        wall, cpu = time.perf_counter() - began, cpu_seconds(pids) - before
        for sender in senders:
            sender.line.close()
        return took, wall, cpu

    took, wall, cpu = asyncio.run(load())
    return Row(
        call=label,
        face=face.name,
        workers=len(urls),
        requests=len(took),
        per_second=len(took) / wall,
        cpu_ms=1e3 * cpu / len(took),
        p50_ms=1e3 * statistics.median(took),
        p95_ms=1e3 * sorted(took)[int(0.95 * len(took))],
    )


def homes_with_a_plant(folder: Path, count: int, clients: int) -> list[Path]:
    """Homes that hold a learned and alarmed plant, and learned streams to send samples to."""
    from prepared_plant import PLANT, call, copied, on, prepared

    home = copied(prepared().alarmed, folder / "home-0")

    async def learn(platform: Any) -> None:
        services = platform.services

        def copy_streams() -> None:
            frame = services.streams.store.frame(PLANT).rows(0, FIRST_NEW_ROW)
            for number in range(clients):
                services.streams.ingest(f"ingest-{number}", frame)

        await platform.run(copy_streams)
        for number in range(clients):
            await call(platform, "signal_compile", stream=f"ingest-{number}", budget_per_day=0.05)

    on(home, learn)
    return [home, *(copied(home, folder / f"home-{number}") for number in range(1, count))]


def calls_of(home: Path) -> dict[str, Arguments]:
    """The calls that are measured, with arguments that this home can answer."""
    from prepared_plant import PLANT, opened

    with opened(home) as platform:
        frame = platform.services.streams.store.frame(PLANT).rows(FIRST_NEW_ROW, FIRST_NEW_ROW + 1)
    channels = [
        {"name": c.name, "unit": c.unit, "kind": c.kind.value, "entity": c.entity, "quantity": c.quantity}
        for c in frame.channels
    ]
    sample = [None if value != value else float(value) for value in frame.values[0]]
    ingest = {"stream": "ingest", "channels": channels, "times": [""], "values": [sample]}
    options = [
        {"name": "switch the sensor", "relief": 0.9, "relief_sd": 0.1},
        {
            "name": "isolate the controller",
            "relief": 0.99,
            "relief_sd": 0.01,
            "cost": 5.0,
            "reversible": False,
        },
    ]
    return {
        "cheap read (economy_read)": Arguments("economy_read", {}),
        "mixed cheap reads (eil_regime, economy_read, shield_threats)": Arguments(
            "mix",
            {},
            (
                ("eil_regime", {"stream": PLANT}),
                ("economy_read", {}),
                ("shield_threats", {"open_only": True}),
            ),
        ),
        "detection update (telemetry_ingest)": Arguments("telemetry_ingest", ingest),
        "forecast (nvp_forecast)": Arguments("nvp_forecast", {"stream": PLANT, "horizon_hours": 6.0}),
        "decision (eil_decide)": Arguments("eil_decide", {"stream": PLANT, "options": options}),
    }


def path_of(tool: str) -> str:
    toolset, _, verb = tool.partition("_")
    return f"/v1/{toolset}/{verb}"


def faces_of(tool: str) -> list[Face]:
    return [
        Face("REST", "product", path_of(tool)),
        Face("MCP 2026-07-28", "product", "/mcp"),
        Face("MCP 2025-11-25", "product", "/mcp"),
    ]


DECIDERS = 50
"""Clients that ask for a decision at once."""

FORECASTERS = 2
"""Clients a worker that ask for a forecast at once: one takes a third of a second of a processor."""


def at_once(tool: str, clients: int, workers: int) -> int:
    """How many clients a case has."""
    if tool == "eil_decide":
        return DECIDERS
    return min(clients, FORECASTERS * workers) if tool == "nvp_forecast" else clients


BARE = [
    Face("bare FastAPI, no-op", "fastapi", ""),
    Face("bare MCPServer 2026-07-28, no-op", "mcp", "/mcp"),
    Face("bare MCPServer 2025-11-25, no-op", "mcp", "/mcp"),
]


def bare_faces_of(arguments: Arguments) -> list[Face]:
    """Bare servers that answer a call; they know no mixed ones."""
    paths = {"fastapi": f"/{arguments.tool}", "mcp": "/mcp"}
    return [] if arguments.mix else [replace(face, path=paths[face.server]) for face in BARE]


READ = "economy_read"
COMPARED = [
    Face("REST", "product", "/v1/economy/read"),
    Face("bare FastAPI, no-op", "fastapi", f"/{READ}"),
    Face("MCP 2026-07-28", "product", "/mcp"),
    Face("bare MCPServer 2026-07-28, no-op", "mcp", "/mcp"),
    Face("bare MCPServer 2026-07-28, same read", "mcp", "/mcp", "same_read"),
    Face("bare MCPServer JSON 2026-07-28, no-op", "mcp-json", "/mcp"),
    Face("bare MCPServer JSON 2026-07-28, same read", "mcp-json", "/mcp", "same_read"),
    Face("MCP 2025-11-25", "product", "/mcp"),
    Face("bare MCPServer 2025-11-25, no-op", "mcp", "/mcp"),
    Face("bare MCPServer 2025-11-25, same read", "mcp", "/mcp", "same_read"),
    Face("bare MCPServer JSON 2025-11-25, no-op", "mcp-json", "/mcp"),
    Face("bare MCPServer JSON 2025-11-25, same read", "mcp-json", "/mcp", "same_read"),
]
ROUNDS = 3


def answers(folder: Path, homes: list[Path], calls: dict[str, Arguments]) -> Path:
    """What the product answers to each call, for the bare servers to repeat."""
    found = {}
    with running("product", homes[:1], folder) as (urls, _):
        for arguments in calls.values():
            if arguments.mix:
                continue
            answer = httpx.post(f"{urls[0]}{path_of(arguments.tool)}", json=arguments.of(0), timeout=120)
            answer.raise_for_status()
            found[arguments.tool] = answer.json()
    path = folder / "answers.json"
    path.write_text(json.dumps(found))
    return path


def overheads(homes: list[Path], kept: Path, clients: int, seconds: float) -> list[Row]:
    """The cheap read on the product and on the bare servers by turns; medians of the rounds."""
    read = Arguments(READ, {})
    taken: dict[str, list[Row]] = {face.name: [] for face in COMPARED}
    with ExitStack() as stack:
        servers = {
            kind: stack.enter_context(
                running(kind, homes[number : number + 1] if kind == "product" else homes[1:2], kept)
            )
            for number, kind in enumerate(("product", "fastapi", "mcp", "mcp-json"))
        }
        for _ in range(ROUNDS):
            for face in COMPARED:
                urls, pids = servers[face.server]
                taken[face.name].append(
                    measure(urls, pids, face, read, clients, seconds, "overhead: " + READ)
                )
    return [sorted(rows, key=lambda row: row.cpu_ms)[ROUNDS // 2] for rows in taken.values()]


def compared(rows: list[Row]) -> str:
    """The overhead of the product over each bare server of its protocol."""
    cpu = {row.face: row.cpu_ms for row in rows if row.call.startswith("overhead")}
    lines = ["| product | beside | overhead in CPU |", "|---|---|---|"]
    for name, own in cpu.items():
        if name.startswith("bare"):
            continue
        of = name.removeprefix("MCP ") if name.startswith("MCP") else "FastAPI"
        lines += [
            f"| {name} | {other} | {100 * (own / value - 1):+.0f} % |"
            for other, value in cpu.items()
            if other.startswith("bare") and of in other
        ]
    return "\n".join(lines)


def reached(rows: list[Row]) -> str:
    """What was asked of the server, and what this run says to it."""
    cpu = {row.face: row.cpu_ms for row in rows if row.call.startswith("overhead")}
    lines = ["| aim | measured | reached |", "|---|---|---|"]
    for row in rows:
        if row.face == "REST" and row.workers == 1 and row.call.startswith(("cheap", "mixed")):
            good = row.per_second >= 1000
            lines.append(
                f"| {row.call}: 1,000 requests/s a worker over REST | {row.per_second:,.0f} | {good} |"
            )
        if row.face.startswith("MCP") and row.workers == 1 and "eil_decide" in row.call:
            told = f"p95 {row.p95_ms:.0f} ms"
            lines.append(
                f"| decision, {DECIDERS} clients, {row.face}: p95 < 250 ms | {told} | {row.p95_ms < 250} |"
            )
    for era in ("2026-07-28", "2025-11-25"):
        for kind, of in product((era, f"JSON {era}"), ("no-op", "same read")):
            bare = cpu.get(f"bare MCPServer {kind}, {of}")
            if bare is not None:
                over = cpu[f"MCP {era}"] / bare - 1
                lines.append(
                    f"| {era}: at most 25 % over the bare SDK ({'JSON' if 'JSON' in kind else 'default'}, {of}) "
                    f"| {100 * over:+.0f} % | {over <= 0.25} |"
                )
    return "\n".join(lines)


def conditions() -> str:
    """Where and on what this ran."""
    model = next(
        (
            line.split(": ", 1)[1]
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        machine.processor() or machine.machine(),
    )
    names = ("mcp", "fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, {os.cpu_count()} processors ({model}), "
        f"load {load} before the run, Python {machine.python_version()}, SQLite {sqlite3.sqlite_version}; {versions}"
    )


def stages(home: Path) -> str:
    """CPU of each part of a call, and its share of their sum."""
    words = [sys.executable, "-c", STAGES, str(home), str(ROOT / "tests")]
    found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    total = sum(found.values())
    lines = ["| stage of a call | CPU us | share |", "|---|---|---|"]
    lines += [f"| {name} | {value:.1f} | {100 * value / total:.0f} % |" for name, value in found.items()]
    return "\n".join(lines)


def benchmark(seconds: float, clients: int, folder: Path, only: frozenset[str]) -> tuple[list[Row], str]:
    """Every case, and the table of stages."""
    homes = homes_with_a_plant(folder, 2, clients)
    calls = {
        label: arguments
        for label, arguments in calls_of(homes[0]).items()
        if not only or arguments.tool in only
    }
    kept = answers(folder, homes, calls)
    rows: list[Row] = []

    def add(row: Row) -> None:
        rows.append(row)
        print(show(row), file=sys.stderr, flush=True)

    for workers in (1, 2):
        with ExitStack() as stack:
            servers = {
                kind: stack.enter_context(running(kind, homes[:workers], kept))
                for kind in ("product", "fastapi", "mcp")
            }
            for label, arguments in calls.items():
                for face in [*faces_of(arguments.tool), *bare_faces_of(arguments)]:
                    bare = face.server != "product"
                    many = at_once(arguments.tool, clients, workers)
                    urls, pids = servers[face.server]
                    add(measure(urls, pids, face, arguments, many, seconds / 2 if bare else seconds, label))
    if not only or READ in only:
        for row in overheads(homes, kept, clients, seconds / 2):
            add(row)
    return rows, stages(homes[0])


def show(row: Row) -> str:
    return (
        f"| {row.call} | {row.face} | {row.workers} | {row.per_second:,.0f} | {row.cpu_ms:.2f} "
        f"| {row.p50_ms:.1f} | {row.p95_ms:.1f} |"
    )


def table(rows: list[Row]) -> str:
    head = "| call | face | workers | requests/s | CPU ms a request | p50 ms | p95 ms |\n|---|---|---|---|---|---|---|"
    return "\n".join([head, *(show(row) for row in rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--only", default="", help="tools, comma-separated")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    began, told = time.perf_counter(), conditions()
    folder = Path(tempfile.mkdtemp(prefix="industriverse-api-"))
    try:
        rows, parts = benchmark(
            options.seconds, options.clients, folder, frozenset(filter(None, options.only.split(",")))
        )
    finally:
        shutil.rmtree(folder)
    took = f"{time.perf_counter() - began:.0f} s for all"
    whole = f"{told}; {took}\n\n{reached(rows)}\n\n{table(rows)}\n\n{compared(rows)}\n\n{parts}"
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    if options.markdown:
        options.markdown.write_text(whole + "\n")
    print(whole)


if __name__ == "__main__":
    main()
