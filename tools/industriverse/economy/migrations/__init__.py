"""Versions of the ledger's tables; :mod:`industriverse.economy.upgrade` runs them."""

__all__: list[str] = []
