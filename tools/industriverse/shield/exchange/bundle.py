"""An incident in every form, signed as one: a DSSE envelope around an in-toto statement, as certificates are.

The subjects of the statement are the forms with the SHA-256 of their canonical JSON, the predicate holds the forms
themselves. Whoever has the public key can check offline that nothing was changed, left out or added.
"""

import hashlib
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from industriverse.eil.proof.envelope import (
    MAX_ENVELOPE_BYTES,
    canonical_json,
    open_envelope,
    parse_json,
    seal,
)
from industriverse.shield.errors import ExchangeError
from industriverse.shield.exchange.cef import to_cef, to_syslog
from industriverse.shield.exchange.ecs import to_ecs
from industriverse.shield.exchange.ocsf import to_ocsf
from industriverse.shield.exchange.report import IncidentReport
from industriverse.shield.exchange.stix import to_stix

__all__ = ["PREDICATE_TYPE", "export_bundle", "open_bundle"]

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://industriverse.dev/incident/v1"


def export_bundle(report: IncidentReport, signing_key: Ed25519PrivateKey, *, host: str) -> dict[str, Any]:
    """The signed bundle of an incident, JSON-ready.

    Raises:
        ExchangeError: If the incident is too large for one envelope.
    """
    forms: dict[str, Any] = {
        "ocsf": to_ocsf(report),
        "stix": to_stix(report),
        "ecs": to_ecs(report),
        "cef": to_cef(report),
        "syslog": to_syslog(report, host=host),
    }
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": _digest(form)}} for name, form in forms.items()],
        "predicateType": PREDICATE_TYPE,
        "predicate": {"incident": report.incident.id, "forms": forms},
    }
    envelope = seal(canonical_json(statement), signing_key)
    size = len(json.dumps(envelope))
    if size > MAX_ENVELOPE_BYTES:
        raise ExchangeError(f"the bundle has {size} bytes", hint=f"the limit is {MAX_ENVELOPE_BYTES}")
    return envelope


def open_bundle(envelope: bytes | dict[str, Any], public_key: Ed25519PublicKey) -> dict[str, Any]:
    """Verify a bundle and return its forms by name.

    Raises:
        ProofError: If the envelope is malformed, of another key or altered.
        ExchangeError: If it is signed but no bundle, or its digests do not match its forms.
    """
    statement = parse_json(open_envelope(envelope, public_key))
    if not isinstance(statement, dict) or statement.get("predicateType") != PREDICATE_TYPE:
        raise ExchangeError("this signed document is no incident", hint="give what incident export wrote")
    try:
        forms = dict(statement["predicate"]["forms"])
        promised = {entry["name"]: entry["digest"]["sha256"] for entry in statement["subject"]}
    except (KeyError, TypeError) as error:
        raise ExchangeError(f"the statement lacks {error}", hint="give what incident export wrote") from None
    if promised != {name: _digest(form) for name, form in forms.items()}:
        raise ExchangeError("a form does not match its digest", hint="do not trust it; ask for the original")
    return forms


def _digest(form: Any) -> str:
    return hashlib.sha256(canonical_json(form)).hexdigest()
