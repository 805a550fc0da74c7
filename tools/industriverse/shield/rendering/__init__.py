"""Actions written in the languages of those who carry them out; nothing free-form, everything with its reversal."""

from industriverse.shield.rendering.containment import CATALOGUE, Containment, Irreversibility, Rendered
from industriverse.shield.rendering.kubernetes import render_network_policy
from industriverse.shield.rendering.nftables import render_nftables
from industriverse.shield.rendering.webhook import send_webhook, sign_webhook, verify_webhook

__all__ = [
    "CATALOGUE",
    "Containment",
    "Irreversibility",
    "Rendered",
    "render_network_policy",
    "render_nftables",
    "send_webhook",
    "sign_webhook",
    "verify_webhook",
]
