"""What data sets, models, versions and tags may be called, and how a person refers to one."""

from __future__ import annotations

import re

from core.errors import UsageError

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def as_name(text: str) -> str:
    """The name that a text makes, without what no name may hold; empty where nothing is left."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:64]


def valid_name(name: str) -> str:
    """Return the name of a data set or model unchanged when it is one.

    Raises:
        UsageError: it holds other characters than lower-case letters, digits, `.`, `_` and `-`.
    """
    if NAME.fullmatch(name):
        return name
    fixed = as_name(name)
    raise UsageError(
        f'"{name}" cannot be a name: use lower-case letters, digits, ".", "_" and "-"',
        hint=f'"{fixed}" would do.' if fixed else "",
    )


def split_ref(ref: str) -> tuple[str, int | str | None]:
    """`"name@3"` as `("name", 3)`, `"name@best"` as `("name", "best")`, `"name"` with None."""
    name, at, which = ref.partition("@")
    if not at:
        return name, None
    if which.isdigit():
        return name, int(which)
    if not NAME.fullmatch(which):
        raise UsageError(
            f'"{ref}" is no version', hint=f'Write "{name}@1", "{name}@TAG", or "{name}" alone.'
        )
    return name, which
