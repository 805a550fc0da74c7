"""ProofEconomy: the ledger and its tokens (CEU, PFT, MUNT).

Importing this package loads no database library; ``industriverse.economy.ledger``, ``.metering`` and
``.minting`` do.
"""

from industriverse.economy.errors import (
    AccountError,
    AmountError,
    BudgetExceededError,
    CheckpointError,
    EconomyError,
    EvidenceError,
    ExpiredProofError,
    IdempotencyError,
    InsufficientFundsError,
    LedgerBusyError,
    LedgerClosedError,
    LedgerConflictError,
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
    "CheckpointError",
    "EconomyError",
    "Entry",
    "EntryPage",
    "EvidenceError",
    "ExpiredProofError",
    "IdempotencyError",
    "InsufficientFundsError",
    "LedgerBusyError",
    "LedgerClosedError",
    "LedgerConflictError",
    "LedgerError",
    "Leg",
    "MintRefusedError",
    "Posting",
    "PostingError",
    "ReplayedProofError",
    "Transaction",
    "UnverifiedProofError",
]
