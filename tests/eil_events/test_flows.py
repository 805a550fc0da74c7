"""Flows binned into the channels of a frame."""

import math

import numpy as np
import pytest

from industriverse.eil.events import FLOW_CHANNELS, EventFitError, FlowBins, flow_frame
from industriverse.signals.events import Event

SECOND_NS = 10**9


def flow(at_s: float, **fields: str | int | float) -> Event:
    usual: dict[str, str | int | float] = {
        "src": "a",
        "dst": "b",
        "service": "http",
        "flag": "SF",
        "src_bytes": 100,
    }
    return Event(round(at_s * SECOND_NS), "a", "flow tcp http", usual | fields)


def column(frame_values: np.ndarray, name: str) -> np.ndarray:
    return frame_values[:, FLOW_CHANNELS.index(name)]


def test_every_flow_is_in_one_bin_and_empty_bins_are_kept() -> None:
    frame = flow_frame([flow(s) for s in (0.0, 0.5, 9.9, 10.0, 35.0)], bin_s=10.0)
    assert np.expm1(column(frame.values, "log_flows")).round().tolist() == [3, 1, 0, 1]
    assert np.expm1(column(frame.values, "log_bytes")).round().tolist() == [300, 100, 0, 100]
    assert frame.interval_s == 10.0
    assert frame.names == FLOW_CHANNELS


def test_a_scan_raises_the_entropy_of_destinations_alone() -> None:
    calm = [flow(0.1 * i, dst=f"h{i % 3}", dst_port=80) for i in range(100)]
    scan = [flow(10.0 + 0.1 * i, dst=f"h{i}", dst_port=80) for i in range(100)]
    frame = flow_frame([*calm, *scan], bin_s=10.0)
    entropy = column(frame.values, "entropy_dst")
    assert entropy[0] == pytest.approx(math.log(3), abs=0.01)
    assert entropy[1] == pytest.approx(math.log(100), abs=0.15)
    assert np.allclose(column(frame.values, "entropy_dst_port"), 0.0)


def test_temperature_tells_bursts_from_a_poisson_stream_and_from_a_clock() -> None:
    generator = np.random.default_rng(0)
    poisson = [flow(float(s)) for s in np.sort(generator.uniform(0.0, 1000.0, 20_000))]
    clock = [flow(1000.0 + 0.1 * i) for i in range(10_000)]
    burst = [flow(2000.0 + 100.0 * (i // 2000) + 0.0001 * i) for i in range(20_000)]
    frame = flow_frame([*poisson, *clock, *burst], bin_s=100.0)
    temperature = column(frame.values, "temperature")
    assert 0.5 < temperature[:10].mean() < 1.6
    assert temperature[11:19].max() < 0.2
    assert temperature[20:].min() > 10.0


def test_a_rare_flag_for_its_service_is_a_surprise() -> None:
    flows = [flow(0.01 * i) for i in range(1000)] + [flow(10.0 + 0.1 * i, flag="S0") for i in range(5)]
    surprise = column(flow_frame(flows, bin_s=10.0).values, "flag_surprise")
    assert surprise[1] > 3.0 > 0.2 > surprise[0]


def test_flags_of_live_flows_are_judged_by_the_clean_ones_and_not_learnt() -> None:
    clean = FlowBins(10.0)
    for i in range(1000):
        list(clean.add(flow(0.001 * i)))
    live = FlowBins(10.0, surprise=clean.surprise, learn=False)
    for i in range(100):
        list(live.add(flow(0.001 * i, flag="S0")))
    surprise = live.close()[1][FLOW_CHANNELS.index("flag_surprise")]
    assert surprise == pytest.approx(-math.log(clean.surprise.probability([(), ("http",)], "S0")))


def test_only_the_entity_asked_for_is_binned() -> None:
    other = Event(SECOND_NS, "other", "flow", {})
    frame = flow_frame([flow(0.0), other, flow(5.0)], bin_s=2.0, entity="a")
    assert np.expm1(column(frame.values, "log_flows")).round().tolist() == [1, 0, 1]
    assert {channel.entity for channel in frame.channels} == {"a"}


def test_what_cannot_be_binned_is_refused() -> None:
    with pytest.raises(EventFitError, match="bin_s"):
        FlowBins(0.0)
    with pytest.raises(EventFitError, match="no flow to bin"):
        flow_frame([], bin_s=1.0)
    with pytest.raises(EventFitError, match="no flow was counted"):
        FlowBins(1.0).close()
    with pytest.raises(EventFitError, match="a gap of"):
        flow_frame([flow(0.0), flow(1e8)], bin_s=1.0)
