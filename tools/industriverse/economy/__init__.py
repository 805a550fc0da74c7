"""ProofEconomy: the ledger and its tokens (CEU, PFT, MUNT).

Importing this package loads no database library; ``industriverse.economy.ledger``, ``.metering`` and
``.minting`` do.
"""

from industriverse.economy.errors import (
    AccountError,
    AmountError,
    BudgetExceededError,
    EconomyError,
    EvidenceError,
    ExpiredProofError,
    IdempotencyError,
    InsufficientFundsError,
    LedgerBusyError,
    LedgerClosedError,
    LedgerError,
    MintRefusedError,
    PostingError,
    ReplayedProofError,
    UnverifiedProofError,
)
from industriverse.economy.money import MICRO, Asset, Entry, EntryPage, Leg, Posting, Transaction

__all__ = [
    "MICRO",
    "AccountError",
    "AmountError",
    "Asset",
    "BudgetExceededError",
    "EconomyError",
    "Entry",
    "EntryPage",
    "EvidenceError",
    "ExpiredProofError",
    "IdempotencyError",
    "InsufficientFundsError",
    "LedgerBusyError",
    "LedgerClosedError",
    "LedgerError",
    "Leg",
    "MintRefusedError",
    "Posting",
    "PostingError",
    "ReplayedProofError",
    "Transaction",
    "UnverifiedProofError",
]
