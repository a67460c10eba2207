"""What a server calls the content of a file by: its ETag, or the time when it was written."""

from __future__ import annotations

import re
from datetime import timedelta
from email.message import Message
from email.utils import parsedate_to_datetime

# From then on, the time at which a file was written is that of its content (RFC 9110, 8.8.2.2).
SETTLED = timedelta(seconds=60)


def mark_of(headers: Message) -> str | None:
    """What tells the content of a file from another; None where nothing does."""
    etag, written = headers.get("ETag", "").strip(), headers.get("Last-Modified", "").strip()
    if is_etag(etag):
        return etag
    try:
        age = parsedate_to_datetime(headers.get("Date", "")) - parsedate_to_datetime(written)
    except (ValueError, TypeError):
        return None
    # What was written a moment ago may be written again in the same second.
    return written if age >= SETTLED else None


def is_etag(mark: str) -> bool:
    return re.fullmatch(r'(W/)?"[\x21\x23-\x7e]{1,200}"', mark) is not None


def tells_bytes(mark: str) -> bool:
    """Whether all bytes are the same where the mark is: a weak one says that of the meaning."""
    return not mark.startswith("W/")
