"""Small words of messages."""

from __future__ import annotations


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: 1 file, 1,234 files."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
