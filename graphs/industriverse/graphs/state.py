"""What the threat-response graph remembers between its nodes; plain JSON values, so checkpoints stay readable."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

__all__ = ["CallTool", "Mode", "ResponseContext", "ResponseState"]

CallTool = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Calls a tool by name and returns its structured result; raises ToolCallError on an error result."""

Mode = Literal["supervised", "autonomous"]
"""``supervised`` asks before every plan, ``autonomous`` only before irreversible ones."""


class ResponseState(TypedDict, total=False):
    """State of one response.

    Keys:
        incident_id: The incident answered.
        mode: When a person is asked.
        stream: Stream of the incident.
        plant_id: Simulated plant behind the stream; empty for a real stream, for which no plan has actions yet.
        plant_hours: Simulated hours when the response began.
        free_energy_before: Free-energy excess when the response began, kT.
        explanation: Why the incident was opened.
        forecast: Where the stream goes if nothing is done.
        plan_id: Signed plan; empty if no action helps.
        plan_text: The plan as shown to the person.
        irreversible: Whether the plan holds an action that cannot be undone.
        approved: Whether the plan may be executed.
        approval_reason: What the person said.
        actions: Descriptions of the actions that were carried out.
        act_refusal: Why the plan was not carried out to its end, empty if it was.
        recovered: Whether the stream left alarm and its free energy came back.
        recovered_after_hours: Hours from the first action to recovery.
        free_energy_after: Free-energy excess after verification, kT.
        reverted: Whether the actions were taken back.
        certificate_id: Proof of equilibrium after recovery.
        certificate_file: Where the certificate lies.
        evidence_file: Where the raw window behind it lies.
        public_key_file: Key that verifies it.
        proof_refusal: Why no certificate was issued, if none was.
        minted_pft: PFT minted for the certificate.
        state_ids: Energy states recorded in the Atlas.
        outcome: One word for the end; ``unproved`` is calm again, but no window passed the checks of a proof,
            ``not_done`` that the plan was refused or expired before anything was done.
    """

    incident_id: str
    mode: Mode
    stream: str
    plant_id: str
    plant_hours: float
    free_energy_before: float
    explanation: str
    forecast: str
    plan_id: str
    plan_text: str
    irreversible: bool
    approved: bool
    approval_reason: str
    actions: list[str]
    act_refusal: str
    recovered: bool
    recovered_after_hours: float
    free_energy_after: float
    reverted: bool
    certificate_id: str
    certificate_file: str
    evidence_file: str
    public_key_file: str
    proof_refusal: str
    minted_pft: str
    state_ids: list[str]
    outcome: Literal["no_action", "declined", "recovered", "unproved", "reverted", "not_done"]


@dataclass(frozen=True, slots=True)
class ResponseContext:
    """Run-scoped services, never checkpointed."""

    call_tool: CallTool
