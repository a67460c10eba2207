"""CSV and TSV. The dialect is found here, and DuckDB then reads every column as text with it.

DuckDB's own sniffer turns a file with one ragged line into a single column, and a file with an
unclosed quotation mark into one without a header, each without a word. So it is never asked.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from core.data.sources.columns import hand_over, refuse_bad_cells
from core.data.sources.desk import Arrived, Desk
from core.data.sources.guess import FIRST_ROWS, Guess, guess, settle_text
from core.data.sources.naming import column_names
from core.data.sources.plain_text import needs_rewriting, plain_utf8
from core.data.sources.survey import Survey
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


@dataclass(frozen=True)
class Text:
    """One file to read: as plain UTF-8, and as a person knows it."""

    plain: Path
    path: Path
    dialect: Dialect

    def scan(self, *, complain: bool, types: Mapping[str, str] | None = None) -> str:
        """SQL that reads the columns, as text if nothing else is said.

        Bad lines are left out, or told in `faults`.
        """
        kinds = {name: (types or {}).get(name, "VARCHAR") for name in self.dialect.names}
        columns = ", ".join(f"{literal(name)}: '{kind}'" for name, kind in kinds.items())
        told = "store_rejects = true, rejects_table = 'faults', rejects_scan = 'scans'"
        return f"""read_csv({literal(str(self.plain))}, auto_detect = false,
            columns = {{{columns}}}, delim = {literal(self.dialect.delimiter)}, quote = '"',
            escape = '"', header = {self.dialect.header}, max_line_size = {LONGEST_LINE},
            {f"{told}, rejects_limit = 0" if complain else "ignore_errors = true"})"""


def read_csv(desk: Desk, paths: list[Path]) -> Arrived:
    """Read CSV files; see `read_delimited`."""
    return read_delimited(desk, paths, tabs=False)


def read_tsv(desk: Desk, paths: list[Path]) -> Arrived:
    """Read TSV files; see `read_delimited`."""
    return read_delimited(desk, paths, tabs=True)


def read_delimited(desk: Desk, paths: list[Path], *, tabs: bool) -> Arrived:
    """Read CSV or TSV files of the same columns; what does not fit is rejected one by one.

    The columns are guessed on the first rows, and the whole is written as guessed in one pass;
    only if a cell speaks against it is everything loaded, and settled on all cells.

    Raises:
        UsageError: there is nothing in them but a header.
        LeptonError: the lines, or the files, do not agree, a quotation mark is never closed, or
            most of the lines had to be rejected.
    """
    if not desk.options.types and (arrived := _quickly(desk, paths, tabs=tabs)):
        return arrived
    texts = []
    for path in paths:
        plain = plain_utf8(desk, path)
        texts.append(Text(plain, path, sniff(desk, plain, tabs=tabs)))
    return _settled(desk, texts, _same_names(texts))


class Doubted(Exception):  # noqa: N818 - a reason to look again
    """A cell further down is not what the first rows made of its column."""


def _quickly(desk: Desk, paths: list[Path], *, tabs: bool) -> Arrived | None:
    """The files read as the first rows suggest; None when they need a closer look."""
    if any(map(needs_rewriting, paths)):
        return None
    noted = list(desk.notes)
    texts = [Text(path, path, sniff(desk, path, tabs=tabs)) for path in paths]
    surveys = [Survey(text.plain, text.dialect.delimiter) for text in texts]
    guesses = _guesses(desk, texts[0], _same_names(texts))
    for careful in (False, True) if guesses is not None else ():
        try:
            return _as_guessed(desk, texts, surveys, guesses or [], careful=careful)
        except Doubted:
            desk.connection.execute("DROP TABLE IF EXISTS faults; DROP TABLE IF EXISTS scans")
            if not all(survey.plain for survey in surveys):
                break
    desk.notes[:] = noted
    return None


def _same_names(texts: list[Text]) -> tuple[str, ...]:
    """The column names of all files, in the first one's order.

    Raises:
        LeptonError: a file has other columns.
    """
    first = texts[0].dialect.names
    for text in texts[1:]:
        if odd := sorted(set(text.dialect.names) ^ set(first)):
            raise LeptonError(
                f"the files do not have the same columns: {', '.join(odd[:5])}",
                where=f"{text.path} beside {texts[0].path}",
                hint="Import files of the same columns at a time.",
            )
    return first


def _guesses(desk: Desk, text: Text, names: tuple[str, ...]) -> list[Guess] | None:
    """What the first rows make of each column; None when a column needs all rows."""
    import duckdb

    # DuckDB would read far into a large file before it sees that a few rows are enough.
    head = desk.scratch(".csv")
    head.write_text(_sample(text.plain), encoding="utf-8")
    rows = f"SELECT * FROM {replace(text, plain=head).scan(complain=False)} LIMIT {FIRST_ROWS}"
    try:
        desk.connection.execute(f"CREATE OR REPLACE TEMP TABLE sample AS {rows}")
    except duckdb.InvalidInputException:
        return None
    return guess(desk, "sample", names)


def _as_guessed(
    desk: Desk,
    texts: list[Text],
    surveys: list[Survey],
    guesses: list[Guess],
    *,
    careful: bool,
) -> Arrived:
    """Write the rows as guessed, every cell held against the guess on its way.

    Quickly, DuckDB's reader makes the numbers, and the surveys say whether it may have misread
    some; carefully, each cell is looked at as text.

    Raises:
        Doubted: a cell differs, or the files are not plain text.
    """
    import duckdb

    types = {} if careful else {each.column: each.read for each in guesses}
    desk.connection.execute(f"CREATE OR REPLACE TEMP VIEW scanned AS {_union(texts, types)}")
    outs = [each.out(careful=careful) for each in guesses]
    arrived = hand_over(desk, "scanned", outs, sample="sample")
    try:
        written, rows = desk.read_once(str(arrived.rows))
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        raise Doubted from error
    numbers = not careful and any(each.read == "DOUBLE" for each in guesses)
    misread = desk.connection.execute(
        "SELECT 1 FROM faults WHERE error_type IN ('CAST', 'INVALID ENCODING') LIMIT 1"
    ).fetchall()
    if misread or any(not each.plain or (numbers and each.odd_numbers) for each in surveys):
        raise Doubted
    _structural_rejects(desk, texts)
    _judge(desk, texts, rows)
    return replace(arrived, rows=written)


def _union(texts: list[Text], types: Mapping[str, str]) -> str:
    return " UNION ALL BY NAME ".join(
        f"SELECT * FROM {text.scan(complain=True, types=types)}" for text in texts
    )


def _settled(desk: Desk, texts: list[Text], names: tuple[str, ...]) -> Arrived:
    """Load every cell as text, and decide on all of them."""
    desk.connection.execute(f"CREATE OR REPLACE TEMP TABLE arrived AS {_union(texts, {})}")
    faulty = _structural_rejects(desk, texts)
    outs = [settle_text(desk, "arrived", name) for name in names]
    keep = refuse_bad_cells(
        desk, "arrived", outs, lambda wanted: _places_of(desk, texts, wanted, faulty)
    )
    _judge(desk, texts, _count(desk, keep))
    return hand_over(desk, "arrived", outs, keep)


def _judge(desk: Desk, texts: list[Text], rows: int) -> None:
    if not rows and not desk.rejected:
        several = "the files hold headers" if len(texts) > 1 else "the file holds a header"
        raise UsageError(
            f"{several} and no rows", where=str(desk.source), hint="Name a file that holds data."
        )
    desk.judge(rows, "lines")


def sniff(desk: Desk, text: Path, *, tabs: bool) -> Dialect:
    """Find delimiter, header and column names in the first megabyte.

    Raises:
        UsageError: there is nothing but blank lines.
        LeptonError: the first line has another number of fields than the lines after it.
    """
    sample = _sample(text)
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
    elif not best_key[0]:
        if lost := _lines_in_one_cell(best[1]):
            raise desk.fail(
                f"a quotation mark opened on line {lost[0]} is not closed on it, which makes one"
                f" cell of {lost[1]:,} lines or more",
                hint='Close the quotation mark, or write "" for one that is part of the text.',
            )
        raise desk.fail(
            f"the first line has {_fields(len(best[1][0]))}, the lines after it {best_key[2]}",
            hint="Take away what stands above the header, name every column in it, and put"
            ' quotation marks (") round text that holds the delimiter.',
        )
    delimiter, records = best
    header = _has_header(records)
    if not header:
        desk.note("the first line looks like data, so the columns are called column0, column1 …")
    names = column_names(desk, records[0], header=header)
    return Dialect(delimiter, header, names)


def _lines_in_one_cell(records: list[list[str]]) -> tuple[int, int] | None:
    """The line on which the last record begins, and how many lines it swallowed; None: just one."""
    lengths = [1 + sum(cell.count("\n") for cell in record) for record in records]
    return (1 + sum(lengths[:-1]), lengths[-1]) if lengths[-1] > 2 else None


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


def _structural_rejects(desk: Desk, texts: list[Text]) -> dict[Path, set[int]]:
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
        if fault == "UNQUOTED VALUE" and (content or "").rstrip("\n").count("\n"):
            lost = content.rstrip("\n").count("\n") + 1
            raise LeptonError(
                f"a quotation mark opened on line {line} is not closed on it, which makes one cell"
                f" of {lost:,} lines",
                where=f"{path}, line {line}",
                hint='Close the quotation mark, or write "" for one that is part of the text.',
            )
        what = FAULTS.get(fault, fault.lower())
        desk.reject(f"line {line:,}", what, value=content, file=_named(desk, texts, path))
        faulty[path].add(line)
    return faulty


def _named(desk: Desk, texts: list[Text], path: Path) -> str | None:
    """How a reject calls its file: not at all where it is the source itself."""
    name = desk.called(path)
    return None if len(texts) == 1 and name == str(desk.source) else name


def _count(desk: Desk, keep: str) -> int:
    ((count,),) = desk.connection.execute(f"SELECT count(*) FROM arrived WHERE {keep}").fetchall()
    return int(count)


def _places_of(
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
