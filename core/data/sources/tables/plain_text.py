"""Text in any of the usual encodings, gzipped or not, made plain UTF-8 that DuckDB can read."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from core.data.sources.desk import Desk
from core.errors import LeptonError

CHUNK = 1 << 20


@dataclass(frozen=True)
class _Scan:
    utf8: bool
    nuls: int
    mixed_newlines: bool


def plain_utf8(desk: Desk, path: Path) -> Path:
    """A UTF-8 file with the same text: `path` itself where that is one, else a scratch copy.

    What had to be changed is noted on the desk.

    Raises:
        LeptonError: the gzip file is cut short or damaged.
    """
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    encoding = _wide_encoding(path, packed)
    if encoding is None:
        scan = _scan(path, packed)
        if scan.utf8 and not (packed or scan.nuls or scan.mixed_newlines):
            return path
        encoding = "utf-8-sig" if scan.utf8 else _narrow_encoding(path, packed)
        if scan.nuls:
            desk.note(f"{scan.nuls:,} NUL characters were taken out of the text")
    if encoding != "utf-8-sig":
        desk.note(f"the text is not UTF-8; it was read as {encoding}")
    copy = desk.scratch(".txt")
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    held = ""
    replaced = 0
    with copy.open("w", encoding="utf-8", newline="") as out:
        for chunk in _chunks(path, packed):
            text = held + decoder.decode(chunk)
            # A carriage return at the end of a chunk may be half of a line end.
            held = "\r" if text.endswith("\r") else ""
            replaced += text.count("\ufffd")
            out.write(_clean(text[: len(text) - len(held)]))
        out.write(_clean(held + decoder.decode(b"", final=True)))
    if replaced:
        desk.note(f"{replaced:,} characters could not be read in that encoding and show as \ufffd")
    return copy


def needs_rewriting(path: Path) -> bool:
    """Whether the first bytes say that this is no plain UTF-8: packed, marked, or of wide letters.

    Raises:
        LeptonError: the gzip file is cut short or damaged.
    """
    with path.open("rb") as file:
        head = file.read(3)
    packed = head[:2] == b"\x1f\x8b"
    return packed or _wide_encoding(path, packed) is not None


def _clean(text: str) -> str:
    return text.replace("\0", "").replace("\r\n", "\n")


def _chunks(path: Path, packed: bool) -> Iterator[bytes]:
    try:
        with path.open("rb") as raw, gzip.open(raw) if packed else nullcontext(raw) as file:
            while chunk := cast(BinaryIO, file).read(CHUNK):
                yield chunk
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise LeptonError(
            "the gzip file is cut short or damaged",
            where=str(path),
            hint="Copy or download it again.",
        ) from error


def _scan(path: Path, packed: bool) -> _Scan:
    decoder = codecs.getincrementaldecoder("utf-8")()
    utf8, nuls, both, feeds, last = True, 0, 0, 0, b""
    for chunk in _chunks(path, packed):
        nuls += chunk.count(0)
        both += chunk.count(b"\r\n") + (last == b"\r" and chunk[:1] == b"\n")
        feeds += chunk.count(b"\n")
        last = chunk[-1:]
        if utf8:
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                utf8 = False
    if utf8:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            utf8 = False
    return _Scan(utf8, nuls, 0 < both < feeds)


def _wide_encoding(path: Path, packed: bool) -> str | None:
    """The UTF-16 or UTF-32 in use, by its mark or by where the zero bytes stand."""
    head = next(_chunks(path, packed), b"")[:65_536]
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    even, odd = head[::2].count(0), head[1::2].count(0)
    if odd > len(head) // 4 and not even:
        return "utf-16-le"
    if even > len(head) // 4 and not odd:
        return "utf-16-be"
    return None


def _narrow_encoding(path: Path, packed: bool) -> str:
    """Windows-1252 where every byte has a meaning in it, else Latin-1, in which every byte has."""
    undefined = bytes((0x81, 0x8D, 0x8F, 0x90, 0x9D))
    for chunk in _chunks(path, packed):
        if len(chunk.translate(None, undefined)) != len(chunk):
            return "latin-1"
    return "cp1252"
