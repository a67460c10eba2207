"""What the reader of workbooks does not tell of a sheet in an .xlsx file, from its own XML."""

from __future__ import annotations

import html
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import cast

CHUNK = 1 << 20
_SHEET = re.compile(r"<(?:\w+:)?sheet\s[^>]*>")
_RELATION = re.compile(r"<(?:\w+:)?Relationship\s[^>]*>")
_CELL = re.compile(rb'<c\s(?:[^>]*?\s)?r="([A-Z]{1,3})([0-9]{1,7})"([^>]*)>')
_ERROR = re.compile(rb'\bt="e"')


@dataclass(frozen=True)
class Extent:
    """How far a sheet reaches, how many cells it has, and how many of them hold an error."""

    rows: int = 0
    columns: int = 0
    cells: int = 0
    errors: int = 0


def unpacked_bytes(path: Path) -> int:
    """What the parts of a workbook come to; 0 where it is no zip archive.

    Raises:
        BadZipFile: the archive is damaged.
    """
    if not zipfile.is_zipfile(path):
        return 0
    with zipfile.ZipFile(path) as archive:
        return sum(member.file_size for member in archive.infolist())


def extent(path: Path, sheet: str) -> Extent | None:
    """How far a sheet reaches; None where the file is not of this kind.

    Raises:
        BadZipFile, OSError: the archive is damaged.
    """
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        part = _part(archive, sheet)
        if part is None:
            return None
        rows = columns = cells = errors = 0
        with archive.open(part) as stream:
            held = b""
            while chunk := stream.read(CHUNK):
                held += chunk
                whole = held.rfind(b"<")
                for letters, row, rest in _CELL.findall(held, 0, whole):
                    rows, columns = max(rows, int(row)), max(columns, _column(letters))
                    cells += 1
                    errors += _ERROR.search(rest) is not None
                held = held[whole:] if whole >= 0 else b""
        return Extent(rows, columns, cells, errors)


def _column(letters: bytes) -> int:
    """A is 1, Z is 26, AA is 27."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _part(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """The name in the archive of the part that holds a sheet."""
    names = set(archive.namelist())
    book, relations = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
    if not {book, relations} <= names:
        return None
    targets = {
        _attribute(tag, "Id"): _attribute(tag, "Target")
        for tag in _RELATION.findall(archive.read(relations).decode(errors="replace"))
    }
    for tag in _SHEET.findall(archive.read(book).decode(errors="replace")):
        if _attribute(tag, "name") == sheet:
            target = targets.get(_attribute(tag, r"\w+:id"), "")
            part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            part = str(PurePosixPath(part))
            return part if part in names else None
    return None


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf'\s{name}="([^"]*)"', tag)
    return html.unescape(cast(str, found[1])) if found else ""
