"""The economy toolset: balances, entries and tokens for proofs."""

from typing import Literal

from pydantic import BaseModel, Field

from industriverse.economy.money import MICRO, Asset
from industriverse.operations.context import OperationContext
from industriverse.operations.examples import economy as examples
from industriverse.operations.minting import mint_certificate, minted_for
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.services import Services

__all__ = [
    "EntryItem",
    "MintInput",
    "MintOutput",
    "ReadInput",
    "ReadOutput",
    "economy_mint",
    "economy_read",
    "units",
]

TREASURY = "treasury"
"""Account that tokens for this installation's own proofs go to."""


def units(micro: int) -> str:
    """Micro-units as a decimal number of units, exact."""
    sign = "-" if micro < 0 else ""
    whole, fraction = divmod(abs(micro), MICRO)
    return f"{sign}{whole}.{fraction:06d}"


class ReadInput(OperationInput):
    """What to look at."""

    account: str = Field(default=TREASURY, min_length=1, max_length=200, description="Name of an account")
    asset: Literal["CEU", "PFT", "MUNT"] = Field(default="PFT", description="Compute, proof or model units")
    limit: int = Field(default=20, ge=1, le=100, description="Entries per page")
    cursor: str = Field(default="", description="next_cursor of the page before")
    certificate_id: str | None = Field(
        default=None, description="Also tell what was minted for this certificate"
    )


class EntryItem(BaseModel):
    """One ledger entry; amounts are exact decimal text."""

    sequence: int
    asset: str
    amount: str
    balance: str


class ReadOutput(BaseModel):
    """An account and its entries, oldest first; amounts are exact decimal text."""

    account: str
    asset: str
    balance: str
    supply: str
    entries: list[EntryItem]
    next_cursor: str
    minted_for_certificate: str | None

    def __str__(self) -> str:
        return f"{self.account} holds {self.balance} {self.asset} of {self.supply} in being"


class MintInput(OperationInput):
    """Which certificate is worth something."""

    certificate_id: str = Field(description="Id of a certificate, from eil_prove")


class MintOutput(BaseModel):
    """What was minted."""

    amount_pft: str
    account: str
    balance_pft: str
    evidence_sha256: str
    ledger_sequence: int

    def __str__(self) -> str:
        return f"{self.amount_pft} PFT minted to {self.account}, which holds {self.balance_pft} PFT now"


@operation(
    "economy_read",
    toolset="economy",
    scope="read",
    title="Read the ledger",
    read_only=True,
    default_on=True,
    examples=examples.READ,
)
async def economy_read(request: ReadInput, context: OperationContext) -> ReadOutput:
    """Read an account's balance and entries, and the supply of an asset.

    Raises:
        EconomyError: If the account's name is malformed or the cursor is not one of this account.
    """

    def read(services: Services) -> ReadOutput:
        ledger, asset = services.ledger, Asset(request.asset)
        page = ledger.entries(
            account=request.account, asset=asset, limit=request.limit, cursor=request.cursor
        )
        minted = None
        if request.certificate_id is not None:
            issued = services.certificates.find(request.certificate_id)
            minted = units(minted_for(ledger, issued.verified.predicate.evidence_sha256, request.account))
        return ReadOutput(
            account=request.account,
            asset=request.asset,
            balance=units(ledger.balance(request.account, asset)),
            supply=units(ledger.supply(asset)),
            entries=[
                EntryItem(
                    sequence=entry.sequence,
                    asset=entry.asset.value,
                    amount=units(entry.amount),
                    balance=units(entry.balance),
                )
                for entry in page.entries
            ],
            next_cursor=page.next_cursor,
            minted_for_certificate=minted,
        )

    return await context.platform.run(read, context.platform.services)


@operation(
    "economy_mint",
    toolset="economy",
    scope="mint",
    title="Mint proof tokens",
    cost=100,
    examples=examples.MINT,
)
async def economy_mint(request: MintInput, context: OperationContext) -> MintOutput:
    """Mint PFT for a certificate that verifies, once for its evidence, by the published quality rule.

    Raises:
        NotFoundError: If there is no such certificate.
        EconomyError: If it does not verify, has expired, or its evidence was minted before.
    """

    def mint(services: Services) -> MintOutput:
        minted = mint_certificate(services, request.certificate_id, TREASURY)
        return MintOutput(
            amount_pft=units(minted.amount),
            account=minted.owner,
            balance_pft=units(services.ledger.balance(minted.owner, Asset.PFT)),
            evidence_sha256=minted.evidence.evidence_sha256,
            ledger_sequence=minted.sequence,
        )

    return await context.platform.run(mint, context.platform.services)
