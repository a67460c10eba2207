"""Who changes the lake."""

from __future__ import annotations

import getpass


def author_here() -> str:
    """Who makes a version: the person's name on this machine, where it is known."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
