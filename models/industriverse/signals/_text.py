"""Text that comes from telemetry enters messages quoted: it is data, whatever it says."""

__all__ = ["quoted"]


def quoted(text: object, limit: int = 40) -> str:
    """Quote a value from a file for a message: untrusted text, escaped and cut short."""
    plain = str(text)
    return repr(plain if len(plain) <= limit else plain[: limit - 1] + "…")
