"""A malformed record from any collector is counted, kept, and never stops the stream."""

import itertools
import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from industriverse.shield.errors import CollectorError, RecordError
from industriverse.shield.telemetry.bus import BusTopic
from industriverse.shield.telemetry.collecting import Assembler, collect
from industriverse.shield.telemetry.framing import FramingError, SyslogFramer
from industriverse.shield.telemetry.host import HostSource, PhantomHeat, phantom_heat
from industriverse.shield.telemetry.intake import LATE, MALFORMED, QUEUE_FULL, Intake, UnskewedIntake
from industriverse.shield.telemetry.parsing import parse_otlp, parse_prometheus, parse_syslog
from industriverse.shield.telemetry.receivers import HttpReceiver, SyslogReceiver
from industriverse.shield.telemetry.records import DeadLetters
from industriverse.shield.telemetry.sources import (
    BusSource,
    EventLogSource,
    PrometheusSource,
    Source,
    TableTailSource,
    ZeekLines,
    suricata_line,
    syslog_line,
)
from industriverse.signals import Frame

START = 1_700_000_000


def clock() -> int:
    return START * 10**9


class Sink:
    """Keeps the rows that reach the stream."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def __call__(self, frame: Frame) -> None:
        self.frames.append(frame)

    @property
    def rows(self) -> int:
        return sum(len(frame) for frame in self.frames)


@pytest.fixture
def door(tmp_path: Path) -> Intake:
    return UnskewedIntake(DeadLetters(tmp_path / "dead.jsonl", clock), clock)


def letters(tmp_path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (tmp_path / "dead.jsonl").read_text().splitlines()]


def run(source: Source, door: Intake, sink: Sink) -> None:
    collect(source, door, Assembler(), sink, stop=lambda: False, follow=False, sleep=lambda _: None)


ZEEK = (
    "#separator \\x09\n#fields\tts\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\torig_bytes\n"
)
SOURCES: dict[str, tuple[str, Callable[[int], str], Callable[[Path], Source]]] = {
    "csv": ("time,a,b\n", lambda k: f"{START + k},{k},{2 * k}\n", TableTailSource),
    "jsonl": ("", lambda k: json.dumps({"time": START + k, "a": k}) + "\n", TableTailSource),
    "zeek": (
        ZEEK,
        lambda k: f"{START + k}\t10.0.0.{k % 5}\t1000\t10.0.1.1\t502\ttcp\tmodbus\t{k}\n",
        lambda path: EventLogSource(path, ZeekLines("conn"), kind="zeek"),
    ),
    "suricata": (
        "",
        lambda k: json.dumps(
            {"timestamp": f"2023-11-14T22:13:{20 + k % 30:02d}+0000", "event_type": "flow", "src_ip": "10.0.0.1",
             "dest_ip": "10.0.0.2", "proto": "TCP", "flow": {"bytes_toserver": k, "pkts_toserver": 1}}
        ) + "\n",
        lambda path: EventLogSource(path, suricata_line, kind="suricata"),
    ),
    "syslog": (
        "",
        lambda k: f"<34>1 2023-11-14T22:13:{20 + k % 30:02d}Z plc-1 sshd - - - Failed password {k}\n",
        lambda path: EventLogSource(path, syslog_line(clock), kind="syslog"),
    ),
}  # fmt: skip
SUFFIX = {"csv": ".csv", "jsonl": ".jsonl"}


@pytest.mark.parametrize("kind", list(SOURCES))
def test_malformed_lines_are_kept_and_the_rest_is_scored(kind: str, tmp_path: Path, door: Intake) -> None:
    header, line, make = SOURCES[kind]
    path = tmp_path / f"telemetry{SUFFIX.get(kind, '.log')}"
    bad = [b"\xff\xfe\x00 broken\n", b'{"half": \n', b"1,2\n", b"[1, 2, 3]\n"]
    with path.open("wb") as file:
        file.write(header.encode())
        for k in range(40):
            file.write(line(k).encode())
            if k % 10 == 5:
                file.write(bad[k // 10])
    sink = Sink()
    run(make(path), door, sink)
    counts = door.counts()
    assert counts.balanced
    assert counts.waiting == 0
    assert counts.dropped[MALFORMED] == 4 == len(letters(tmp_path))
    assert counts.scored == 40
    assert sink.rows > 0
    assert all("hint" not in letter and letter["reason"] for letter in letters(tmp_path))


def test_a_tail_follows_growth_waits_for_whole_lines_and_survives_rotation(
    tmp_path: Path, door: Intake
) -> None:
    path = tmp_path / "live.jsonl"
    path.write_text('{"time": 1700000001, "a": 1}\n{"time": 17000')
    source = TableTailSource(path)
    source.poll(door)
    assert door.counts().received == 1
    with path.open("a") as file:
        file.write('00002, "a": 2}\n')
    source.poll(door)
    assert door.counts().received == 2
    path.rename(tmp_path / "live.jsonl.1")
    path.write_text('{"time": 1700000003, "a": 3}\n')
    source.poll(door)
    source.finish(door)
    assert [record.values["a"] for record in door.take(most=9, wait_s=0.1)] == [1.0, 2.0, 3.0]
    assert door.counts().reconnects == 1


def test_a_source_that_is_away_is_tried_again_with_growing_pauses(tmp_path: Path, door: Intake) -> None:
    path, pauses, sink = tmp_path / "later.jsonl", list[float](), Sink()

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 4:
            path.write_text('{"time": 1700000001, "a": 1}\n')

    collect(
        TableTailSource(path),
        door,
        Assembler(),
        sink,
        stop=lambda: sink.rows == 1 or len(pauses) > 9,
        sleep=sleep,
    )
    assert sink.rows == 1
    assert pauses[:4] == [0.5, 1.0, 2.0, 4.0]


def test_late_records_and_foreign_channels_are_dropped_with_a_reason(tmp_path: Path, door: Intake) -> None:
    path = tmp_path / "mixed.jsonl"
    rows = [(1, "a"), (3, "a"), (2, "a"), (4, "b"), (5, "a")]
    path.write_text("".join(json.dumps({"time": START + t, name: 1.0}) + "\n" for t, name in rows))
    sink = Sink()
    run(TableTailSource(path), door, sink)
    assert door.counts().dropped == {LATE: 1, "no known channel": 1}
    assert door.counts().scored == sink.rows == 3


def test_the_bus_hands_on_every_message_once_and_remembers_its_place(tmp_path: Path, door: Intake) -> None:
    topic = BusTopic(tmp_path / "bus.sqlite", "sense")
    topic.publish(*(json.dumps({"time": START + k, "a": k}).encode() for k in range(5)), b"\xff", b"{}")
    sink = Sink()
    run(BusSource(tmp_path / "bus.sqlite", "sense"), door, sink)
    topic.publish(json.dumps({"time": START + 9, "a": 9}).encode())
    run(BusSource(tmp_path / "bus.sqlite", "sense"), door, sink)
    assert sink.rows == 6
    assert door.counts().dropped == {MALFORMED: 2}
    assert door.counts().balanced
    topic.close()


def post(port: int, path: str, body: bytes, kind: str = "application/json") -> int:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", data=body, headers={"Content-Type": kind}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_pushed_lines_and_otlp_arrive_and_bad_bodies_are_answered(tmp_path: Path, door: Intake) -> None:
    metrics = {
        "resourceMetrics": [
            {
                "resource": {"attributes": [{"key": "host.name", "value": {"stringValue": "h1"}}]},
                "scopeMetrics": [
                    {"metrics": [{"name": "load", "gauge": {"dataPoints": [
                        {"timeUnixNano": str(START * 10**9), "asDouble": 0.5}]}}]}
                ],
            }
        ]
    }  # fmt: skip
    receiver = HttpReceiver(door)
    try:
        assert (
            post(receiver.port, "/push", b'{"time": 1700000001, "a": 1}\n{"time": 1700000002, "a": 2}\n')
            == 200
        )
        assert post(receiver.port, "/push", b'{"time": 1700000003, "a": 3}\nnonsense\n') == 400
        assert post(receiver.port, "/v1/metrics", json.dumps(metrics).encode()) == 200
        assert post(receiver.port, "/v1/metrics", b"\x00\x01junk", "application/x-protobuf") == 400
        assert post(receiver.port, "/elsewhere", b"{}") == 404
    finally:
        receiver.finish(door)
    counts = door.counts()
    assert counts.received == 6
    assert counts.dropped == {MALFORMED: 2}
    assert counts.waiting == 4
    assert counts.balanced


def test_a_pusher_is_told_when_there_is_no_room(tmp_path: Path) -> None:
    door = Intake(DeadLetters(tmp_path / "dead.jsonl", clock), clock, capacity=2)
    receiver = HttpReceiver(door)
    try:
        body = b"".join(b'{"a": %d}\n' % k for k in range(4))
        assert post(receiver.port, "/push", body) == 429
    finally:
        receiver.finish(door)
    assert door.counts().dropped == {QUEUE_FULL: 2}
    assert door.counts().balanced


def test_otlp_protobuf_is_read_by_the_published_messages() -> None:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="requests")
    point = metric.sum.data_points.add(time_unix_nano=START * 10**9, as_int=7)
    point.attributes.add(key="code").value.string_value = "200"
    (record,) = parse_otlp(request.SerializeToString(), "application/x-protobuf")
    assert dict(record.values) == {'requests{code="200"}': 7.0}
    assert record.timestamp_ns == START * 10**9


def test_datagrams_of_syslog_are_counted_and_nonsense_is_kept(tmp_path: Path, door: Intake) -> None:
    receiver = SyslogReceiver(door, clock)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    arrived = threading.Event()
    for message in (b"<34>Oct 11 22:14:15 plc-1 su: failed for root", b"no syslog", b"<999>1 - - - - - -"):
        sender.sendto(message, ("127.0.0.1", receiver.port))
    for _ in range(100):
        if door.counts().received == 2 and receiver.poll(door):
            break
        arrived.wait(0.05)
    receiver.finish(door)
    sender.close()
    assert door.counts().dropped == {MALFORMED: 2}
    assert door.counts().waiting == 1


MESSAGES = [b"<34>Oct 11 22:14:15 plc-1 su: failed for root", b"<13>Feb  5 17:32:18 gw app: hello\nworld"]


@given(cuts=st.lists(st.integers(0, 200), max_size=12))
def test_messages_over_tcp_come_out_whole_however_the_network_cuts_them(cuts: list[int]) -> None:
    counted = b"".join(b"%d %s" % (len(message), message) for message in MESSAGES)
    stream = counted + b"<1>one\r\n<2>two\n" + counted
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    framer = SyslogFramer()
    parts = [stream[a:b] for a, b in itertools.pairwise(places)]
    assert [m for part in parts for m in framer.feed(part)] == [*MESSAGES, b"<1>one", b"<2>two", *MESSAGES]
    assert framer.finish() == b""


@pytest.mark.parametrize("bad", [b"12x<1>", b"99999999 <1>", b"70000 <1>", b"<" + b"a" * 70_000])
def test_a_stream_that_can_no_longer_be_cut_gives_what_was_whole_before(bad: bytes) -> None:
    with pytest.raises(FramingError) as refusal:
        SyslogFramer().feed(b"6 <1>abc" + bad)
    assert refusal.value.completed == [b"<1>abc"]


def test_syslog_over_tcp_is_counted_beside_udp_and_an_unframed_sender_stops_only_itself(door: Intake) -> None:
    receiver = SyslogReceiver(door, clock)
    arrived = threading.Event()
    for sent in (
        b"%d %s" % (len(MESSAGES[0]), MESSAGES[0]),
        b"7y broken",
        b"<13>no syslog\n",
        MESSAGES[0] + b"\n",
    ):
        with socket.create_connection(("127.0.0.1", receiver.port), timeout=5.0) as sender:
            sender.sendall(sent)
    for _ in range(200):
        if door.counts().received == 2 and receiver._bins._events == 2:
            break
        arrived.wait(0.02)
    receiver.finish(door)
    assert door.counts().dropped == {MALFORMED: 2}
    assert door.counts().waiting == 2


@pytest.fixture
def exporter() -> Iterator[tuple[HTTPServer, list[bytes]]]:
    pages = [b"# TYPE up gauge\nup 1\n", b"<html>no metrics</html>", b'up 2\nlatency_bucket{le="1"} 3\n']

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.pop(0) if pages else b"up 3\n"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server, pages
    server.shutdown()
    server.server_close()


def test_scrapes_go_on_after_a_page_that_is_no_exposition(
    exporter: tuple[HTTPServer, list[bytes]], door: Intake
) -> None:
    source = PrometheusSource(f"http://127.0.0.1:{exporter[0].server_address[1]}/metrics")
    for _ in range(4):
        source.poll(door)
    assert door.counts().dropped == {MALFORMED: 1}
    assert [record.values["up"] for record in door.take(most=9, wait_s=0.1)] == [1.0, 2.0, 3.0]


def test_an_endpoint_that_is_down_is_a_typed_error() -> None:
    with pytest.raises(CollectorError, match="cannot scrape"):
        PrometheusSource("http://127.0.0.1:9/metrics", timeout_s=1).poll(None)  # type: ignore[arg-type]
    with pytest.raises(CollectorError, match="no HTTP address"):
        PrometheusSource("file:///etc/passwd")


def test_an_exposition_with_labels_keeps_them_in_the_name() -> None:
    record = parse_prometheus('http_total{code="500",path="/"} 4\n', "s")
    assert dict(record.values) == {'http_total{code="500",path="/"}': 4.0}
    with pytest.raises(RecordError):
        parse_prometheus("only { nonsense", "s")


def test_both_forms_of_syslog_name_host_application_and_severity() -> None:
    new = parse_syslog('<165>1 2023-10-11T22:14:15.003Z gw evntslog 1 ID47 [x@1 a="b"] An event', 5)
    old = parse_syslog("<13>Feb  5 17:32:18 10.0.0.99 myapp[12]: hello", 5)
    assert (new.entity, new.symbol, new.fields["message"]) == ("gw", "evntslog 5", "An event")
    assert (old.entity, old.symbol, old.timestamp_ns) == ("10.0.0.99", "myapp 5", 5)


def test_this_machine_is_read_and_every_energy_says_where_it_comes_from(door: Intake) -> None:
    source = HostSource(entity="here")
    source.poll(door)
    source.poll(door)
    (_, second) = door.take(most=2, wait_s=0.1)
    powers = [name for name in second.values if name.startswith("power_w.")]
    assert powers
    assert all(name.rsplit(".", 1)[1].partition(":")[0] in ("measured", "estimated") for name in powers)
    assert 0.0 <= second.values["cpu.load"] <= 1.0


def test_heat_without_work_is_phantom_and_an_estimate_convicts_nobody() -> None:
    hot = phantom_heat(load=0.02, temperature_c=85, power_w=None, full_power_w=None, measured=False)
    assert isinstance(hot, PhantomHeat)
    assert "85 °C at 2% load" in hot.reason
    assert phantom_heat(load=0.8, temperature_c=85, power_w=None, full_power_w=None, measured=False) is None
    assert phantom_heat(load=0.02, temperature_c=40, power_w=90, full_power_w=100, measured=True) is not None
    assert phantom_heat(load=0.02, temperature_c=40, power_w=90, full_power_w=100, measured=False) is None
