"""What the detector takes for a new regime is remembered, with what became of it."""

from pathlib import Path
from typing import Any

from industriverse.atlas import Kind, Search
from industriverse.operations.incidents import keep_tickets
from industriverse.operations.platform import Platform
from industriverse.operations.recording import follow
from prepared_plant import call, on
from wandering_telemetry import wandering

CLEAN, AWAY = 1_500, 1_700


def test_a_shift_in_quarantine_is_a_record_and_so_is_the_word_that_was_given_on_it(
    tmp_path: Path,
) -> None:
    frame = wandering(2_900)
    frame.values[AWAY:, 0] += 12.0 * frame.values[:CLEAN, 0].std()
    shifts = Search(kind=Kind.SHIFT, regime="quarantined")

    async def quarantine(platform: Platform) -> None:
        services = platform.services
        services.streams.ingest("s", frame.rows(0, CLEAN))
        await call(platform, "signal_compile", stream="s")
        fed = services.streams.ingest("s", frame.rows(CLEAN))
        keep_tickets(services, "s", fed.tickets)
        assert services.memory.settle()
        [shift] = services.memory.history.search(shifts).records
        found: Any = shift
        [live] = [one for one in services.streams.watched("s").shifts if one.id == found.id]
        assert (found.timestamp_ns, found.score) == (live.detected_ns, live.log_likelihood_ratio)
        assert (found.from_regime, found.to_regime) == ("reference", "quarantined")
        around = services.atlas.neighbourhood(found.id, kind=Kind.SHIFT)
        [(end, state)] = [(one.type, one.target.id) for one in around.relations]
        assert end == "DETECTED_IN"
        held = services.atlas.state(state)
        assert held is not None
        assert held.timestamp_ns <= live.detected_ns

    async def decide(platform: Platform) -> None:
        services = platform.services
        live = services.streams.watched("s")
        waiting = [one for one in live.shifts if one.pending][-1]
        before = services.memory.outbox.counts()
        follow(services, "s")
        assert services.memory.outbox.counts() == before, "nothing new was said twice"
        await call(platform, "eil_feedback", stream="s", subject=waiting.id, verdict="true")
        follow(services, "s")
        assert services.memory.settle()
        found: Any = services.atlas.record(Kind.SHIFT, waiting.id)
        assert found.to_regime == "refused"
        assert services.memory.history.search(shifts).total == 0

    on(tmp_path / "home", quarantine)
    # A process that starts again reads the stream anew and knows what it has told.
    on(tmp_path / "home", decide)
