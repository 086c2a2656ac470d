"""What can go wrong. The message says what, where and what to do."""

__all__ = ["Conflict", "NothingToRead", "PomonaError", "UsageError"]


class PomonaError(RuntimeError):
    """Anything Pomona could not do. What is finished stays finished."""


class UsageError(PomonaError, ValueError):
    """Something was asked for that cannot be meant: the command's exit code 2."""


class NothingToRead(PomonaError):
    """The source or the results are missing, or hold no image: the command's exit code 3."""


class Conflict(PomonaError):
    """Another run has committed since this one began; nothing was written over.

    Do the same again: it starts from what is there now.
    """
