"""The economy toolset's verb that changes hands: pools, licences, savings and offers."""

from typing import Annotated

from pydantic import Field

from industriverse.operations.amounts import account_of
from industriverse.operations.context import OperationContext
from industriverse.operations.examples import economy as examples
from industriverse.operations.registry import OperationInput, operation
from industriverse.operations.services import Services
from industriverse.operations.trading import AnyOrder, Done, carry_out

__all__ = ["TradeInput", "TradeOutput", "economy_trade"]


class TradeInput(OperationInput):
    """An order, and a key under which it is carried out once."""

    key: Annotated[str, Field(min_length=1, max_length=100, description="The same key never trades twice")]
    order: AnyOrder = Field(description="What to do; amounts are decimal text, times ISO 8601")


class TradeOutput(Done):
    """What the order did, and the ledger transaction that says so."""

    def __str__(self) -> str:
        return (
            f"{self.account}: {self.summary} (transaction {self.sequence}{f', {self.id}' if self.id else ''})"
        )


@operation(
    "economy_trade",
    toolset="economy",
    scope="trade",
    title="Trade on the market",
    idempotent=True,
    cost=10,
    examples=examples.TRADE,
)
async def economy_trade(request: TradeInput, context: OperationContext) -> TradeOutput:
    """Swap, provide liquidity, license models, claim savings, offer and buy, from the caller's own account.

    Raises:
        EconomyError: If the account holds too little, a limit or deadline is passed, or terms do not allow it.
    """

    def trade(services: Services) -> TradeOutput:
        done = carry_out(services.ledger, account_of(context.principal), request.key, request.order)
        return TradeOutput.model_validate(done.model_dump())

    return await context.platform.run(trade, context.platform.services)
