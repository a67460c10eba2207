"""What a file is: by its first bytes, checked against what its name says."""

from __future__ import annotations

import csv
import gzip
import json
import os
import zipfile
import zlib
from collections import Counter
from pathlib import Path

from core.data.sources.formats import BY_SUFFIX, FORMATS, SPOKEN, TEXT_SUFFIXES
from core.data.sources.signatures import (
    IMAGE_SUFFIXES,
    SOUND_SUFFIXES,
    image_kind,
    sound_kind,
)
from core.errors import LeptonError, UsageError
from core.opening import opened

FOREIGN_MAGIC = {
    b"PK\x03\x04": "a zip archive",
    b"PK\x05\x06": "a zip archive",
    b"%PDF": "a PDF document",
    b"\x80\x04\x95": "a pickle",
    b"\x80\x02": "a pickle",
    b"\xfd7zXZ": "an xz archive",
    b"BZh": "a bzip2 archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array",
}
MAGIC = {magic: name for name, each in FORMATS.items() for magic in each.magic}
HEAD = 65_536
# Bell, backspace, tab, line feed, form feed, carriage return, escape.
TERMINAL = (7, 8, 9, 10, 12, 13, 27)
PACKED_ALONE = (".gz", ".zst", ".bz2", ".xz")
# Prose and logs, however many commas are in them.
NEVER_TABLES = (".md", ".log")
TABLE_ENOUGH = 0.9


def is_idx(head: bytes) -> bool:
    return len(head) >= 8 and head[:2] == b"\0\0" and 0x08 <= head[2] <= 0x0E and 1 <= head[3] <= 4


def seems_idx(path: Path) -> bool:
    """Whether a file is IDX, or is called like one and too damaged to be looked into."""
    try:
        return is_idx(read_head(path))
    except LeptonError:
        return "-idx" in path.name or "-ubyte" in path.name


def read_head(path: Path) -> bytes:
    """The first bytes of a file, unpacked when they are gzip.

    Raises:
        UsageError: the file cannot be opened, is none, or is empty.
        LeptonError: it is a damaged gzip file.
    """
    try:
        with opened(path) as file:
            head = file.read(HEAD)
        if head[:2] == b"\x1f\x8b":
            with gzip.open(path) as unpacked:
                head = unpacked.read(HEAD)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise LeptonError(
            "the gzip file is cut short or damaged",
            where=str(path),
            hint="Copy or download it again.",
        ) from error
    except OSError as error:
        raise UsageError(
            f"the file cannot be read: {error.strerror or error}",
            where=str(path),
            hint="Check the name and your rights to read it.",
        ) from error
    if not head:
        raise UsageError("the file is empty", where=str(path), hint="Name a file that holds data.")
    return head


def suffix_of(path: Path | str) -> str:
    """The last suffix, lower-case, with `.gz` and its kin looked through."""
    name, suffix = os.path.splitext(os.fspath(path).lower())  # noqa: PTH122 - it is asked of very many files
    return os.path.splitext(name)[1] if suffix in PACKED_ALONE else suffix  # noqa: PTH122


def by_name(path: Path | str) -> str | None:
    """The format that the name of a file says it has; None when it says nothing."""
    suffix = suffix_of(path)
    if suffix in IMAGE_SUFFIXES:
        return "images"
    if suffix in SOUND_SUFFIXES:
        return "audio"
    return "text" if suffix in TEXT_SUFFIXES else BY_SUFFIX.get(suffix)


def office_kind(path: Path) -> str | None:
    """ "excel", or in words what else a zip archive is that is one document; None: an archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            kind = archive.read("mimetype") if "mimetype" in names else b""
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, zlib.error):
        return None
    if names & {"xl/workbook.xml", "xl/workbook.bin"} or b"opendocument.spreadsheet" in kind:
        return "excel"
    if "[Content_Types].xml" in names or b"opendocument" in kind:
        return "an office document"
    return "a Java archive" if "META-INF/MANIFEST.MF" in names else None


def file_kind(path: Path, named: str | None = None) -> str:
    """The format of a file, as `detect` says it."""
    head = read_head(path)
    suffix = suffix_of(path)
    said = named or BY_SUFFIX.get(suffix)
    found = content_kind(head)
    if head.startswith(b"PK\x03\x04"):
        # One that is cut short cannot be looked into; its reader says so.
        cut = said == "excel" and not zipfile.is_zipfile(path)
        found = "excel" if cut else office_kind(path) or found
    if found == "text":
        if named == "text":
            return "text"
        if said in ("csv", "tsv"):
            if _is_json(head):
                raise _differs(path, said, "JSON Lines", named)
            return said
        if said == "jsonl" or (said is None and _is_json(head)):
            if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"[") and head[:2] not in (
                b"\xff\xfe",
                b"\xfe\xff",
            ):
                raise _differs(path, "jsonl", "other text", named)
            return "jsonl"
        if said is None:
            return "csv" if _is_delimited(head) and suffix not in NEVER_TABLES else "text"
    elif found in FORMATS:
        if said in (None, found):
            return found
    elif (kind := image_kind(head) or sound_kind(head)) and said is None:
        raise UsageError(
            f"this is {kind}, one file",
            where=str(path),
            hint="Name a folder that holds a folder of such files for each class.",
        )
    if said is None:
        raise UsageError(
            f"this is {found}, which cannot be imported",
            where=str(path),
            hint=f"Lepton reads {', '.join(each.spoken for each in FORMATS.values())}.",
        )
    raise _differs(path, said, SPOKEN.get(found, found), named)


def content_kind(head: bytes) -> str:
    """One of `FORMATS`, "text" among them, or in words what the bytes are instead."""
    if known := next((name for magic, name in MAGIC.items() if head.startswith(magic)), None):
        return known
    if head[8:12] == b"DUCK":
        return "duckdb"
    if is_idx(head):
        return "idx"
    foreign = next((kind for magic, kind in FOREIGN_MAGIC.items() if head.startswith(magic)), None)
    if head[257:262] == b"ustar":
        foreign = "a tar archive"
    if known := foreign or (None if _mostly_text(head) else image_kind(head) or sound_kind(head)):
        return known
    return "text" if _mostly_text(head) else "binary data of an unknown kind"


def _mostly_text(head: bytes) -> bool:
    """Whether the bytes could be text in some encoding: hardly any control characters, but for
    those of a terminal, which stand in logs."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True
    nuls = head.count(0)
    wide = nuls > len(head) // 4 and 0 in (head[::2].count(0), head[1::2].count(0))
    control = sum(head.count(bytes([code])) for code in range(1, 32) if code not in TERMINAL)
    return wide or (nuls + control) * 100 <= len(head)


def _is_json(head: bytes) -> bool:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:1] == b"[":
        return text[1:].lstrip()[:1] in (b"{", b"]")
    if text[:1] != b"{":
        return False
    try:
        json.loads(text.splitlines()[0])
    except (ValueError, RecursionError):
        return b'":' in text or b'" :' in text
    return True


def _is_delimited(head: bytes) -> bool:
    """Whether text is a table of at least two columns, beyond doubt, and no prose with commas."""
    utf16 = head[:2] in (b"\xff\xfe", b"\xfe\xff") or 0 in head[:2]
    text = head.decode(("utf-16" if head[0] else "utf-16-be") if utf16 else "utf-8-sig", "replace")
    whole = text if len(head) < HEAD else text.rpartition("\n")[0]
    lines = [line for line in whole.splitlines() if line.strip()]
    for delimiter in ",\t;|":
        prose = sum(line.count(f"{delimiter} ") for line in lines)
        if prose * 2 > sum(line.count(delimiter) for line in lines):
            continue
        try:
            widths = Counter(len(fields) for fields in csv.reader(lines, delimiter=delimiter))
        except csv.Error:
            continue
        if len(lines) > 1 and widths:
            width, often = widths.most_common(1)[0]
            if width > 1 and often >= TABLE_ENOUGH * widths.total():
                return True
    return False


def _differs(path: Path, said: str, found: str, named: str | None) -> UsageError:
    who = "its name says" if named is None else "you named"
    return UsageError(
        f"the file is not what {who}: {SPOKEN[said]} was expected, this is {found}",
        where=str(path),
        hint="Rename the file to what it is, or name its format: --format "
        + ", ".join(list(FORMATS)[:4]),
    )
