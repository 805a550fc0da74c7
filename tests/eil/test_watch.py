"""Tickets: one at the onset, one each hour while it lasts, the same however the stream is cut."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from industriverse.eil.detector import Detector
from industriverse.eil.watch import Watcher, ticket_id, ticket_rows
from industriverse.signals import Frame, Ticket

MINUTE = 60 * 1_000_000_000


def attacked(clean_stream: Frame) -> Frame:
    values = clean_stream.values.copy()
    values[4000:4200, 0] += 8.0
    values[5000:5030, 3] += 8.0
    return Frame(clean_stream.timestamps_ns, values, clean_stream.channels)


def watch(fitted: Detector, frame: Frame, block: int) -> tuple[list[Ticket], Watcher]:
    watcher = Watcher(Detector.from_reference(fitted.reference), "plant")
    tickets: list[Ticket] = []
    for start in range(3000, 6000, block):
        tickets += watcher.feed(frame.rows(start, start + block))[1]
    return tickets, watcher


def test_an_attack_raises_a_ticket_at_its_onset_and_one_each_hour(
    fitted: Detector, clean_stream: Frame
) -> None:
    tickets, _ = watch(fitted, attacked(clean_stream), 500)
    during = [t.onset_ns // MINUTE for t in tickets if 4000 * MINUTE <= t.onset_ns < 4200 * MINUTE]
    assert during[0] <= 4003
    assert all(later - earlier >= 60 for earlier, later in pairwise(during))
    assert 3 <= len(during) <= 4


def test_tickets_do_not_depend_on_the_blocks(fitted: Detector, clean_stream: Frame) -> None:
    whole, _ = watch(fitted, attacked(clean_stream), 3000)
    pieces, _ = watch(fitted, attacked(clean_stream), 37)
    assert whole == pieces


def test_watching_with_tickets_leaves_the_stream_where_scoring_would(
    fitted: Detector, clean_stream: Frame
) -> None:
    frame = attacked(clean_stream)
    _, watcher = watch(fitted, frame, 1000)
    scored = Detector.from_reference(fitted.reference)
    scored.score(frame.rows(3000))
    for one, other in zip(
        watcher.detector.snapshot().state.arrays(), scored.snapshot().state.arrays(), strict=True
    ):
        assert one.tobytes() == other.tobytes()


def test_evidence_of_a_ticket_adds_up_to_its_score(fitted: Detector, clean_stream: Frame) -> None:
    tickets, _ = watch(fitted, attacked(clean_stream), 1000)
    for ticket in tickets:
        assert abs(sum(entry.share for entry in ticket.evidence) - ticket.score) < 1e-9


def test_a_ticket_id_is_stable_and_tells_streams_and_onsets_apart() -> None:
    assert ticket_id("a", 1) == ticket_id("a", 1)
    assert len({ticket_id("a", 1), ticket_id("a", 2), ticket_id("b", 1)}) == 3


def test_the_summary_counts_what_was_raised(fitted: Detector, clean_stream: Frame) -> None:
    tickets, watcher = watch(fitted, attacked(clean_stream), 700)
    summary = watcher.summary()
    assert summary.rows == 3000
    assert summary.tickets == len(tickets)
    assert summary.realised_per_day == len(tickets) / (3000 / 1440)
    assert summary.promised_per_day == fitted.reference.calibration.promised_per_day


@settings(max_examples=60, deadline=None)
@given(alarm=st.lists(st.booleans(), min_size=1, max_size=300), cut=st.integers(0, 300))
def test_ticket_rows_follow_the_rule_and_can_be_continued(alarm: list[bool], cut: int) -> None:
    flags = np.array(alarm)
    times = np.arange(len(flags), dtype=np.int64) * MINUTE
    rows = ticket_rows(times, flags)
    assert all(flags[row] for row in rows)
    assert all(b - a >= 60 for a, b in pairwise(rows))
    for row in np.flatnonzero(flags):
        assert any(0 <= row - raised < 60 for raised in rows)
    head = ticket_rows(times[:cut], flags[:cut])
    last = int(times[head[-1]]) if head else None
    tail = ticket_rows(times[cut:], flags[cut:], last_ns=last)
    assert head + [row + min(cut, len(flags)) for row in tail] == rows
