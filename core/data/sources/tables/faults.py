"""The lines of a CSV file that DuckDB could not split into fields, and where its rows stood."""

from __future__ import annotations

import csv
from pathlib import Path

from core.data.sources.desk import Desk
from core.data.sources.tables.dialect import CLOSE_IT, Text, unclosed
from core.data.sources.tables.survey import Survey
from core.errors import LeptonError

TOO_LONG = "LINE SIZE OVER MAXIMUM"
FAULTS = {
    "MISSING COLUMNS": "the line has too few fields",
    "TOO MANY COLUMNS": "the line has too many fields",
    "UNQUOTED VALUE": "a quotation mark is not closed as it should be",
    TOO_LONG: "the line is longer than 16 MB",
    "INVALID ENCODING": "the line is not UTF-8",
}


def reject_faulty_lines(
    desk: Desk, texts: list[Text], surveys: list[Survey]
) -> dict[Path, set[int]]:
    """Take the lines that DuckDB could not split into fields; their line numbers in each file.

    Raises:
        LeptonError: a quotation mark was opened and the lines after it were swallowed.
    """
    found = desk.connection.execute(
        "SELECT s.file_path, f.line, first(CAST(f.error_type AS VARCHAR) ORDER BY f.byte_position),"
        " first(f.csv_line) FROM faults f JOIN scans s USING (scan_id, file_id)"
        " GROUP BY ALL ORDER BY s.file_path, f.line"
    ).fetchall()
    known = {str(text.plain): text.path for text in texts}
    faulty: dict[Path, set[int]] = {path: set() for path in known.values()}
    for plain, line, fault, content in found:
        path = known[plain]
        lost = (content or "").rstrip("\n").count("\n") + 1
        if fault in ("UNQUOTED VALUE", TOO_LONG) and lost > 1:
            raise LeptonError(unclosed(line, lost), where=f"{path}, line {line}", hint=CLOSE_IT)
        what = FAULTS.get(fault, fault.lower())
        desk.reject(f"line {line:,}", what, value=content, file=_named(desk, texts, path))
        faulty[path].add(line)
    for text, survey in zip(texts, surveys, strict=True):
        for line in survey.long_lines():
            if line not in faulty[text.path]:
                file = _named(desk, texts, text.path)
                desk.reject(f"line {line:,}", FAULTS[TOO_LONG], file=file)
                faulty[text.path].add(line)
    return faulty


def _named(desk: Desk, texts: list[Text], path: Path) -> str | None:
    """How a reject calls its file: not at all where it is the source itself."""
    name = desk.called(path)
    return None if len(texts) == 1 and name == str(desk.source) else name


def places_of(
    desk: Desk, texts: list[Text], wanted: list[int], faulty: dict[Path, set[int]]
) -> dict[int, tuple[str | None, str]]:
    """The file and line in which each of these rows of the table began."""
    found: dict[int, tuple[str | None, str]] = {}
    left = set(wanted)
    row = -1
    for text in texts:
        with text.plain.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=text.dialect.delimiter, quotechar='"')
            if text.dialect.header:
                next((record for record in reader if record), None)
            begin = reader.line_num + 1
            for record in reader:
                line, begin = begin, reader.line_num + 1
                if line in faulty[text.path] or (not record and len(text.dialect.names) > 1):
                    continue
                row += 1
                if row in left:
                    found[row] = (_named(desk, texts, text.path), f"line {line:,}")
                    left.discard(row)
                    if not left:
                        return found
    return found
