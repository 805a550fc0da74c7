"""The constant-product rule in exact integers; every rounding is in the pool's favour.

Source: Adams, Zinsmeister and Robinson, "Uniswap v2 Core" (2020), sections 2.3, 3.2.1 and 3.4. The fee stays in the
reserves, so that x·y per share squared never falls.
"""

from dataclasses import dataclass
from math import isqrt

from industriverse.economy.errors import MarketError

__all__ = [
    "FEE_PER_MILLE",
    "LOCKED_SHARES",
    "PRICE_SCALE",
    "Reserves",
    "amount_in",
    "amount_out",
    "first_shares",
    "price",
    "shares_for",
    "worth",
]

FEE_PER_MILLE = 3
# Shares that nobody owns: the last holder cannot empty the pool, and one share never becomes too dear to buy
# (Uniswap v2, 3.4).
LOCKED_SHARES = 1_000
# Prices are counted in this fraction of a CEU for a unit.
PRICE_SCALE = 10**18


@dataclass(frozen=True, slots=True)
class Reserves:
    """What a pool holds.

    Attributes:
        ceu: Micro-CEU.
        other: Micro-units of the other asset.
        shares: Shares in being, the locked ones included.
    """

    ceu: int
    other: int
    shares: int


def amount_out(reserve_in: int, reserve_out: int, given: int) -> int:
    """What the pool gives for ``given``: y·a/(x + a) with a = 0.997·given, rounded down."""
    paid = given * (1_000 - FEE_PER_MILLE)
    return reserve_out * paid // (reserve_in * 1_000 + paid)


def amount_in(reserve_in: int, reserve_out: int, wanted: int) -> int:
    """The least that has to be given to get ``wanted``.

    Raises:
        MarketError: If the pool holds no more than what is wanted.
    """
    if wanted >= reserve_out:
        raise MarketError(
            f"the pool holds {reserve_out}, not more than the {wanted} wanted", hint="ask for less"
        )
    paid = -(-reserve_in * wanted * 1_000 // (reserve_out - wanted))
    return -(-paid // (1_000 - FEE_PER_MILLE))


def first_shares(ceu: int, other: int) -> int:
    """Shares for the first deposit, the locked ones included: the root of the product, rounded down.

    Raises:
        MarketError: If the deposit is too small.
    """
    shares = isqrt(ceu * other)
    if shares <= LOCKED_SHARES:
        raise MarketError(
            f"a first deposit of {ceu} and {other} is worth {shares} shares, of which {LOCKED_SHARES} stay locked",
            hint="deposit more",
        )
    return shares


def shares_for(pool: Reserves, ceu: int, other: int) -> tuple[int, int, int]:
    """Shares for a deposit of at most these amounts, and how much of each is taken (rounded up)."""
    shares = min(ceu * pool.shares // pool.ceu, other * pool.shares // pool.other)
    return shares, -(-shares * pool.ceu // pool.shares), -(-shares * pool.other // pool.shares)


def worth(pool: Reserves, shares: int) -> tuple[int, int]:
    """What shares are paid out in CEU and in the other asset, rounded down."""
    return shares * pool.ceu // pool.shares, shares * pool.other // pool.shares


def price(pool: Reserves) -> int:
    """Price of one unit of the other asset in CEU, times ``PRICE_SCALE``, rounded down."""
    return pool.ceu * PRICE_SCALE // pool.other
