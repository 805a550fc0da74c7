"""Questions for the economy toolset."""

from typing import Final

from industriverse.operations.examples import asked

__all__ = ["MINT", "READ", "TRADE"]

READ: Final = (
    *asked(
        "How many proof tokens do we hold?",
        "PFT balance",
        "how much PFT is in the treasury",
        "what is the supply of PFT",
        "show the ledger",
        "latest ledger entries",
        "account balance",
        "how many tokens have we got",
        "how many tokens were minted",
        "read the ledger of the treasury",
        "are there any tokens",
        "transactions in the ledger",
        "have any proof tokens been minted",
        "what is our balance",
        "wealth of the treasury",
        "how rich are we",
        asset="PFT",
    ),
    *asked(
        "How many compute units are left?",
        "CEU balance",
        "how much compute energy have we spent",
        "compute unit supply",
        "what has the computing cost us",
        "how much CEU did we use up",
        "compute spent so far",
        "CEU consumption",
        asset="CEU",
    ),
    *asked("price of PFT", "what is a proof token worth", "how deep is the pool", what="pool"),
    *asked("what can I buy", "which savings are on offer", what="offers"),
    *asked("MUNT balance", "how many model units exist", "model units in the ledger", asset="MUNT"),
)

MINT: Final = asked(
    "Mint tokens for the certificate",
    "create new PFT",
    "send 5 PFT to alice",
    "transfer tokens",
    certificate_id="0123456789abcdef",
)

TRADE: Final = asked(
    "trade CEU for PFT",
    "swap 5 CEU for proof tokens",
    key="order-1",
    order={"do": "swap", "pool": "CEU-PFT", "sell": "CEU", "give": "5", "least": "0.1"},
)
