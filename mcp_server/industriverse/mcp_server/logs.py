"""Logs that a machine can read and that never hold a secret."""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

from industriverse.operations.tracing import current_trace_id

__all__ = ["JsonLines", "Redaction", "set_up_logs"]

_SECRETS = re.compile(
    r"ivt_[A-Za-z0-9_-]{8,}|eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*|(?i:bearer)\s+[^\s\"',]+"
)
_FIELDS = ("seconds", "principal", "operation")


class Redaction(logging.Filter):
    """Takes whatever looks like a bearer token out of a record, wherever it came from."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean a record; it always passes."""
        text = record.getMessage()
        if _SECRETS.search(text):
            record.msg, record.args = _SECRETS.sub("[secret]", text), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = _SECRETS.sub("[secret]", logging.Formatter().formatException(record.exc_info))
        return True


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, trace."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as a line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "trace_id": getattr(record, "trace_id", "") or current_trace_id(),
        }
        line |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_text:
            line["exception"] = record.exc_text
        return json.dumps({name: value for name, value in line.items() if value != ""})


def set_up_logs(level: int, log_format: str) -> None:
    """Send logs to standard error, as text or as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Redaction())
    handler.setFormatter(
        JsonLines() if log_format == "json" else logging.Formatter("%(levelname)s %(name)s: %(message)s")
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
