"""The version of the platform."""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["platform_version"]


def platform_version() -> str:
    """Version of the installed distribution, or ``"0+source"`` when run from a source tree."""
    try:
        return version("industriverse")
    except PackageNotFoundError:
        return "0+source"
