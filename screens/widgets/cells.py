"""One value of a table as a short line of text, safe to draw whatever it holds."""

from __future__ import annotations

import datetime
import json
import math
from typing import NamedTuple

from screens.text import clip, human_bytes, plain

MISSING = "∅"
_IMAGES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")


class CellText(NamedTuple):
    """What a cell shows; `dim` where that is not the value itself but a word about it."""

    text: str
    dim: bool = False
    right: bool = False


def cell_text(value: object, width: int) -> CellText:
    """A value in at most `width` terminal cells; numbers stand at the right."""
    if value is None:
        return CellText(MISSING, dim=True)
    if isinstance(value, bytes | bytearray | memoryview):
        kind = "image" if _is_image(bytes(value[:12])) else "bytes"
        return CellText(clip(f"<{kind} {human_bytes(len(value))}>", width), dim=True)
    if isinstance(value, bool):
        return CellText("true" if value else "false")
    if isinstance(value, int):
        return CellText(clip(str(value), width), right=True)
    if isinstance(value, float):
        return CellText(clip(_float(value), width), right=True)
    # Of a long text no more is looked at than could be seen.
    return CellText(clip(plain(_words(value)[: width * 4 + 1]), width))


def _is_image(start: bytes) -> bool:
    return start.startswith(_IMAGES) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")


def _float(value: float) -> str:
    if math.isnan(value):
        return "nan"
    return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.10g}"


def _words(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
