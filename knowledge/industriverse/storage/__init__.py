"""What keeps state on disk, below everything that has state to keep."""

from industriverse.storage.commit_watch import CommitWatch
from industriverse.storage.durable_sqlite import make_durable, open_durable
from industriverse.storage.whole_files import sync, write_whole, writing_whole

__all__ = ["CommitWatch", "make_durable", "open_durable", "sync", "write_whole", "writing_whole"]
