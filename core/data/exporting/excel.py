"""An Excel workbook: typed cells, text that stays text, several sheets when one is full."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.exporting.request import Request, Written
from core.errors import LeptonError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

# What a sheet holds; the first row names the columns.
SHEET_ROWS = 1_048_576
SHEET_COLUMNS = 16_384
LONGEST = 32_767
FIRST_DAY = dt.date(1900, 1, 1)
EXACT = 2**53
BATCH = 4096
# Characters that XML cannot hold, and text that a reader would take for such a one.
ODD = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")


def write(request: Request, path: Path) -> Written:
    """Write the rows to the sheets "rows", "rows 2" and so on, each with the names on top.

    Raises:
        UsageError: openpyxl is not installed, a column holds bytes, or there are no rows.
        LeptonError: a cell or the table is larger than Excel can hold.
    """
    try:
        from openpyxl import Workbook
    except ImportError:
        raise UsageError(
            "Excel files need the library openpyxl", hint='pip install "lepton-tui[excel]"'
        ) from None
    request.refuse_bytes("excel")
    names = [column.name for column in request.columns]
    if len(names) > SHEET_COLUMNS:
        raise UsageError(
            f"{len(names):,} columns do not fit a sheet of {SHEET_COLUMNS:,}",
            hint="Name those you need: --columns A,B.",
        )
    book = Workbook(write_only=True)
    cells = _Cells()
    try:
        written = _fill(book, request, names, cells)
        if not written:
            raise UsageError("there are no rows to write", where=request.version.ref)
        book.save(path)
    finally:
        for sheet in book.worksheets:
            # Its rows wait in a file of its own, which is not left behind.
            if not sheet.closed:
                sheet.close()
            Path(sheet._writer.out).unlink(missing_ok=True)
    notes = cells.notes()
    if (sheets := len(book.worksheets)) > 1:
        notes.append(f"the rows lie on {sheets} sheets, for one holds {SHEET_ROWS - 1:,}")
    return Written(written, notes)


def _fill(book: Any, request: Request, names: list[str], cells: _Cells) -> int:
    """Write the rows to as many sheets as they need; how many rows there were."""
    sheet: Any = None
    room = written = 0
    for batch in request.batches(names, BATCH):
        ids = batch.column(0).to_pylist()
        columns = [_values(name, batch.column(name)) for name in names]
        for rid, row in zip(ids, zip(*columns, strict=True), strict=True):
            if not room:
                number = len(book.worksheets) + 1
                sheet = book.create_sheet("rows" if number == 1 else f"rows {number}")
                sheet.freeze_panes = "A2"
                sheet.append([cells.text(sheet, name, name, None) for name in names])
                room = SHEET_ROWS - 1
            sheet.append(
                [cells.of(sheet, value, name, rid) for name, value in zip(names, row, strict=True)]
            )
            room -= 1
            written += 1
    return written


class _Cells:
    """Makes cells, and counts those whose value Excel could not have held as it was."""

    def __init__(self) -> None:
        from openpyxl.cell import WriteOnlyCell
        from openpyxl.cell.cell import ERROR_CODES

        self._cell = WriteOnlyCell
        self._errors = frozenset(ERROR_CODES)
        self._changed: Counter[str] = Counter()

    def notes(self) -> list[str]:
        return [f"{what}: {count:,}" for what, count in self._changed.items()]

    def of(self, sheet: Any, value: Any, column: str, rid: int) -> Any:
        """What openpyxl is given for a value: a number, a date, a truth value, text or nothing."""
        if value is None or isinstance(value, bool | dt.time | dt.timedelta):
            return value
        if isinstance(value, str):
            return self.text(sheet, value, column, rid)
        if isinstance(value, int):
            return value if abs(value) <= EXACT else self._as_text("large whole numbers", value)
        if isinstance(value, float):
            if math.isnan(value):
                return None
            return value if math.isfinite(value) else self._as_text("infinite numbers", value)
        if isinstance(value, Decimal):
            exact = value.is_finite() and Decimal(repr(float(value))) == value
            return value if exact else self._as_text("numbers of many digits", value)
        if isinstance(value, dt.date):
            day = value.date() if isinstance(value, dt.datetime) else value
            return value if day >= FIRST_DAY else self._as_text("dates before 1900", value)
        if isinstance(value, list | tuple | dict):
            written = json.dumps(value, ensure_ascii=False, default=str)
            return self.text(sheet, written, column, rid)
        return self.text(sheet, str(value), column, rid)

    def text(self, sheet: Any, value: str, column: str, rid: int | None) -> Any:
        """Text that Excel takes for text, whatever it begins with."""
        value = ODD.sub(lambda odd: f"_x{ord(odd[0]):04X}_", value)
        if len(value) > LONGEST:
            raise LeptonError(
                f'a text of {len(value):,} characters in "{column}" does not fit a cell of Excel,'
                f" which holds {LONGEST:,}",
                where=f"row {rid}" if rid is not None else "",
                hint="Leave the column out with --columns, or use csv or parquet.",
            )
        if value[:1] != "=" and value not in self._errors:
            return value
        cell = self._cell(sheet, value)
        cell.data_type = "s"
        return cell

    def _as_text(self, what: str, value: Any) -> str:
        self._changed[f"{what} written as text, for Excel cannot hold them"] += 1
        return value.isoformat() if isinstance(value, dt.date) else str(value)


def _values(name: str, column: pa.Array) -> list[Any]:
    """Python values of a column; times have microseconds and, where they had a zone, are in UTC."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_timestamp(column.type):
        column = pc.cast(column, pa.timestamp("us"), safe=False)
    elif pa.types.is_time(column.type):
        column = pc.cast(column, pa.time64("us"), safe=False)
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError) as error:
        raise LeptonError(
            f'the column "{name}" holds times that Excel cannot: {error}',
            hint="Leave the column out with --columns, or use csv or parquet.",
        ) from error
