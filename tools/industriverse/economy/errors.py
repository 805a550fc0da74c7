"""Errors of the ProofEconomy."""

from industriverse.physics.errors import IndustriverseError

__all__ = [
    "AccountError",
    "AmountError",
    "BudgetExceededError",
    "CheckpointError",
    "ContractError",
    "DeadlineError",
    "EconomyError",
    "EvidenceError",
    "ExpiredProofError",
    "IdempotencyError",
    "InsufficientFundsError",
    "LedgerBusyError",
    "LedgerClosedError",
    "LedgerConflictError",
    "LedgerError",
    "LicenceError",
    "MarketError",
    "MintRefusedError",
    "OverlappingProofError",
    "PostingError",
    "QueueError",
    "ReplayedProofError",
    "SlippageError",
    "UnverifiedProofError",
]


class EconomyError(IndustriverseError):
    """Root of the errors raised by the ledger and what builds on it."""


class LedgerError(EconomyError):
    """The ledger's database cannot be opened, read or written."""


class LedgerBusyError(LedgerError):
    """Other writers kept the ledger locked for too long; nothing was written."""


class LedgerConflictError(LedgerBusyError):
    """The database gave way to another program's writing; nothing was written, and the same may be tried again."""


class CheckpointError(EconomyError):
    """A checkpoint is malformed, not signed by the key, or asks for what the log does not hold."""


class LedgerClosedError(LedgerError):
    """The ledger was used after it had been closed."""


class PostingError(EconomyError):
    """A transaction is not well formed: it does not balance, or a field is out of range."""


class AmountError(PostingError):
    """An amount is not a whole positive number of micro-units."""


class AccountError(PostingError):
    """An account name is not well formed, or may not be used this way."""


class IdempotencyError(PostingError):
    """A key was used before for other content."""


class InsufficientFundsError(EconomyError):
    """An account holds less than it should pay.

    Attributes:
        needed: Micro-units asked for.
        available: Micro-units held.
    """

    def __init__(self, message: str, *, needed: int, available: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.needed = needed
        self.available = available


class BudgetExceededError(EconomyError):
    """A principal's energy budget does not cover a charge now.

    Attributes:
        needed: Micro-CEU asked for.
        available: Micro-CEU in the bucket.
        ready_ns: When the bucket will hold enough, nanoseconds since 1970 UTC; None if it never can.
    """

    def __init__(
        self, message: str, *, needed: int, available: int, ready_ns: int | None, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.needed = needed
        self.available = available
        self.ready_ns = ready_ns


class ContractError(EconomyError):
    """A contract does not exist, or its terms do not allow what was asked now or by whom."""


class LicenceError(ContractError):
    """A licence does not cover what was asked."""


class MarketError(EconomyError):
    """A pool cannot do what was asked."""


class SlippageError(MarketError):
    """A trade would give less, or cost more, than its limit.

    Attributes:
        offered: What the pool gives or asks now.
        limit: What the order allows.
    """

    def __init__(self, message: str, *, offered: int, limit: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.offered = offered
        self.limit = limit


class DeadlineError(MarketError):
    """An order came too late."""


class QueueError(EconomyError):
    """The queue does not hold the proof that was asked for."""


class EvidenceError(EconomyError):
    """What a verifier said of a certificate contradicts itself."""


class MintRefusedError(EconomyError):
    """Nothing was minted."""


class UnverifiedProofError(MintRefusedError):
    """The certificate does not verify, or proves too little to be worth anything."""


class ExpiredProofError(MintRefusedError):
    """The certificate is too old, or from the future."""


class OverlappingProofError(MintRefusedError):
    """A part of the window was minted before.

    Attributes:
        sequence: The ledger transaction of that mint.
    """

    def __init__(self, message: str, *, sequence: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.sequence = sequence


class ReplayedProofError(MintRefusedError):
    """The evidence was minted before.

    Attributes:
        sequence: The ledger transaction of that mint.
    """

    def __init__(self, message: str, *, sequence: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.sequence = sequence
