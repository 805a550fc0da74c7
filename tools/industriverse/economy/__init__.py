"""ProofEconomy: the ledger and its tokens (CEU, PFT, MUNT)."""
