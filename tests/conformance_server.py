"""The product's own web application with the conformance suite's fixtures on it: ``python … HOME PORT``."""

import sys
from pathlib import Path

import uvicorn

sys.path.insert(0, str(Path(__file__).parent))

from conformance_fixtures import add_conformance_fixtures
from industriverse.mcp_server.app import create_web_application
from prepared_plant import opened

if __name__ == "__main__":
    with opened(Path(sys.argv[1])) as platform:
        app = create_web_application(platform, extend=add_conformance_fixtures)
        uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
