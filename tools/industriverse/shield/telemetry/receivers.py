"""Sources that are sent to: HTTP push (JSON lines and OTLP) and syslog (UDP and TCP), on the loopback by default.

A receiver listens in its own thread and offers what comes; ``poll`` only reports. When the queue is full an HTTP
sender is told so with 429 and may try again; a datagram is lost and counted.
"""

import socket
import socketserver
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from industriverse.shield.errors import CollectorError, RecordError
from industriverse.shield.telemetry.binning import EventBins
from industriverse.shield.telemetry.framing import FramingError, SyslogFramer
from industriverse.shield.telemetry.intake import Intake
from industriverse.shield.telemetry.parsing import parse_json_record, parse_otlp, parse_syslog

__all__ = ["HttpReceiver", "SyslogReceiver"]

MAXIMUM_BODY_BYTES = 8 << 20
PATIENCE_S = 0.2  # how long a pusher waits for room before it is told to come again
IDLE_S = 300.0  # a syslog connection that is silent for so long is given up; its sender connects again
ATTEMPTS = 8  # ports tried when the system may choose one


class HttpReceiver:
    """``POST /push`` takes JSON lines, ``POST /v1/metrics`` OTLP metrics as protobuf or JSON.

    Args:
        intake: Where records go.
        host: Address to listen on.
        port: Port; 0 lets the system choose.

    Raises:
        CollectorError: If the port cannot be had.
    """

    def __init__(self, intake: Intake, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.name = f"http:{host}"
        self._intake = intake
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_POST(self) -> None:
                receiver.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Requests are counted, not printed."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise CollectorError(
                f"cannot listen on {host}:{port} ({error})", hint="choose another port"
            ) from None
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self._last = 0

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Serve one request: 200 all taken, 400 some malformed, 413 too large, 429 no room for some."""
        length = request.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAXIMUM_BODY_BYTES:
            self._intake.refuse(self.name, "body without length or over 8 MiB", b"")
            self._reply(request, 413, 0, 1)
            return
        body = request.rfile.read(int(length))
        if request.path == "/v1/metrics":
            taken, refused, full = self._otlp(body, request.headers.get("Content-Type", ""))
        elif request.path == "/push":
            taken, refused, full = self._lines(body)
        else:
            self._reply(request, 404, 0, 0)
            return
        self._reply(request, 429 if full else 400 if refused else 200, taken, refused + full)

    def _lines(self, body: bytes) -> tuple[int, int, int]:
        taken = refused = full = 0
        for raw in body.splitlines():
            if not raw.strip():
                continue
            try:
                record = parse_json_record(raw.decode("utf-8"), self.name)
            except (RecordError, UnicodeDecodeError) as error:
                self._intake.refuse(self.name, str(error), raw)
                refused += 1
                continue
            if self._intake.offer(record, wait_s=PATIENCE_S):
                taken += 1
            else:
                full += 1
        return taken, refused, full

    def _otlp(self, body: bytes, content_type: str) -> tuple[int, int, int]:
        try:
            records = parse_otlp(body, content_type)
        except RecordError as error:
            self._intake.refuse(self.name, str(error), body)
            return 0, 1, 0
        taken = sum(self._intake.offer(record, wait_s=PATIENCE_S) for record in records)
        return taken, 0, len(records) - taken

    @staticmethod
    def _reply(request: BaseHTTPRequestHandler, status: int, taken: int, refused: int) -> None:
        content = f'{{"taken": {taken}, "refused": {refused}}}\n'.encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        if status == 429:
            request.send_header("Retry-After", "1")
        request.end_headers()
        request.wfile.write(content)

    def poll(self, intake: Intake) -> bool:
        """Whether anything came since the last poll."""
        received = intake.counts().received
        came, self._last = received != self._last, received
        return came

    def finish(self, intake: Intake) -> None:
        """Stop listening; requests in hand are finished."""
        del intake
        self._server.shutdown()
        self._thread.join(timeout=10.0)
        self._server.server_close()


class SyslogReceiver:
    """Syslog over UDP (RFC 5426) and TCP (RFC 6587) at one port, counted in bins.

    Args:
        intake: Where bins go.
        clock: Returns nanoseconds since 1970-01-01 UTC.
        host: Address to listen on.
        port: Port of both; 0 lets the system choose.
        bin_s: Length of a bin, seconds.

    Raises:
        CollectorError: If the port cannot be had for both.
    """

    def __init__(
        self,
        intake: Intake,
        clock: Callable[[], int],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        bin_s: float = 10.0,
    ) -> None:
        self.name = f"syslog:{host}"
        self._bins = EventBins(self.name, bin_s)
        self._lock = threading.Lock()
        self._came = False
        receiver = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                receiver.message(self.request[0], intake, clock())

        class Connection(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                receiver.connection(self.request, intake, clock)

        self._servers = _at_one_port(host, port, Handler, Connection)
        self.port = int(self._servers[0].server_address[1])
        self._threads = [threading.Thread(target=s.serve_forever, daemon=True) for s in self._servers]
        for thread in self._threads:
            thread.start()

    def connection(self, stream: socket.socket, intake: Intake, clock: Callable[[], int]) -> None:
        """Count the messages of one connection until its sender closes it or can no longer be followed."""
        framer = SyslogFramer()
        stream.settimeout(IDLE_S)
        try:
            while received := stream.recv(65_536):
                for raw in framer.feed(received):
                    self.message(raw, intake, clock())
        except FramingError as error:
            for raw in error.completed:
                self.message(raw, intake, clock())
            intake.refuse(self.name, str(error), framer.finish())
        except OSError as error:
            intake.refuse(self.name, f"connection lost ({error})", framer.finish())
        else:
            rest = framer.finish()
            if rest:
                # A last line without its end is a message; a count without its octets is none, and is refused so.
                self.message(rest, intake, clock())

    def message(self, raw: bytes, intake: Intake, received_ns: int) -> None:
        """Count one message."""
        try:
            event = parse_syslog(raw.decode("utf-8", "backslashreplace"), received_ns)
        except RecordError as error:
            intake.refuse(self.name, str(error), raw)
            return
        with self._lock:
            self._came = True
            finished = self._bins.add(event)
        for record in finished:
            intake.offer(record, wait_s=PATIENCE_S)

    def poll(self, intake: Intake) -> bool:
        """Whether anything came since the last poll."""
        del intake
        came, self._came = self._came, False
        return came

    def finish(self, intake: Intake) -> None:
        """Stop listening and give the last bin."""
        for server, thread in zip(self._servers, self._threads, strict=True):
            server.shutdown()
            thread.join(timeout=10.0)
            server.server_close()
        with self._lock:
            finished = self._bins.flush()
        for record in finished:
            intake.offer(record)


class _ReusableTcpServer(socketserver.ThreadingTCPServer):
    # A collector that starts again must not wait until the connections of the last one are forgotten.
    allow_reuse_address = True


def _at_one_port(
    host: str,
    port: int,
    datagrams: type[socketserver.BaseRequestHandler],
    connections: type[socketserver.BaseRequestHandler],
) -> tuple[socketserver.ThreadingUDPServer, socketserver.ThreadingTCPServer]:
    """A UDP and a TCP server at the same port."""
    for attempt in range(ATTEMPTS):
        udp = None
        try:
            udp = socketserver.ThreadingUDPServer((host, port), datagrams)
            tcp = _ReusableTcpServer((host, udp.server_address[1]), connections)
        except OSError as error:
            if udp is not None:
                udp.server_close()
            # A port that the system chose for one protocol may be taken in the other.
            if port or attempt == ATTEMPTS - 1:
                raise CollectorError(
                    f"cannot listen on {host}:{port} ({error})", hint="choose another port"
                ) from None
            continue
        udp.daemon_threads = tcp.daemon_threads = True
        return udp, tcp
    raise CollectorError(f"no port of {host} is free for UDP and TCP", hint="choose one")
