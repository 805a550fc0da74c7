"""The product's web application on a free port of the loopback interface."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from industriverse.mcp_server.app import create_web_application
from industriverse.mcp_server.web import WebSettings
from prepared_plant import opened


@contextmanager
def served(folder: Path, *, read_only: bool = False, settings: WebSettings | None = None) -> Iterator[str]:
    """The web application of a home, in a thread; yields its URL."""
    with opened(folder, read_only=read_only) as platform, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        app = create_web_application(platform, toolsets=frozenset({"all"}), settings=settings)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=5))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
