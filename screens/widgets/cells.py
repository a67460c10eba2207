"""One value of a table as a short line of text, safe to draw whatever it holds."""

from __future__ import annotations

import datetime
import json
import math
from typing import NamedTuple

from screens.text import clip, human_bytes, plain

MISSING = "∅"
_IMAGES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")
_SOUNDS = (b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")


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
        kind = media_kind(bytes(value[:12])) or "bytes"
        return CellText(clip(f"<{kind} {human_bytes(len(value))}>", width), dim=True)
    if isinstance(value, bool):
        return CellText("true" if value else "false")
    if isinstance(value, int):
        return CellText(clip(str(value), width), right=True)
    if isinstance(value, float):
        return CellText(clip(_float(value), width), right=True)
    # Of a long value no more is looked at than could be seen.
    most = max(width, 0) * 4 + 1
    return CellText(clip(plain(_words(value, most)[:most]), width))


def media_kind(start: bytes) -> str:
    """What bytes are by their first twelve: "image" or "sound", or "" for neither."""
    riff = start[8:12] if start[:4] == b"RIFF" else b""
    if start.startswith(_IMAGES) or riff == b"WEBP":
        return "image"
    return "sound" if start.startswith(_SOUNDS) or riff == b"WAVE" else ""


def _float(value: float) -> str:
    if math.isnan(value):
        return "nan"
    return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.10g}"


def _words(value: object, most: int) -> str:
    """The value in words, of which at least the first `most` characters are written."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, list | tuple | dict):
        try:
            return _json(value, most)
        except (TypeError, ValueError):  # a key that JSON has not, or a value inside itself
            return str(value)
    return str(value)


def _json(value: list[object] | tuple[object, ...] | dict[object, object], most: int) -> str:
    written, length = [], 0
    encoder = json.JSONEncoder(
        ensure_ascii=False, default=lambda inner: cell_text(inner, most).text
    )
    for piece in encoder.iterencode(value):
        written.append(piece[:most])
        length += len(piece)
        if length >= most:
            break
    return "".join(written)
