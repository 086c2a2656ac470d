"""Keyword arguments are the command's flags."""

from __future__ import annotations

import os

__all__ = ["to_args"]


def to_args(**flags: object) -> list[str]:
    """The command line that keyword arguments stand for.

    ``_`` becomes ``-``; ``True`` is the bare flag, ``None`` and ``False`` leave it out; a path may
    be ``os.PathLike``; anything else is written with ``str``. Whether there is such a flag and
    what it takes is for the command to say.

    >>> to_args(denoise="nlm:3", part_images=64, sandbox=True, weights=None)
    ['--denoise=nlm:3', '--part-images=64', '--sandbox']
    """
    args = []
    for name, value in flags.items():
        if value is None or value is False:
            continue
        flag = "--" + name.replace("_", "-")
        if value is True:
            args.append(flag)
        else:
            text = os.fsdecode(value) if isinstance(value, os.PathLike) else str(value)
            # One word, so that a value may begin with "-"; but "--flag=" would take the next one.
            args += [f"{flag}={text}"] if text else [flag, ""]
    return args
