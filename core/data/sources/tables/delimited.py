"""CSV and TSV files, read as the first rows suggest and held against every cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from core.data.sources.columns import hand_over, refuse_bad_cells
from core.data.sources.desk import Arrived, Desk
from core.data.sources.guess import FIRST_ROWS, Guess, doubted, guess
from core.data.sources.settle import settle_texts
from core.data.sources.tables.dialect import LONGEST_LINE, Text, first_lines, sniff
from core.data.sources.tables.faults import places_of, reject_faulty_lines
from core.data.sources.tables.plain_text import needs_rewriting, plain_utf8
from core.data.sources.tables.survey import Survey
from core.errors import LeptonError, UsageError


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


def _surveys(texts: list[Text]) -> list[Survey]:
    return [Survey(text.plain, text.dialect.delimiter, LONGEST_LINE) for text in texts]


class Doubted(Exception):  # noqa: N818 - a reason to look again
    """A cell further down is not what the first rows made of its column.

    `surely`: not by its text either, so that a careful look would only find the same.
    """

    def __init__(self, *, surely: bool = False) -> None:
        self.surely = surely


def _quickly(desk: Desk, paths: list[Path], *, tabs: bool) -> Arrived | None:
    """The files read as the first rows suggest; None when they need a closer look."""
    if any(map(needs_rewriting, paths)):
        return None
    noted = list(desk.notes)
    texts = [Text(path, path, sniff(desk, path, tabs=tabs)) for path in paths]
    surveys = _surveys(texts)
    names = _same_names(texts)
    guesses = _guesses(desk, texts[0], names)
    for careful in (False, True) if len(guesses) == len(names) else ():
        try:
            return _as_guessed(desk, texts, surveys, guesses, careful=careful)
        except Doubted as doubt:
            desk.connection.execute("DROP TABLE IF EXISTS faults; DROP TABLE IF EXISTS scans")
            if doubt.surely or not all(survey.plain for survey in surveys):
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


def _guesses(desk: Desk, text: Text, names: tuple[str, ...]) -> list[Guess]:
    """What the first rows make of each column, but for those that need all rows."""
    import duckdb

    # DuckDB would read far into a large file before it sees that a few rows are enough.
    head = desk.scratch(".csv")
    head.write_text(first_lines(text.plain), encoding="utf-8")
    rows = f"SELECT * FROM {replace(text, plain=head).scan(complain=False)} LIMIT {FIRST_ROWS}"
    try:
        desk.connection.execute(f"CREATE OR REPLACE TEMP TABLE sample AS {rows}")
    except duckdb.InvalidInputException:
        return []
    return [each for each in guess(desk, "sample", names) if each is not None]


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
        raise Doubted(surely=bool(misread))
    reject_faulty_lines(desk, texts, surveys)
    _judge(desk, texts, rows)
    _tell_empties(desk, surveys)
    return replace(arrived, rows=written)


def _union(texts: list[Text], types: Mapping[str, str]) -> str:
    return " UNION ALL BY NAME ".join(
        f"SELECT * FROM {text.scan(complain=True, types=types)}" for text in texts
    )


def _settled(desk: Desk, texts: list[Text], names: tuple[str, ...]) -> Arrived:
    """Load every cell as text, and decide on all of them.

    Where all cells of a column are what the first ones are, that is what it is; so of thousands
    only those are looked at closely in which one is not.
    """
    surveys = _surveys(texts)
    desk.connection.execute(f"CREATE OR REPLACE TEMP TABLE arrived AS {_union(texts, {})}")
    faulty = reject_faulty_lines(desk, texts, surveys)
    types = desk.options.types
    known = [each for each in _guesses(desk, texts[0], names) if each.column not in types]
    wrong = doubted(desk, "arrived", known)
    as_guessed = {each.column: each.plain for each in known if each.column not in wrong}
    settled = settle_texts(desk, "arrived", [name for name in names if name not in as_guessed])
    outs = [as_guessed.get(name) or settled[name] for name in names]
    keep = refuse_bad_cells(
        desk, "arrived", outs, lambda wanted: places_of(desk, texts, wanted, faulty)
    )
    _judge(desk, texts, _count(desk, keep))
    _tell_empties(desk, surveys)
    return hand_over(desk, "arrived", outs, keep)


def _tell_empties(desk: Desk, surveys: list[Survey]) -> None:
    """Say how "" is read: some mean an empty text by it, and more write nothing else for nothing.

    Who puts every cell in quotation marks (pandas, R, most exports can) has no other way to write
    that one is missing, so it is missing here, as in pandas and in DuckDB.
    """
    if any(survey.quoted_empties for survey in surveys):
        desk.note('cells that hold only "" are missing values, as empty cells are')


def _judge(desk: Desk, texts: list[Text], rows: int) -> None:
    if not rows and not desk.rejected:
        several = "the files hold headers" if len(texts) > 1 else "the file holds a header"
        raise UsageError(
            f"{several} and no rows", where=str(desk.source), hint="Name a file that holds data."
        )
    desk.judge(rows, "lines")


def _count(desk: Desk, keep: str) -> int:
    ((count,),) = desk.connection.execute(f"SELECT count(*) FROM arrived WHERE {keep}").fetchall()
    return int(count)
