"""What keeps state on disk, below everything that has state to keep."""

from industriverse.storage.durable_sqlite import make_durable, open_durable

__all__ = ["make_durable", "open_durable"]
