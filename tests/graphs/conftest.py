"""Homes that a test may change."""

from prepared_homes import alarmed, learned, planned, story

__all__ = ["alarmed", "learned", "planned", "story"]
