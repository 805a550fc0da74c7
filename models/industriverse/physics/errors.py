"""The root of every error that the platform raises on purpose."""

__all__ = ["IndustriverseError"]


class IndustriverseError(Exception):
    """A failure that a person can act on.

    Args:
        message: What went wrong and with which value, in one clause.
        hint: What to do next, in one clause. May be empty where nothing can be done.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message
