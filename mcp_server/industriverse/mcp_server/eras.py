"""The two eras of the protocol: sessions that begin with a handshake, and requests that carry everything themselves."""

__all__ = ["STATELESS"]

STATELESS = "2026-07-28"
"""First revision without sessions; revisions are dates, so that later ones compare as greater."""
