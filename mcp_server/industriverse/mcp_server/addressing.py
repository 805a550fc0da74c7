"""Which names a server answers to, and which web pages may call it: a browser names the page that makes it ask."""

from collections.abc import Iterable
from urllib.parse import urlsplit

__all__ = ["Addresses"]

_REMEMBERED = 256
"""Names that passed are remembered as they were sent; there are few of them, ports aside."""

_AUTHORITY = frozenset("/@?#\\%, ")
"""Characters that have no place in a name with a port."""


class Addresses:
    """Host names of a server.

    Args:
        names: Names that requests may be addressed to, and that pages may come from.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name.lower() for name in names)
        self._good_hosts: set[bytes] = set()
        self._good_origins: set[bytes] = set()

    def is_own(self, host: bytes | None) -> bool:
        """Whether a Host header names this server; a page that rebinds a name of its own to it does not."""
        if host is None:
            return False
        if host in self._good_hosts:
            return True
        good = _host_of(host.decode("latin-1")) in self._names
        if good and len(self._good_hosts) < _REMEMBERED:
            self._good_hosts.add(host)
        return good

    def may_call(self, origin: bytes | None) -> bool:
        """Whether a page of this origin may call; what is no page sends none."""
        if origin is None or origin in self._good_origins:
            return True
        try:
            good = urlsplit(origin.decode("latin-1")).hostname in self._names
        except ValueError:
            good = False
        if good and len(self._good_origins) < _REMEMBERED:
            self._good_origins.add(origin)
        return good


def _host_of(authority: str) -> str | None:
    """The name in a Host header, None if it holds anything but a name and a port."""
    if not authority or not _AUTHORITY.isdisjoint(authority):
        return None
    try:
        parts = urlsplit(f"//{authority}")
        return parts.hostname if parts.port is None or parts.port > 0 else None
    except ValueError:
        return None
