"""The in-toto statement that a certificate of equilibrium signs.

Source: in-toto attestation framework, Statement v1
(https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md). Times are text: nanoseconds since
1970 exceed the integers that canonical JSON can carry.
"""

from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from industriverse.eil.proof.checks import CheckName
from industriverse.eil.proof.envelope import canonical_json, parse_json
from industriverse.eil.proof.errors import MalformedCertificateError, UnknownPredicateError

__all__ = [
    "PREDICATE_TYPE",
    "STATEMENT_TYPE",
    "CheckRecord",
    "CouldNotRun",
    "EquilibriumPredicate",
    "ExcludedChannel",
    "FreshnessRecord",
    "QuasiStaticChannel",
    "SourceRecord",
    "Statement",
    "Subject",
    "limitation_text",
    "parse_statement",
    "utc_text",
]

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "urn:industriverse:attestation:proof-of-equilibrium:v1"

# Parts that earlier certificates lack; where they say nothing they are left out of the signed bytes.
OPTIONAL_PARTS: Final = ("certifiable_alpha", "quasi_static_channels", "freshness", "source")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
UtcText = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z$")]
Probability = Annotated[float, Field(gt=0.0, le=1.0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class CheckRecord(_Strict):
    """One check that ran: its conformal p-value and the headline number behind it."""

    name: CheckName = Field(strict=False)
    p_value: Probability
    score: Annotated[float, Field(ge=0.0)]
    quantity: str
    measured: float
    expected: float


class CouldNotRun(_Strict):
    """One check that did not run, and why. It is never counted as passed."""

    name: CheckName = Field(strict=False)
    reason: Annotated[str, Field(min_length=1)]


class ExcludedChannel(_Strict):
    """A channel of the window that no check looked at, and why."""

    name: str
    reason: str


class QuasiStaticChannel(_Strict):
    """A channel whose level drifts in the clean data: a bias between these levels cannot be told from drift."""

    name: str
    low: float
    high: float


class FreshnessRecord(_Strict):
    """The numbers behind the freshness check; its p-values follow from them (``proof.watermark``).

    Attributes:
        actuator: The actuator that was excited.
        amplitude_share: Amplitude of the excitation as a share of the actuator's range.
        started: Time of the first excited sample.
        session_key_sha256: Commitment to the session key, which stays secret until it is disclosed.
        model_sha256: Digest of the response model.
        correlation: Telemetry with expected response.
        expected_correlation: Its value for a noiseless answer as in commissioning.
        gain_floor: Weakest share of it that counts as an answer.
        live_spread: Root sum square of the signs' weights in the live test.
        replay_spread: The same in the replay test.
        replay_p_value: Bound on the probability that telemetry ignorant of the challenge answers so well.
        answering_channels: Channels that answer by themselves; nothing is said about the others.
    """

    actuator: Annotated[str, Field(min_length=1)]
    amplitude_share: Annotated[float, Field(gt=0.0, le=0.25)]
    started: UtcText
    session_key_sha256: Sha256
    model_sha256: Sha256
    correlation: float
    expected_correlation: Annotated[float, Field(ge=0.0)]
    gain_floor: Annotated[float, Field(gt=0.0, le=1.0)]
    live_spread: Annotated[float, Field(ge=0.0)]
    replay_spread: Annotated[float, Field(ge=0.0)]
    replay_p_value: Probability
    answering_channels: list[str]


class SourceRecord(_Strict):
    """The chain that the device itself signed, which the window was compared with sample by sample.

    Attributes:
        device_key_id: SHA-256 of the device's public key.
        first_sequence: Number of the first block that was verified.
        last_sequence: Number of the last one.
        head_sha256: Digest of the last one.
    """

    device_key_id: Sha256
    first_sequence: Annotated[int, Field(ge=0)]
    last_sequence: Annotated[int, Field(ge=0)]
    head_sha256: Sha256


class EquilibriumPredicate(_Strict):
    """What was checked on the window, with which reference, and how it came out.

    Attributes:
        stream: Name of the stream.
        start: Time of the first sample, UTC with nanoseconds.
        end: Time of the last sample.
        issued: Time of issue by the issuer's clock.
        samples: Number of samples, n.
        missing_samples: Values that were missing and interpolated for the checks.
        channels: Names of the channels checked.
        excluded_channels: Channels not checked.
        alpha: Probability of refusing a clean window, over all checks together.
        checks_run: Number of checks that ran, m.
        bonferroni_threshold: ``alpha / m``; every p-value has to exceed it.
        checks: The checks that ran.
        could_not_run: The checks that did not.
        reversal_refusal_rate: Share of clean windows that the currents check refuses when reversed.
        calibration_windows: Held-out clean windows behind each p-value.
        independent_windows: How many of them do not overlap.
        evidence_sha256: Digest of the raw window (``window_bytes``).
        reference_sha256: Digest of the reference.
        nonce: The verifier's nonce in hex, or None if there was none.
        previous_sha256: Digest of the previous certificate of the stream, or None for the first.
        certifiable_alpha: The lowest level that the independent windows can certify.
        quasi_static_channels: Channels whose level was taken out; absent if there are none.
        freshness: What the keyed challenge showed; absent if there was none.
        source: The device's own chain; absent if there is none.
        verdict: Always ``consistent_with_equilibrium`` with its truth value.
        limitation: What the certificate does not say.
    """

    stream: Annotated[str, Field(min_length=1)]
    start: UtcText
    end: UtcText
    issued: UtcText
    samples: Annotated[int, Field(gt=0)]
    missing_samples: Annotated[int, Field(ge=0)]
    channels: Annotated[list[str], Field(min_length=1)]
    excluded_channels: list[ExcludedChannel]
    alpha: Annotated[float, Field(gt=0.0, lt=1.0)]
    checks_run: Annotated[int, Field(gt=0)]
    bonferroni_threshold: Probability
    checks: list[CheckRecord]
    could_not_run: list[CouldNotRun]
    reversal_refusal_rate: Annotated[float, Field(ge=0.0, le=1.0)]
    calibration_windows: Annotated[int, Field(gt=0)]
    independent_windows: Annotated[int, Field(gt=0)]
    evidence_sha256: Sha256
    reference_sha256: Sha256
    nonce: Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$")] | None
    previous_sha256: Sha256 | None
    certifiable_alpha: Probability | None = None
    quasi_static_channels: list[QuasiStaticChannel] | None = None
    freshness: FreshnessRecord | None = None
    source: SourceRecord | None = None
    consistent_with_equilibrium: bool
    limitation: str


class Subject(_Strict):
    """What the statement is about: the window, by digest."""

    name: str
    digest: dict[Literal["sha256"], Sha256]


class Statement(_Strict):
    """An in-toto Statement v1 with a proof-of-equilibrium predicate."""

    type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type", default=STATEMENT_TYPE)
    subject: Annotated[list[Subject], Field(min_length=1, max_length=1)]
    predicate_type: Literal["urn:industriverse:attestation:proof-of-equilibrium:v1"] = Field(
        alias="predicateType", default=PREDICATE_TYPE
    )
    predicate: EquilibriumPredicate

    def payload(self) -> bytes:
        """The statement as RFC 8785 canonical JSON; a part that does not exist is absent, not null."""
        fields = self.model_dump(mode="json", by_alias=True)
        for part in OPTIONAL_PARTS:
            if fields["predicate"][part] is None:
                del fields["predicate"][part]
        return canonical_json(fields)


def limitation_text(
    alpha: float, samples: int, *, replay_p_value: float | None = None, certifiable_alpha: float | None = None
) -> str:
    """The fixed sentences that say how little a certificate claims.

    Args:
        alpha: Level of the certificate.
        samples: Number of samples.
        replay_p_value: Outcome of the replay test if the challenge was on.
        certifiable_alpha: The lowest level that the clean data can certify, if stated.
    """
    text = (
        f"Consistent with equilibrium at level alpha = {alpha:g} with n = {samples} samples, by the checks "
        "listed as run. This does not exclude tampering that these checks cannot see, "
    )
    if replay_p_value is None:
        text += "such as a replay of clean data, and says nothing about checks listed as not run."
    else:
        text += (
            f"such as a forger who knew the challenge. Without it so good an answer has probability at most "
            f"{replay_p_value:.3g}; that speaks for the channels listed as answering, not for the others."
        )
    if certifiable_alpha is not None and certifiable_alpha > alpha:
        text += (
            f" The clean data certify no level below {certifiable_alpha:.3g}: calm windows may be refused more "
            "often than alpha says."
        )
    return text


def utc_text(time_ns: int) -> str:
    """Nanoseconds since 1970-01-01 UTC as ISO 8601 text with nine decimals."""
    return f"{np.datetime64(time_ns, 'ns')}Z"


def parse_statement(payload: bytes) -> Statement:
    """Read a payload whose signature has been verified.

    Raises:
        MalformedCertificateError: If it is no canonical JSON, or a field is missing, unknown or of a
            wrong type.
        UnknownPredicateError: If it is another kind of statement.
    """
    fields: Any = parse_json(payload)
    if not isinstance(fields, dict):
        raise MalformedCertificateError(
            "the payload is not a JSON object", hint="give a certificate of equilibrium"
        )
    for key, wanted in (("_type", STATEMENT_TYPE), ("predicateType", PREDICATE_TYPE)):
        if fields.get(key) != wanted:
            raise UnknownPredicateError(
                f"{key} is {fields.get(key)!r} instead of {wanted!r}",
                hint="verify it with the tool that issued it, or update this one",
            )
    if canonical_json(fields) != payload:
        raise MalformedCertificateError(
            "the payload is not in canonical form (RFC 8785)", hint="ask the issuer for the original"
        )
    try:
        return Statement.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MalformedCertificateError(
            f"field {where} of the statement: {first['msg']}", hint="ask the issuer for a valid certificate"
        ) from error
