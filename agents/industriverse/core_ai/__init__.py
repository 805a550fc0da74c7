"""Stable import paths of the earlier design; nothing is implemented here."""
