"""The desk's verbs on a home with an open incident, and the analysis of a stream."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from industriverse.operations.errors import NotAllowedError, NotFoundError
from industriverse.operations.platform import Platform
from industriverse.shield.errors import RenderError, TriageError
from industriverse.signals import Frame
from prepared_plant import PLANT, Prepared, call, on
from wandering_telemetry import wandering


def test_an_incident_is_handled_and_the_list_shows_it(alarmed: Path, story: Prepared) -> None:
    async def tale(platform: Platform) -> None:
        incident = story.incident_id
        await call(platform, "shield_triage", incident_id=incident, change="acknowledge", text="on my way")
        shown = await call(platform, "shield_triage", incident_id=incident, change="assign", assignee="Ada")
        assert (shown.status, shown.assignee) == ("acknowledged", "Ada")
        assert shown.notes[0].endswith("on my way")
        until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        await call(
            platform, "shield_triage", incident_id=incident, change="suppress", text="cleaning", until=until
        )
        listed = (await call(platform, "shield_threats", stream=PLANT)).incidents[0]
        assert (listed.status, listed.assignee, listed.suppressed) == ("acknowledged", "Ada", True)
        assert 0 < listed.criticality <= 100
        with pytest.raises(TriageError):
            await call(platform, "shield_triage", incident_id=incident, change="lift", text="suppression-99")
        with pytest.raises(NotFoundError):
            await call(platform, "shield_triage", incident_id="incident-none", change="close")

    on(alarmed, tale)


def test_an_incident_leaves_in_every_form_and_says_that_it_is_simulated(
    alarmed: Path, story: Prepared
) -> None:
    async def tale(platform: Platform) -> None:
        for form in ("ocsf", "stix", "ecs", "bundle"):
            exported = await call(platform, "shield_export", incident_id=story.incident_id, form=form)
            content = json.loads(exported.content)
            assert content
            if form == "ocsf":
                assert content["metadata"]["labels"] == ["simulated"]
        line = (await call(platform, "shield_export", incident_id=story.incident_id, form="cef")).content
        assert line.startswith("CEF:0|")

    on(alarmed, tale)


def test_a_passive_shield_does_not_act_and_a_detecting_one_asks(planned: Path, story: Prepared) -> None:
    async def tale(platform: Platform) -> None:
        changed = await call(platform, "shield_mode", mode="passive")
        assert (changed.mode, changed.before) == ("passive", "autonomous")
        plan = await call(platform, "shield_plan", incident_id=story.incident_id)
        with pytest.raises(NotAllowedError, match="passive"):
            await call(platform, "shield_act", plan_id=plan.plan_id)

    on(planned, tale)


def test_a_containment_is_written_and_nothing_is_done(alarmed: Path, story: Prepared) -> None:
    async def tale(platform: Platform) -> None:
        incident, kind = story.incident_id, "block_address"
        written = await call(platform, "shield_contain", incident_id=incident, kind=kind, address="10.0.0.9")
        assert written.language == "nftables"
        assert written.dry_run
        assert written.reversal.startswith("delete table")
        with pytest.raises(RenderError):
            await call(platform, "shield_contain", incident_id=incident, kind=kind, address="everything")

    on(alarmed, tale)


def test_incidents_are_joined_by_asset_and_layer(alarmed: Path, story: Prepared) -> None:
    async def tale(platform: Platform) -> None:
        joined = (await call(platform, "shield_correlate")).joined
        assert any(story.incident_id in item.incidents for item in joined)
        assert all(set(item.layers) <= {"cyber", "physical", "energy"} for item in joined)

    on(alarmed, tale)


def test_the_analysis_names_the_copied_channel_and_what_it_should_read(tmp_path: Path) -> None:
    async def tale(platform: Platform) -> None:
        whole = wandering(1600)
        values = whole.values.copy()
        values[1400:1500, 1] = values[900:1000, 1]
        lying = Frame(whole.timestamps_ns, values, whole.channels)
        await platform.run(lambda: platform.services.streams.ingest("s", lying.rows(0, 1500)))
        await call(platform, "signal_compile", stream="s", clean_rows=1000)
        found = await call(platform, "shield_analyze", stream="s", rows=300)
        assert found.alarm_rows >= 50
        assert found.accused[0].channel == whole.names[1]
        assert found.accused[0].ground == "copy"
        assert found.accused[0].rebuilt_value is not None
        assert found.accused[0].rebuilt_low <= found.accused[0].rebuilt_value <= found.accused[0].rebuilt_high
        assert found.criticality > 40
        assert np.isfinite(found.most_agreeing)

    on(tmp_path, tale)
