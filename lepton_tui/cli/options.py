"""What several nouns take on their command line."""

from __future__ import annotations


def comma_list(text: str | None) -> list[str] | None:
    """`"a, b"` as `["a", "b"]`."""
    return [part.strip() for part in text.split(",") if part.strip()] if text else None
