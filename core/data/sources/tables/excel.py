"""Workbooks (.xlsx, .xlsm, .xlsb, .xls, .ods): one sheet, its first filled row as the header."""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.lake.view import quoted
from core.data.sources.columns import Out, Place, hand_over, refuse_bad_cells
from core.data.sources.desk import Arrived, Desk
from core.data.sources.guess import EXACT_INTEGERS
from core.data.sources.naming import column_names
from core.data.sources.said import counted
from core.data.sources.settle import settle_texts
from core.data.sources.tables.arrow import add
from core.data.sources.tables.xlsx import extent, unpacked_bytes
from core.data.sources.unpack import MOST_RATIO, RATIO_FROM
from core.errors import LeptonError, UsageError, nearest

if TYPE_CHECKING:
    import pyarrow as pa
    from python_calamine import CalamineWorkbook

# A sheet is read as the whole rectangle that it reaches over, empty cells included.
MOST_CELLS = 100_000_000
# A part of a workbook that is larger than this would not fit into the memory.
MOST_BYTES = 8 << 30


@dataclass(frozen=True)
class Sheet:
    """The rows of one sheet below its header, and the numbers that they have in it."""

    path: Path
    names: tuple[str, ...]
    rows: list[list[Any]]
    numbers: list[int]


def read_workbooks(desk: Desk, paths: list[Path]) -> Arrived:
    """Read the sheet that `desk.options.table` names, or the first that holds rows.

    Several workbooks are read as one table if their sheets have the same columns. A column of
    numbers, of dates or of truth values keeps its type; any other is text, settled like that of a
    CSV file. Rows and columns without a value are dropped; a cell with an error is missing.

    Raises:
        UsageError: there is no such sheet, no rows, or no library to read workbooks.
        LeptonError: a workbook is damaged, locked with a password, or far too large.
    """
    import pyarrow as pa

    sheets = []
    for done, path in enumerate(paths, 1):
        sheets.append(_sheet(desk, path))
        desk.progress(done, len(paths))
    first = sheets[0]
    for sheet in sheets[1:]:
        if sheet.names != first.names:
            odd = sorted(set(sheet.names) ^ set(first.names))
            raise LeptonError(
                "the sheets do not have the same columns"
                + (f": {', '.join(odd[:5])}" if odd else ", or not in the same order"),
                where=f"{sheet.path} beside {first.path}",
                hint="Import workbooks of the same columns at a time.",
            )
    made: dict[str, pa.Array] = {}
    mixed: dict[str, bool] = {}
    for i, name in enumerate(first.names):
        cells = [row[i] for sheet in sheets for row in sheet.rows]
        made[name] = _typed(cells, as_text=name in desk.options.types)
        kinds = {_kind(cell) for cell in cells if cell is not None}
        mixed[name] = len(kinds) > 1
    table = pa.table(made)
    add(desk, table)
    outs = []
    texts = [name for name in first.names if made[name].type == pa.string()]
    settled = settle_texts(desk, "arrived", texts)
    for name in first.names:
        out = settled.get(name) or _out(name, made[name].type)
        if mixed[name] and out.type == "VARCHAR" and name not in desk.options.types:
            desk.note(f'column "{name}" holds cells of several kinds; it was kept as text')
        outs.append(out)
    places = _places(desk, sheets)
    keep = refuse_bad_cells(desk, "arrived", outs, lambda rows: {row: places[row] for row in rows})
    ((count,),) = desk.connection.execute(f"SELECT count(*) FROM arrived WHERE {keep}").fetchall()
    desk.judge(count, "rows")
    return hand_over(desk, "arrived", outs, keep)


def _places(desk: Desk, sheets: list[Sheet]) -> list[Place]:
    return [
        (desk.called(sheet.path) if len(sheets) > 1 else None, f"row {number:,}")
        for sheet in sheets
        for number in sheet.numbers
    ]


def _sheet(desk: Desk, path: Path) -> Sheet:
    with _guarded(path):
        size = unpacked_bytes(path)
        if size > MOST_BYTES or (size > RATIO_FROM and size > MOST_RATIO * path.stat().st_size):
            raise LeptonError(
                f"the workbook unpacks into {size:,} bytes, which no honest workbook does",
                where=str(path),
                hint="Save it anew, or as CSV.",
            )
        book = _opened(path)
        for name in _candidates(desk, path, book):
            reach = extent(path, name)
            if reach and reach.rows * reach.columns > MOST_CELLS:
                raise LeptonError(
                    f'the sheet "{name}" reaches over {reach.rows:,} rows and {reach.columns:,}'
                    f" columns for {reach.cells:,} cells",
                    where=str(path),
                    hint="Delete the rows and columns far from the table, and save it anew.",
                )
            held = book.get_sheet_by_name(name)
            numbered = [
                (number, [None if cell == "" else cell for cell in row])
                for number, row in enumerate(held.iter_rows(), 1)
            ]
            filled = [(n, row) for n, row in numbered if any(cell is not None for cell in row)]
            if len(filled) < 2:
                continue
            if merged := len(held.merged_cell_ranges or []):
                groups = counted(merged, "group")
                desk.note(
                    f'{groups} of merged cells in the sheet "{name}": their value stands in the'
                    " first cell of each, and the others are empty"
                )
            if reach and reach.errors:
                errors = counted(reach.errors, "cell")
                desk.note(f'{errors} with errors in the sheet "{name}" taken for missing')
            others = [each for each in book.sheet_names if each != name]
            if others and not desk.options.table:
                desk.note(
                    f'the sheet "{name}" was read; others can be named with --table:'
                    f" {', '.join(others[:10])}"
                )
            return _rows_below_header(desk, path, filled, len(numbered))
    raise UsageError(
        "there are no rows in the workbook",
        where=str(path),
        hint="A sheet needs a header and rows below it.",
    )


def _candidates(desk: Desk, path: Path, book: CalamineWorkbook) -> list[str]:
    """The sheet that is named, or those to look for rows in, visible ones first."""
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    sheets = [s for s in book.sheets_metadata if s.typ == SheetTypeEnum.WorkSheet]
    names = [sheet.name for sheet in sheets]
    if wanted := desk.options.table:
        for name in (wanted, *names):
            if name in names and name.lower() == wanted.lower():
                return [name]
        raise UsageError(f'no sheet "{wanted}"', where=str(path), hint=nearest(wanted, names))
    return sorted(
        names,
        key=lambda name: next(
            s.visible != SheetVisibleEnum.Visible for s in sheets if s.name == name
        ),
    )


def _rows_below_header(
    desk: Desk, path: Path, filled: list[tuple[int, list[Any]]], height: int
) -> Sheet:
    """The header and the rows, without titles above it and without what is empty."""
    width = max(len(row) for _, row in filled)
    table = [(number, row + [None] * (width - len(row))) for number, row in filled]
    # One filled cell above a wider table is its title.
    while len(table) > 2 and _count(table[0][1]) == 1 and _count(table[1][1]) > 1:
        number, title = table.pop(0)
        said = next(str(cell) for cell in title if cell is not None)
        desk.note(f'row {number}, "{said[:60]}", stands above the header and was left out')
    used = [i for i in range(width) if any(row[i] is not None for _, row in table)]
    header = ["" if table[0][1][i] is None else _text(table[0][1][i]) or "" for i in used]
    left = min(used)
    inner = len(range(left, max(used) + 1)) - len(used)
    blank = height - table[0][0] + 1 - len(table)
    if inner or blank:
        empty = [(blank, "empty row"), (inner, "empty column")]
        said = " and ".join(counted(number, what) for number, what in empty if number)
        desk.note(f"left out: {said}")
    if len(table) < 2:
        raise UsageError(
            "the sheet holds a header and no rows", where=str(path), hint="Name another sheet."
        )
    names = column_names(desk, header)
    return Sheet(
        path,
        names,
        [[row[i] for i in used] for _, row in table[1:]],
        [number for number, _ in table[1:]],
    )


def _count(row: list[Any]) -> int:
    return sum(cell is not None for cell in row)


def _kind(cell: Any) -> str:
    """ "flag", "number", "time" (a day or a moment) or "text"."""
    if isinstance(cell, bool):
        return "flag"
    if isinstance(cell, int | float):
        return "number"
    if isinstance(cell, datetime.date):
        # The library gives a moment at midnight as a day.
        return "time"
    return "text"


def _typed(cells: list[Any], *, as_text: bool) -> pa.Array:
    """The cells as one Arrow array of the type that all of them have, or of text."""
    import pyarrow as pa

    kinds = {_kind(cell) for cell in cells if cell is not None}
    if as_text or len(kinds) != 1 or kinds == {"text"}:
        return pa.array([_text(cell) for cell in cells], pa.string())
    if kinds == {"flag"}:
        return pa.array(cells, pa.bool_())
    if kinds == {"number"}:
        if all(cell is None or _whole(cell) for cell in cells):
            return pa.array([None if c is None else int(c) for c in cells], pa.int64())
        return pa.array([None if c is None else float(c) for c in cells], pa.float64())
    moments = any(isinstance(cell, datetime.datetime) for cell in cells)
    if not moments:
        return pa.array(cells, pa.date32())
    return pa.array([_moment(cell) for cell in cells], pa.timestamp("us"))


def _moment(cell: Any) -> datetime.datetime | None:
    if cell is None or isinstance(cell, datetime.datetime):
        return cell
    return datetime.datetime(cell.year, cell.month, cell.day)


def _text(cell: Any) -> str | None:
    """A cell as a CSV file would hold it."""
    if cell is None:
        return None
    if isinstance(cell, bool):
        return str(cell).lower()
    return str(int(cell)) if isinstance(cell, float) and _whole(cell) else str(cell)


def _whole(number: float) -> bool:
    return abs(number) < EXACT_INTEGERS and number == int(number)


def _out(name: str, kind: pa.DataType) -> Out:
    import pyarrow as pa

    types = {pa.bool_(): "BOOLEAN", pa.int64(): "BIGINT", pa.float64(): "DOUBLE"}
    return Out(name, quoted(name), types.get(kind, "DATE" if kind == pa.date32() else "TIMESTAMP"))


def _opened(path: Path) -> CalamineWorkbook:
    try:
        from python_calamine import CalamineWorkbook
    except ImportError as error:
        raise UsageError(
            "workbooks are read by a library that is not installed",
            where=str(path),
            hint="Install it: pip install 'lepton-tui[excel]'",
        ) from error
    return CalamineWorkbook.from_path(str(path))


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    try:
        yield
    except LeptonError:
        raise
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
        raise _damaged(path, str(error)) from error
    except BaseException as error:
        # The library is not imported before it is used; what its Rust part panics with is no
        # Exception.
        kind = type(error).__name__
        if kind == "PasswordError":
            raise LeptonError(
                "the workbook is locked with a password",
                where=str(path),
                hint="Save a copy without the password.",
            ) from error
        if type(error).__module__.startswith("python_calamine") or kind == "PanicException":
            raise _damaged(path, str(error)) from error
        raise


def _damaged(path: Path, said: str) -> LeptonError:
    return LeptonError(
        "the workbook is cut short or damaged",
        where=f"{path}: {said[:160]}",
        hint="Copy or download it again, or save it anew.",
    )
