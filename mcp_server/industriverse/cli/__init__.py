"""The ``industriverse`` command."""

from industriverse.cli.main import main

__all__ = ["main"]
