"""What the Atlas is told while streams run, whatever becomes of its stores."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from industriverse.atlas import AtlasUnreachableError, Kind, Search
from industriverse.atlas.errors import OutboxFullError
from industriverse.atlas.outbox import Status
from industriverse.operations.errors import InvalidArgumentsError
from industriverse.operations.home import Home
from industriverse.operations.memory import AtlasMemory, environment_of
from industriverse.operations.recording import follow, record_reference
from industriverse.operations.services import Services
from wandering_telemetry import wandering


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    with Home(tmp_path) as home:
        opened = Services(home, clock=time.time_ns)
        yield opened
        opened.close()


def learned(services: Services, rows: int = 1500) -> None:
    whole = wandering(rows, fault_from=1200)
    services.streams.ingest("s", whole.rows(0, 700))
    services.streams.learn("s", None, 1.0)
    record_reference(services, "s")
    services.streams.ingest("s", whole.rows(700, rows))


def regimes(services: Services) -> list[str]:
    assert services.memory.settle(30)
    page = services.atlas.search(Search(service="s", newest_first=False))
    return [one.regime for one in page.records]  # type: ignore[union-attr]


def test_a_stream_leaves_a_state_for_each_regime_linked_in_their_order(services: Services) -> None:
    learned(services)
    follow(services, "s")
    assert regimes(services)[:2] == ["reference", "disturbed"]
    states = services.atlas.search(Search(service="s", newest_first=False)).records
    assert services.atlas.transition_path(states[0].id, states[-1].id) == tuple(one.id for one in states)
    counts = services.atlas.counts()
    # One for each change of regime, and one for what the detector has in quarantine.
    quarantined = len(services.streams.watched("s").shifts)
    assert quarantined == 1
    assert counts.relations["DETECTED_IN"] == counts.nodes[Kind.SHIFT] == len(states) - 1 + quarantined
    assert counts.nodes[Kind.MODEL] == counts.relations["FITTED_TO"] == 1
    for state in states:
        assert len(state.vector) == 8  # type: ignore[union-attr]
    disturbed = states[1]
    frame = services.objects.get_frame(disturbed.evidence)  # type: ignore[union-attr]
    assert frame.timestamps_ns.tolist() == [disturbed.timestamp_ns]  # type: ignore[union-attr]


def test_following_again_and_after_a_restart_tells_nothing_new(services: Services, tmp_path: Path) -> None:
    learned(services)
    follow(services, "s")
    before = regimes(services)
    entries = sum(services.memory.outbox.counts().values())
    follow(services, "s")
    services.close()
    again = Services(services.home, clock=time.time_ns)
    follow(again, "s")
    assert regimes(again) == before
    assert sum(again.memory.outbox.counts().values()) == entries
    again.close()


def test_a_full_outbox_holds_no_stream_up_and_nothing_is_lost(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned(services)
    append = services.memory.outbox.append

    def full(*_: object, **__: object) -> int:
        raise OutboxFullError("more than 0 writes to the Atlas would wait", hint="wait")

    monkeypatch.setattr(services.memory.outbox, "append", full)
    follow(services, "s")
    assert services.timelines["s"].present.regime == "reference"
    monkeypatch.setattr(services.memory.outbox, "append", append)
    follow(services, "s")
    assert regimes(services)[:2] == ["reference", "disturbed"]


def test_a_graph_that_is_away_at_the_start_holds_nobody_up(tmp_path: Path) -> None:
    pytest.importorskip("neo4j")
    environment = {
        "INDUSTRIVERSE_NEO4J_URI": "bolt://127.0.0.1:1",
        "INDUSTRIVERSE_NEO4J_PASSWORD": "unused",
    }
    with Home(tmp_path) as home:
        services = Services(home, clock=time.time_ns)
        services.memory = AtlasMemory(
            home.paths.atlas,
            home.paths.objects,
            home.paths.outbox,
            clock=time.time_ns,
            environment=environment,
        )
        began = time.monotonic()
        learned(services)
        follow(services, "s")
        assert not services.memory.settle(20)
        assert "cannot be reached" in services.memory.waiting
        assert services.memory.outbox.counts()[Status.PENDING] > 5
        with pytest.raises(AtlasUnreachableError):
            _ = services.atlas
        assert services.memory.node_counts() == {}
        services.close()
        assert time.monotonic() - began < 60
        # Started again without that server, the same promises fill the embedded graph.
        local = Services(home, clock=time.time_ns)
        assert regimes(local)[:2] == ["reference", "disturbed"]
        local.close()


def test_old_states_are_archived_by_themselves_and_still_found(tmp_path: Path) -> None:
    from atlas.atlas_records import state

    memory = AtlasMemory(
        tmp_path / "atlas",
        tmp_path / "objects",
        tmp_path / "outbox.sqlite",
        clock=time.time_ns,
        environment={"INDUSTRIVERSE_ATLAS_STATES": "1000"},
    )
    for first in range(0, 6_000, 1_000):
        memory.promise("n", [state(index) for index in range(first, first + 1_000)])
        assert memory.settle(60)
    assert memory.atlas.counts().nodes[Kind.STATE] < 3_000
    seen: list[str] = []
    search = Search(service="network-3", limit=500, newest_first=False)
    page = memory.history.search(search)
    while True:
        assert page.total == 6_000
        seen += [one.id for one in page.records]
        if not page.next_cursor:
            break
        page = memory.history.search(
            Search(service="network-3", limit=500, newest_first=False, cursor=page.next_cursor)
        )
    assert seen == [f"s{index:05d}" for index in range(6_000)]
    newest = memory.history.search(Search(text="PUMP s0000", limit=3)).records
    assert [one.id for one in newest] == ["s00009", "s00008", "s00007"]
    assert memory.history.search(Search(entity="nobody")).records == ()
    memory.close()


def test_a_wrong_number_of_states_is_refused(tmp_path: Path) -> None:
    environment = {"INDUSTRIVERSE_ATLAS_STATES": "many"}
    memory = AtlasMemory(
        tmp_path / "a", tmp_path / "b", tmp_path / "c.sqlite", clock=time.time_ns, environment=environment
    )
    with pytest.raises(InvalidArgumentsError, match="INDUSTRIVERSE_ATLAS_STATES is 'many'"):
        _ = memory.kept_states
    memory.close()


def test_tenants_share_neither_graph_nor_folder() -> None:
    environment = {
        "INDUSTRIVERSE_NEO4J_URI": "neo4j+s://db.example.org",
        "INDUSTRIVERSE_S3_BUCKET": "b",
        "INDUSTRIVERSE_S3_PREFIX": "p/",
    }
    assert environment_of("", environment) is environment
    one, two = environment_of("a", environment), environment_of("../a", environment)
    assert "INDUSTRIVERSE_NEO4J_URI" not in one
    assert one["INDUSTRIVERSE_S3_PREFIX"].startswith("p/tenants/")
    assert one["INDUSTRIVERSE_S3_PREFIX"] != two["INDUSTRIVERSE_S3_PREFIX"]
    assert ".." not in two["INDUSTRIVERSE_S3_PREFIX"]


def test_a_promise_does_not_wait_for_the_graph(services: Services) -> None:
    from atlas.atlas_records import state

    spent = []
    for index in range(200):
        began = time.perf_counter()
        services.memory.promise("n", [state(index)])
        spent.append(time.perf_counter() - began)
    assert float(np.median(spent)) < 0.05
    assert services.memory.settle(30)
    assert services.atlas.counts().nodes[Kind.STATE] == 200
