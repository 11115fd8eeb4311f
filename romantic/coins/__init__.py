"""Coins: the ledger and what it pays for."""
