"""The dialect of a CSV or TSV file, found in its first megabyte, and the SQL that reads it so.

DuckDB's own sniffer turns a file with one ragged line into a single column, and a file with an
unclosed quotation mark into one without a header, each without a word. So it is never asked.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.data.lake.view import literal
from core.data.sources.desk import Desk
from core.data.sources.guess import USUAL_FORMAT
from core.data.sources.naming import column_names
from core.errors import UsageError

SAMPLE_BYTES = 1 << 20
SAMPLE_RECORDS = 1000
LONGEST_LINE = 16 << 20
# DuckDB would take sixteen of the longest lines, and spend its time on asking for the memory.
BUFFER = 2 * LONGEST_LINE
DELIMITERS = ",\t;|"
# Separates nothing: the delimiter of a file of one column, whose text may hold commas.
NO_DELIMITER = "\x1f"
CLOSE_IT = 'Close the quotation mark, or write "" for one that is part of the text.'


@dataclass(frozen=True)
class Dialect:
    delimiter: str
    header: bool
    names: tuple[str, ...]


@dataclass(frozen=True)
class Text:
    """One file to read: as plain UTF-8, and as a person knows it."""

    plain: Path
    path: Path
    dialect: Dialect

    def scan(self, *, complain: bool, types: Mapping[str, str] | None = None) -> str:
        """SQL that reads the columns, as text if nothing else is said; times in their usual form.

        Bad lines are left out, or told in `faults`.
        """
        kinds = {name: (types or {}).get(name, "VARCHAR") for name in self.dialect.names}
        columns = ", ".join(f"{literal(name)}: '{kind}'" for name, kind in kinds.items())
        told = "store_rejects = true, rejects_table = 'faults', rejects_scan = 'scans'"
        return f"""read_csv({literal(str(self.plain))}, auto_detect = false,
            columns = {{{columns}}}, delim = {literal(self.dialect.delimiter)}, quote = '"',
            escape = '"', header = {self.dialect.header}, max_line_size = {LONGEST_LINE},
            buffer_size = {BUFFER}, timestampformat = {literal(USUAL_FORMAT)},
            {f"{told}, rejects_limit = 0" if complain else "ignore_errors = true"})"""


def sniff(desk: Desk, text: Path, *, tabs: bool) -> Dialect:
    """Find delimiter, header and column names in the first megabyte.

    Raises:
        UsageError: there is nothing but blank lines.
        LeptonError: the first line has another number of fields than the lines after it.
    """
    sample = first_lines(text)
    if not sample.strip():
        raise UsageError("there are only blank lines", where=str(text), hint="Name another file.")
    candidates = "\t,;|" if tabs else DELIMITERS
    best, best_key = None, (False, 0.0, 0)
    for delimiter in candidates:
        records = _records(sample, delimiter)
        if not records:
            continue
        widths = Counter(len(record) for record in records[1:] or records)
        width, lines = widths.most_common(1)[0]
        share = round(lines / widths.total(), 2)
        agrees = len(records[0]) == width
        if width > 1 and share >= 0.5 and (agrees, share, width) > best_key:
            best, best_key = (delimiter, records), (agrees, share, width)
    if best is None:
        headers = _records(sample, DELIMITERS[0])[:1]
        if headers and len(headers[0]) > 1:
            # The header names columns that the lines do not have: let the reader count them.
            best = (DELIMITERS[0], _records(sample, DELIMITERS[0]))
        else:
            best = (NO_DELIMITER, _records(sample, NO_DELIMITER))
        ragged = False
    else:
        ragged = not best_key[0]
    delimiter, records = best
    # Of a header that is not closed, all rows are a part.
    if (ragged or len(records) == 1) and (opened := _never_closed(sample, delimiter)):
        line, lines = opened
        raise desk.fail(unclosed(line, lines), hint=CLOSE_IT, where=(f"line {line}",))
    if ragged:
        raise desk.fail(
            f"the first line has {_fields(len(records[0]))}, the lines after it {best_key[2]}",
            hint="Take away what stands above the header, name every column in it, and put"
            ' quotation marks (") round text that holds the delimiter.',
        )
    header = _has_header(records)
    if not header:
        desk.note("the first line looks like data, so the columns are called column0, column1 …")
    names = column_names(desk, records[0], header=header)
    return Dialect(delimiter, header, names)


def unclosed(line: int, lines: int) -> str:
    """What is wrong where a quotation mark swallows so many lines."""
    opened = f"a quotation mark opened on line {line} is not closed"
    return (
        f"{opened} on it, which makes one cell of {lines:,} lines or more" if lines > 1 else opened
    )


def _never_closed(sample: str, delimiter: str) -> tuple[int, int] | None:
    """The line on which a quotation mark swallowed the rest, and how many lines that is."""
    lines = _split_lines(sample.rstrip("\r\n"))
    reader = csv.reader(lines, delimiter=delimiter, quotechar='"')
    begin, opened = 1, None
    for record in reader:
        # What comes to the end unclosed has the last line feed in it.
        opened = begin if record and record[-1].endswith("\n") else None
        begin = reader.line_num + 1
    return None if opened is None else (opened, len(lines) - opened + 1)


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"


def first_lines(text: Path) -> str:
    """The whole lines of the first megabyte."""
    with text.open("rb") as file:
        head = file.read(SAMPLE_BYTES)
        more = file.read(1) != b""
    if more and (end := max(head.rfind(b"\n"), head.rfind(b"\r"))) > 0:
        head = head[: end + 1]
    return head.decode("utf-8-sig", errors="replace")


def _records(sample: str, delimiter: str) -> list[list[str]]:
    """The first records, parsed without complaint; blank lines are left out."""
    csv.field_size_limit(LONGEST_LINE)
    records: list[list[str]] = []
    for record in csv.reader(_split_lines(sample), delimiter=delimiter, quotechar='"'):
        if record:
            records.append(record)
        if len(records) > SAMPLE_RECORDS:
            break
    return records


def _split_lines(text: str) -> list[str]:
    # Not str.splitlines, which also breaks at form feeds and other marks inside cells.
    whole = text.replace("\r\n", "\n").replace("\r", "\n")
    return [line + "\n" for line in whole.split("\n")]


def _has_header(records: list[list[str]]) -> bool:
    """Whether the first record names columns.

    It does not when it has a number in every column that has only numbers, or, where no column has
    numbers, when one of its cells comes again below.
    """
    first, body = records[0], records[1:]
    if not body:
        return not any(_is_number(cell) for cell in first)
    numeric = [
        i
        for i in range(len(first))
        if (cells := [r[i] for r in body if len(r) > i and r[i].strip()])
        and sum(map(_is_number, cells)) >= 0.9 * len(cells)
    ]
    if numeric:
        return not all(_is_number(first[i]) for i in numeric)
    return not any(
        cell.strip() and any(len(r) > i and r[i] == cell for r in body)
        for i, cell in enumerate(first)
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip().replace(",", "."))
    except ValueError:
        return False
    return True
