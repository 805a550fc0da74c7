"""A recording is watched as if it came live, and what the platform remembers of it stays in a home."""

from dataclasses import dataclass

from industriverse.operations.incidents import keep_tickets
from industriverse.operations.recording import record_reference
from industriverse.operations.services import Services
from industriverse.signals import Frame

__all__ = ["KeptRecording", "keep_recording"]

_BLOCK_ROWS = 10_000
_SETTLE_S = 60.0


@dataclass(frozen=True, slots=True)
class KeptRecording:
    """What a home holds of a recording that it did not hold before.

    Attributes:
        samples: New samples.
        tickets: New tickets.
        states: Energy states of the stream in the graph, earlier ones among them.
        waiting: Why the graph has not got everything yet, empty if it has.
    """

    samples: int
    tickets: int
    states: int
    waiting: str


def keep_recording(
    services: Services, stream: str, frame: Frame, *, clean_rows: int, budget_per_day: float
) -> KeptRecording:
    """Keep samples, learn from the clean ones, and have tickets, incidents and energy states of the rest kept.

    Keeping the same recording again changes nothing.

    Raises:
        OperationError: If the stream is there with other channels or later samples.
        OutboxFullError: If too many writes wait already.
    """
    from industriverse.atlas.search import Search

    streams = services.streams
    samples = streams.ingest(stream, frame.rows(0, clean_rows)).new_samples
    streams.learn(stream, clean_rows, budget_per_day)
    record_reference(services, stream)
    tickets = 0
    for start in range(clean_rows, len(frame), _BLOCK_ROWS):
        ingested = streams.ingest(stream, frame.rows(start, min(start + _BLOCK_ROWS, len(frame))))
        samples += ingested.new_samples
        tickets += len(keep_tickets(services, stream, ingested.tickets))
    settled = services.memory.settle(_SETTLE_S)
    waiting = "" if settled else services.memory.waiting or "it is being written"
    states = services.memory.history.search(Search(service=stream, limit=1)).total if settled else 0
    return KeptRecording(samples, tickets, states, waiting)
