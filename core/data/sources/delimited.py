"""CSV and TSV. The dialect is found here, and DuckDB then reads every column as text with it.

DuckDB's own sniffer turns a file with one ragged line into a single column, and a file with an
unclosed quotation mark into one without a header, each without a word. So it is never asked.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from core.data.sources.columns import hand_over, refuse_bad_cells, settle_text
from core.data.sources.desk import Arrived, Desk
from core.data.sources.plain_text import plain_utf8
from core.data.view import literal
from core.errors import LeptonError, UsageError

SAMPLE_BYTES = 1 << 20
SAMPLE_RECORDS = 1000
LONGEST_LINE = 16 << 20
DELIMITERS = ",\t;|"
# Separates nothing: the delimiter of a file of one column, whose text may hold commas.
NO_DELIMITER = "\x1f"
FAULTS = {
    "MISSING COLUMNS": "the line has too few fields",
    "TOO MANY COLUMNS": "the line has too many fields",
    "UNQUOTED VALUE": "a quotation mark is not closed as it should be",
    "LINE SIZE OVER MAXIMUM": "the line is longer than 16 MB",
    "INVALID ENCODING": "the line is not UTF-8",
}


@dataclass(frozen=True)
class Dialect:
    delimiter: str
    header: bool
    names: tuple[str, ...]


def read_csv(desk: Desk, paths: list[Path]) -> Arrived:
    """Read CSV files; see `read_delimited`."""
    return read_delimited(desk, paths[0], tabs=False)


def read_tsv(desk: Desk, paths: list[Path]) -> Arrived:
    """Read TSV files; see `read_delimited`."""
    return read_delimited(desk, paths[0], tabs=True)


def read_delimited(desk: Desk, path: Path, *, tabs: bool) -> Arrived:
    """Read a CSV or TSV file; lines and cells that do not fit are rejected one by one.

    Raises:
        UsageError: there is nothing in it but a header.
        LeptonError: the lines do not agree, a quotation mark is never closed, or most of the lines
            had to be rejected.
    """
    text = plain_utf8(desk, path)
    dialect = sniff(desk, text, tabs=tabs)
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in dialect.names)
    desk.connection.execute(
        f"""CREATE TEMP TABLE arrived AS SELECT * FROM read_csv({literal(str(text))},
            auto_detect = false, columns = {{{columns}}}, delim = {literal(dialect.delimiter)},
            quote = '"', escape = '"', header = {dialect.header}, max_line_size = {LONGEST_LINE},
            store_rejects = true, rejects_limit = 0)"""
    )
    faulty = _structural_rejects(desk)
    outs = [settle_text(desk, "arrived", name) for name in dialect.names]
    rows = _count(desk, "true")
    if not rows and not desk.rejected:
        raise UsageError(
            "the file holds a header and no rows",
            where=str(path),
            hint="Name a file that holds data.",
        )
    keep = refuse_bad_cells(
        desk, "arrived", outs, lambda wanted: _lines_of(text, dialect, wanted, faulty)
    )
    desk.judge(_count(desk, keep), "lines")
    return hand_over(desk, "arrived", outs, keep)


def sniff(desk: Desk, text: Path, *, tabs: bool) -> Dialect:
    """Find delimiter, header and column names in the first megabyte.

    Raises:
        LeptonError: the first line has another number of fields than the lines after it.
    """
    sample = _sample(text)
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
    elif not best_key[0]:
        raise desk.fail(
            f"the first line has {_fields(len(best[1][0]))}, the lines after it {best_key[2]}",
            hint="Take away what stands above the header, name every column in it, and put"
            ' quotation marks (") round text that holds the delimiter.',
        )
    delimiter, records = best
    header = _has_header(records)
    if not header:
        desk.note("the first line looks like data, so the columns are called column0, column1 …")
    names = _names(desk, records[0], header)
    return Dialect(delimiter, header, names)


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"


def _sample(text: Path) -> str:
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


def _names(desk: Desk, first: list[str], header: bool) -> tuple[str, ...]:
    names: list[str] = []
    for i, cell in enumerate(first):
        named = cell.strip().replace("\n", " ") if header else ""
        name, taken, number = named or f"column{i}", {n.lower() for n in names}, 1
        while name.lower() in taken:
            name, number = f"{named or f'column{i}'}_{number}", number + 1
        if header and name != named:
            said = f'a second column "{named}"' if named else f"column {i + 1}, which has no name,"
            desk.note(f'{said} is called "{name}"')
        names.append(name)
    return tuple(names)


def _structural_rejects(desk: Desk) -> set[int]:
    """Take the lines that DuckDB could not split into fields; their line numbers.

    Raises:
        LeptonError: a quotation mark was opened and the lines after it were swallowed.
    """
    found = desk.connection.execute(
        "SELECT line, first(CAST(error_type AS VARCHAR) ORDER BY byte_position),"
        " first(csv_line) FROM reject_errors GROUP BY line ORDER BY line"
    ).fetchall()
    for line, fault, content in found:
        if fault == "UNQUOTED VALUE" and (content or "").rstrip("\n").count("\n"):
            lost = content.rstrip("\n").count("\n") + 1
            raise LeptonError(
                f"a quotation mark opened on line {line} is not closed on it, which makes one cell"
                f" of {lost:,} lines",
                where=f"{desk.source}, line {line}",
                hint='Close the quotation mark, or write "" for one that is part of the text.',
            )
        desk.reject(f"line {line:,}", FAULTS.get(fault, fault.lower()), value=content)
    return {line for line, *_ in found}


def _count(desk: Desk, keep: str) -> int:
    row = desk.connection.execute(f"SELECT count(*) FROM arrived WHERE {keep}").fetchone()
    return int(row[0]) if row else 0


def _lines_of(text: Path, dialect: Dialect, wanted: list[int], faulty: set[int]) -> dict[int, str]:
    """The line on which each of these rows of the table began."""
    found: dict[int, str] = {}
    left = set(wanted)
    row = -1
    with text.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=dialect.delimiter, quotechar='"')
        if dialect.header:
            next((record for record in reader if record), None)
        begin = reader.line_num + 1
        for record in reader:
            line, begin = begin, reader.line_num + 1
            if line in faulty or (not record and len(dialect.names) > 1):
                continue
            row += 1
            if row in left:
                found[row] = f"line {line:,}"
                left.discard(row)
                if not left:
                    break
    return found
