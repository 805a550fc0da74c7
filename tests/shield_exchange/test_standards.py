"""Each form passes the judge of its standard: the published schema, the official library, or the written list."""

import base64
import json
import re
import warnings
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from exchange_reports import report
from industriverse.eil.proof.errors import ProofError, TamperedCertificateError, WrongKeyError
from industriverse.shield.errors import ExchangeError
from industriverse.shield.exchange import (
    export_bundle,
    open_bundle,
    to_cef,
    to_ecs,
    to_ocsf,
    to_stix,
    to_syslog,
)

HOSTILE = 'level|evil=1\\ msg=fake\nCEF:0|x"<b>\u202e'


@pytest.fixture(scope="module")
def detection_finding() -> jsonschema.Draft202012Validator:
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema("1.5.0")).get_class_schema("detection_finding", [])
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("status", ["open", "acknowledged", "closed"])
@pytest.mark.parametrize("name", ["level", HOSTILE])
def test_ocsf_is_a_detection_finding_of_1_5(
    detection_finding: jsonschema.Draft202012Validator, status: str, name: str
) -> None:
    finding = to_ocsf(report(name, status=status))
    errors = [f"{error.json_path}: {error.message[:200]}" for error in detection_finding.iter_errors(finding)]
    assert not errors
    assert finding["class_uid"] == 2004
    assert finding["anomaly_analyses"][0]["anomalies"][0]["observation_parameter"] == name
    assert finding["severity_id"] == 4


def test_the_judge_of_ocsf_convicts_a_finding_without_its_parts(
    detection_finding: jsonschema.Draft202012Validator,
) -> None:
    finding = to_ocsf(report())
    del finding["anomaly_analyses"][0]["anomalies"]
    finding["severity_id"] = 77
    assert len(list(detection_finding.iter_errors(finding))) == 2


@pytest.mark.parametrize("name", ["level", HOSTILE])
def test_stix_is_parsed_strictly_by_the_oasis_library(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library uses deprecated calls of the standard library
        import stix2

        parsed = stix2.parse(json.dumps(to_stix(report(name))), allow_custom=False)
    kinds = [entry["type"] for entry in parsed.objects]
    assert {"identity", "incident", "observed-data", "attack-pattern", "sighting", "artifact"} <= set(kinds)
    sighting = next(entry for entry in parsed.objects if entry["type"] == "sighting")
    ids = {entry["id"] for entry in parsed.objects}
    assert {sighting["sighting_of_ref"], *sighting["observed_data_refs"]} <= ids
    artifact = next(entry for entry in parsed.objects if entry["type"] == "artifact")
    evidence = json.loads(base64.b64decode(artifact["payload_bin"]))
    assert evidence[0]["channels"][0]["channel"] == name


def test_the_same_incident_is_the_same_stix_objects() -> None:
    assert to_stix(report()) == to_stix(report())


def flattened(document: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, dict):
            found |= flattened(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def test_every_ecs_field_is_one_of_the_reference_with_its_type() -> None:
    listed = json.loads((Path(__file__).parent / "ecs_fields.json").read_text())
    types = {
        "keyword": str, "wildcard": str, "match_only_text": str, "date": str, "long": int, "float": float
    }  # fmt: skip
    for status in ("open", "closed"):
        document = to_ecs(report(status=status))
        custom = document.pop("Industriverse")
        assert custom["criticality_index"] == 72.0
        for name, value in flattened(document).items():
            assert name in listed["fields"], f"{name} is no ECS field"
            kind = listed["fields"][name]
            for one in value if isinstance(value, list) else [value]:
                assert isinstance(one, types[kind["type"]]), name
                if "allowed" in kind:
                    assert one in kind["allowed"], name


CEF = re.compile(r"CEF:0((?:\|(?:[^|\\]|\\\\|\\\|)*){6})\|(.*)")


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=60).filter(lambda text: text.strip()))
def test_no_channel_name_can_break_out_of_a_cef_line(name: str) -> None:
    line = to_cef(report(name))
    assert "\n" not in line
    assert "\r" not in line
    found = CEF.fullmatch(line)
    assert found is not None
    keys = re.findall(r"(?:^| )(\w+)=", re.sub(r"\\.", "", found[2]))
    assert keys == [
        "externalId", "start", "end", "cnt", "dvchost", "cat", "cs1Label", "cs1", "cs2Label", "cs2", "cs3Label",
        "cs3", "cfp1Label", "cfp1", "msg",
    ]  # fmt: skip


def test_the_syslog_line_is_rfc_5424_and_reads_back() -> None:
    from industriverse.shield.telemetry.parsing import parse_syslog

    line = to_syslog(report(HOSTILE), host="gate way\n")
    event = parse_syslog(line, 0)
    assert event.entity == "gateway"
    assert event.symbol == "industriverse 3"
    assert str(event.fields["message"]).startswith("CEF:0|Industriverse|")


def test_a_bundle_verifies_and_every_altered_byte_is_refused() -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    envelope = export_bundle(report(), key, host="h")
    forms = open_bundle(json.dumps(envelope).encode(), key.public_key())
    assert sorted(forms) == ["cef", "ecs", "ocsf", "stix", "syslog"]
    assert forms["ocsf"] == json.loads(json.dumps(to_ocsf(report())))
    with pytest.raises(WrongKeyError):
        open_bundle(envelope, other.public_key())
    payload = bytearray(base64.b64decode(envelope["payload"]))
    for position in range(0, len(payload), 997):
        altered = payload.copy()
        altered[position] ^= 1
        forged = {**envelope, "payload": base64.b64encode(bytes(altered)).decode()}
        with pytest.raises(TamperedCertificateError):
            open_bundle(forged, key.public_key())


def test_something_else_signed_with_the_same_key_is_no_bundle() -> None:
    from industriverse.eil.proof.envelope import canonical_json, seal

    key = Ed25519PrivateKey.generate()
    with pytest.raises(ExchangeError, match="no incident"):
        open_bundle(seal(canonical_json({"predicateType": "other"}), key), key.public_key())
    with pytest.raises(ProofError):
        open_bundle(b"{}", key.public_key())
