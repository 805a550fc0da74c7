"""Licences of registered models, priced in MUNT: acquisition, royalties, use, expiry and transfer."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from industriverse.economy.contracts import Contracts, ContractState, Outcome, Request, Step
from industriverse.economy.errors import ContractError, LicenceError
from industriverse.economy.ledger import Writer
from industriverse.economy.money import MAX_AMOUNT, Asset, Leg, check_account
from industriverse.economy.names import is_issuer

__all__ = ["BASIS", "Licence", "Licences", "Model", "Terms", "royalties"]

# Royalties are counted in this fraction: 250 is 2.5 %.
BASIS = 10_000
_MAX_PAYEES = 16
_SHA256_HEX = re.compile(r"[0-9a-f]{64}")


class Terms(ContractState):
    """What a licence of a model allows; a licence keeps the terms under which it was acquired.

    Attributes:
        price: Micro-MUNT; 0 if free.
        period_ns: How long it is good for; None for ever.
        uses: How many uses it covers; None for any number.
        transferable: Whether the holder may give it to someone else.
    """

    machine: ClassVar[str] = "terms"
    price: int
    period_ns: int | None
    uses: int | None
    transferable: bool

    def model_post_init(self, _context: object) -> None:
        """Check the ranges."""
        if not 0 <= self.price <= MAX_AMOUNT:
            raise ContractError(f"a licence cannot cost {self.price}", hint="give micro-MUNT, 0 if free")
        for name in ("period_ns", "uses"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 2**62:
                raise ContractError(f"{name} is {value}", hint="give a positive number, or none")


class Model(ContractState):
    """A registered model.

    Attributes:
        owner: Who registered it and gets what the royalties leave.
        name: Its name.
        weights_sha256: Hash of its weights.
        terms: What a licence costs and allows now.
        royalties: Who gets how many ten-thousandths of each price.
        offered: Whether licences can be acquired.
    """

    machine: ClassVar[str] = "model"
    owner: str
    name: str
    weights_sha256: str
    terms: Terms
    royalties: tuple[tuple[str, int], ...]
    offered: bool


class Licence(ContractState):
    """The right of an account to use a model.

    Attributes:
        weights_sha256: Which model.
        holder: Who may use it.
        terms: Under which terms.
        acquired_ns: Since when.
        expires_ns: Until when; None for ever.
        used: How many uses were made.
    """

    machine: ClassVar[str] = "licence"
    weights_sha256: str
    holder: str
    terms: Terms
    acquired_ns: int
    expires_ns: int | None
    used: int

    def remaining(self, now_ns: int) -> int | None:
        """How many uses are left now; None for any number, 0 if it has expired."""
        if self.expires_ns is not None and now_ns >= self.expires_ns:
            return 0
        return None if self.terms.uses is None else self.terms.uses - self.used


def royalties(price: int, owner: str, split: Sequence[tuple[str, int]]) -> dict[str, int]:
    """What each account gets of a price: its share rounded down; the owner gets the rest."""
    paid = {account: price * share // BASIS for account, share in split}
    paid[owner] = paid.get(owner, 0) + price - sum(paid.values())
    return paid


@dataclass(frozen=True)
class Licences:
    """The register of models and of licences to use them.

    ``actor`` is the account in whose name the server acts; it is never taken from the client's word.

    Args:
        contracts: Where contracts are kept.
    """

    contracts: Contracts

    def register(
        self,
        *,
        key: str,
        actor: str,
        name: str,
        weights_sha256: str,
        terms: Terms,
        split: Sequence[tuple[str, int]] = (),
    ) -> Outcome[Model]:
        """Register a model, once for its weights.

        Raises:
            ContractError: If it is registered, or name, hash or royalties are not well formed.
        """
        if not _SHA256_HEX.fullmatch(weights_sha256) or not 0 < len(name) <= 100 or not name.isprintable():
            raise ContractError(
                f"model {name!r:.80} with weights {weights_sha256!r:.80} is not well formed",
                hint="give a name up to 100 characters and 64 hex digits",
            )
        _check_split(split)
        if is_issuer(check_account(actor)):
            raise ContractError(f"{actor} owns no model", hint="name the owner's account")
        state = Model(
            owner=actor,
            name=name,
            weights_sha256=weights_sha256,
            terms=terms,
            royalties=tuple((account, share) for account, share in split),
            offered=True,
        )
        return self.contracts.open(
            Model,
            f"model:{weights_sha256}",
            key=key,
            request={"state": state.model_dump_json()},
            first=lambda _writer, _now_ns: Step("register", state),
        )

    def change(
        self, weights_sha256: str, *, key: str, actor: str, terms: Terms, offered: bool = True
    ) -> Outcome[Model]:
        """Change the terms for licences from now on; the owner may.

        Raises:
            ContractError: If somebody else asks, or there is no such model.
        """

        def transition(state: Model, _now_ns: int) -> Step[Model]:
            if actor != state.owner:
                raise ContractError(f"{actor} may not change {state.name}", hint=f"{state.owner} may")
            return Step("change", state.model_copy(update={"terms": terms, "offered": offered}))

        request: Request = {
            "do": "change",
            "actor": actor,
            "terms": terms.model_dump_json(),
            "offered": offered,
        }
        return self.contracts.advance(
            Model, f"model:{weights_sha256}", key=key, request=request, transition=transition
        )

    def acquire(self, weights_sha256: str, *, key: str, actor: str, most: int) -> Outcome[Licence]:
        """Acquire a licence for at most ``most`` micro-MUNT, which the owner and the payees of royalties get.

        Raises:
            LicenceError: If the model is not offered, or costs more.
            ContractError: If there is no such model.
            InsufficientFundsError: If the account holds too little.
        """
        check_account(actor)
        digest = hashlib.sha256(f"{weights_sha256}\n{actor}\n{key}".encode()).hexdigest()[:32]

        def first(writer: Writer, now_ns: int) -> Step[Licence]:
            model = self.contracts.load(writer, Model, f"model:{weights_sha256}")
            price = model.terms.price
            _require(model.offered, f"{model.name} is not offered")
            _require(price <= most, f"a licence of {model.name} costs {price} micro-MUNT, more than {most}")
            period = model.terms.period_ns
            state = Licence(
                weights_sha256=weights_sha256,
                holder=actor,
                terms=model.terms,
                acquired_ns=now_ns,
                expires_ns=None if period is None else now_ns + period,
                used=0,
            )
            return Step("acquire", state, _payment(model, actor))

        request: Request = {"do": "acquire", "actor": actor, "model": weights_sha256, "most": most}
        return self.contracts.open(Licence, f"licence:{digest}", key=key, request=request, first=first)

    def use(self, licence_id: str, *, key: str, actor: str, count: int = 1) -> Outcome[Licence]:
        """Account for uses of a model, before they are made.

        Raises:
            LicenceError: If the account is not the holder, or the licence has expired or is used up.
        """
        if type(count) is not int or not 0 < count < 2**62:
            raise LicenceError(f"{count!r:.40} uses", hint="give a positive integer")

        def transition(state: Licence, now_ns: int) -> Step[Licence]:
            _require_holder(state, licence_id, actor, now_ns)
            left = state.remaining(now_ns)
            _require(
                left is None or left >= count, f"licence {licence_id} covers {left} more uses, not {count}"
            )
            return Step("use", state.model_copy(update={"used": state.used + count}))

        request: Request = {"do": "use", "actor": actor, "count": count}
        return self.contracts.advance(Licence, licence_id, key=key, request=request, transition=transition)

    def transfer(self, licence_id: str, *, key: str, actor: str, target: str) -> Outcome[Licence]:
        """Give a licence, with what is left of it, to another account, where its terms allow that.

        Raises:
            LicenceError: If the account is not the holder, the licence has expired or stays with its holder.
        """
        if is_issuer(check_account(target)) or target == actor:
            raise LicenceError(f"{target} cannot receive the licence", hint="name another account")

        def transition(state: Licence, now_ns: int) -> Step[Licence]:
            _require_holder(state, licence_id, actor, now_ns)
            _require(state.terms.transferable, f"licence {licence_id} stays with its holder by its terms")
            return Step("transfer", state.model_copy(update={"holder": target}))

        request: Request = {"do": "transfer", "actor": actor, "target": target}
        return self.contracts.advance(Licence, licence_id, key=key, request=request, transition=transition)


def _payment(model: Model, holder: str) -> tuple[Leg, ...]:
    changes = royalties(model.terms.price, model.owner, model.royalties)
    changes[holder] = changes.get(holder, 0) - model.terms.price
    return tuple(Leg(account, Asset.MUNT, amount) for account, amount in changes.items() if amount)


def _check_split(split: Sequence[tuple[str, int]]) -> None:
    accounts = [check_account(account) for account, _ in split]
    shares = [share for _, share in split]
    if (
        len(split) > _MAX_PAYEES
        or len(set(accounts)) != len(accounts)
        or any(is_issuer(account) for account in accounts)
        or any(type(share) is not int or share <= 0 for share in shares)
        or sum(shares) > BASIS
    ):
        raise ContractError(
            f"the royalties {list(split)!r:.120} cannot be paid",
            hint=f"give up to {_MAX_PAYEES} accounts with positive shares of {BASIS}",
        )


def _require_holder(state: Licence, licence_id: str, actor: str, now_ns: int) -> None:
    _require(actor == state.holder, f"licence {licence_id} is held by another account than {actor}")
    expired = state.expires_ns is not None and now_ns >= state.expires_ns
    _require(not expired, f"licence {licence_id} has expired")


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise LicenceError(problem, hint="read the licence and its terms")
