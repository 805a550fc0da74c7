"""The one way in which functions are compiled; importing this module loads numba."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

__all__ = ["compiled", "compiled_exactly"]

# NaN marks a missing value, so the flags that let the compiler assume there is none are left out.
_FAST = {"reassoc", "contract", "arcp", "nsz"}
_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile on first call, kept on disk where some folder can be written."""
    return _compiled(function, fastmath=_FAST)


def compiled_exactly(function: _Function) -> _Function:
    """As `compiled`, with every operation as written: for sums that must cancel and balances that must hold."""
    return _compiled(function, error_model="numpy")


def _compiled(function: _Function, **options: Any) -> _Function:
    compiler: Any = njit
    try:
        result: _Function = compiler(cache=True, nogil=True, **options)(function)
    except RuntimeError:  # numba found no writable folder for its cache: compile once a process instead
        result = compiler(nogil=True, **options)(function)
    return result
